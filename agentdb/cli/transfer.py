"""The command that moves a database."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import asdict
from dataclasses import replace as replaced
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

from cyclopts import Parameter

from agentdb.cli.asking import UsageError, Yes, is_agreed
from agentdb.cli.commands import AsJson
from agentdb.cli.output import Table, answer
from agentdb.cli.progress import progress_shown
from agentdb.config import Settings
from agentdb.engine import resolve
from agentdb.engine.url import parse_url, without_password

if TYPE_CHECKING:
    from agentdb.operations.transfer import Transfer


class Places(NamedTuple):
    """URLs; the source is None for the configured database."""

    source: str | None
    target: str


_WITH: Final = "Name both: `agentdb transfer SOURCE TARGET`, or `agentdb transfer --from-env TARGET`."


def transfer(
    source: Annotated[
        str | None, Parameter(help="URL of the database to copy; with --from-env that of the target.")
    ] = None,
    target: Annotated[str | None, Parameter(help="URL of the database to fill. It is made if it is missing.")] = None,
    /,
    *,
    from_env: Annotated[bool, Parameter(negative="", help="Copy the configured database.")] = False,
    replace: Annotated[bool, Parameter(negative="", help="Delete what the target holds.")] = False,
    verify: Annotated[bool, Parameter(help="Compare contents before the target becomes ready.")] = True,
    yes: Yes = False,
    as_json: AsJson = False,
) -> int:
    """Copy a whole database to another engine or place. Without arguments, on a terminal, it asks.

    Stop the services of both first. It may be interrupted at any point: the same command goes on.
    """
    from agentdb.operations.transfer import transfer as transferred

    settings = Settings.load()
    # Asked before there is an event loop, which would keep Ctrl-C from ending a question.
    places, has_asked = _places(settings, source, target, from_env=from_env)
    if not yes and not _is_confirmed(settings, places, replace=replace, has_asked=has_asked):
        return 1
    with progress_shown() as told:
        done = asyncio.run(
            transferred(places.source, places.target, replace=replace, verify=verify, settings=settings, told=told)
        )
    answer(asdict(done), *_shown(done), *_next(settings, places), as_json=as_json)
    return 0


def _places(settings: Settings, first: str | None, second: str | None, *, from_env: bool) -> tuple[Places, bool]:
    """Where from and where to, and whether somebody was asked."""
    if from_env and second is not None:
        raise UsageError("With --from-env only the target is named: `agentdb transfer --from-env TARGET`.")
    if from_env and first is not None:
        return Places(None, first), False
    if first is not None and second is not None:
        return Places(first, second), False
    if first is not None:
        raise UsageError(f"The target is missing. {_WITH}")
    if not sys.stdin.isatty():
        raise UsageError(f"Nobody can be asked where to copy here. {_WITH}")
    from agentdb.cli.wizard import Wizard  # which few calls need

    wizard = Wizard(settings)
    try:
        return Places(None if from_env else wizard.source(), wizard.target()), True
    except EOFError:  # Ctrl-D
        raise UsageError("The questions were not answered. Nothing was changed.") from None


def _is_confirmed(settings: Settings, places: Places, *, replace: bool, has_asked: bool) -> bool:
    if not (replace or has_asked):
        return True
    here, there = resolve(places.source, settings).shown, resolve(places.target, settings).shown
    loss = " What the target holds is deleted." if replace else ""
    return is_agreed(f"Copy {here} to {there}?{loss}")


def _shown(done: Transfer) -> Iterator[str | Table]:
    yield Table([("source", done.source), ("target", done.target)])
    yield Table([(name, rows) for name, rows in done.rows.items() if rows], ("table", "rows"))
    if done.was_done:
        yield "Nothing to do: the target is ready and holds the same already."
    else:
        how = "went on with an earlier transfer" if done.is_resumed else "copied"
        checked = "all tables hold the same as the source" if done.digests else "not compared (--no-verify)"
        yield f"Done: {how}; {checked}. The target is ready."
    if done.changed:
        yield (
            f"Warning: somebody wrote to the source meanwhile ({', '.join(done.changed)}), and that is not in the "
            "target. Stop the services of the source, and run it again with --replace."
        )
    for finding in done.findings:
        yield f"{finding.severity.capitalize()}: {finding.found} {finding.advice}"
    if done.findings and done.key_file is not None:
        yield f"The secret key of the source lies in {done.key_file}. It was not copied."


def _next(settings: Settings, places: Places) -> Iterator[str]:
    """What to change for services that use the configured database."""
    if places.source is not None:
        return
    url, named_by = parse_url(places.target), resolve(None, settings).source
    if resolve(places.target, settings).key_file is not None:  # it lies in files, which services find from anywhere
        url = replaced(url, path=str(Path(url.path).absolute()))
    secret = ", with the password put in" if url.password else ""
    instead = f" It counts before {named_by}." if named_by in ("DB_STORAGE", "PGHOST") else ""
    yield f"Now set this for all services{secret}.{instead}\nAGENTDB_URL={without_password(url)}"
