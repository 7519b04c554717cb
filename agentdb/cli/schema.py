"""`agentdb schema`: the tables and what points to what, as a diagram."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from agentdb.cli.commands import AsJson
from agentdb.cli.output import answer, save
from agentdb.models.names import DOMAINS, Domain

if TYPE_CHECKING:
    from agentdb.operations.diagrams import Entity


def schema(
    *domains: Annotated[Domain, Parameter(help="Only the tables of these domains; all without one.")],
    format: Annotated[  # noqa: A002 - the option's name
        Literal["mermaid", "svg"] | None,
        Parameter(name="--format", help="What to draw it in: Mermaid, unless the file's name ends in .svg."),
    ] = None,
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="Write this file; without it to standard output.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Draw the tables, their columns and keys, by domain. It comes from the models: no database is opened."""
    # With Tortoise, which takes 100 ms that the other commands do not need.
    from agentdb.operations.diagrams import entities, mermaid, svg

    tables = entities(domains or DOMAINS)
    chosen = format or ("svg" if output is not None and output.suffix.lower() == ".svg" else "mermaid")
    drawn = svg(tables) if chosen == "svg" else mermaid(tables)
    if output is not None:
        save(output, drawn.encode(), is_private=False)
        answer(
            _data(tables, output), f"Drawn in {output}: {', '.join(table.name for table in tables)}.", as_json=as_json
        )
    elif as_json:
        answer(_data(tables, None), as_json=True)
    else:
        print(drawn, end="")


def _data(tables: tuple[Entity, ...], output: Path | None) -> dict[str, object]:
    return {"output": output and str(output), "tables": [asdict(table) for table in tables]}
