"""The diagram as Mermaid, which code hosts, wikis and editors draw by themselves.

Mermaid 10 and older have no way to group tables, so the domains are comments, and the order of the text is theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from agentdb.operations.diagrams.entities import Attribute, Entity


def mermaid(tables: Sequence[Entity]) -> str:
    """An `erDiagram`.

    A line without gaps is a key that is never null, a dashed one may be. What points to a table that is not shown is
    a mark at its column.
    """
    return "\n".join(_lines(tables)) + "\n"


def _lines(tables: Sequence[Entity]) -> Iterator[str]:
    yield "erDiagram"
    shown = {table.name for table in tables}
    for domain, members in groupby(tables, lambda table: table.domain):
        yield f"    %% {domain}"
        for table in members:
            yield f"    {table.name} {{"
            for attribute in table.attributes:
                yield f"        {_attribute(attribute)}"
            yield "    }"
    yield "    %% references"
    for table in tables:
        for attribute, target in table.references:
            if target in shown:
                yield f"    {target} {_cardinality(attribute)} {table.name} : {attribute.name}"


def _attribute(attribute: Attribute) -> str:
    keys = {"PK": attribute.is_primary, "FK": attribute.points_to is not None, "UK": attribute.is_unique}
    marks = ", ".join(name for name, is_one in keys.items() if is_one)
    # A comma would end the type.
    kind = re.sub(r"[^\w()]", "-", attribute.type)
    return " ".join(part for part in (kind, attribute.name, marks, f'"{remark(attribute)}"') if part.strip('"'))


def remark(attribute: Attribute) -> str:
    """What its type and its keys do not tell."""
    remarks = ["null"] if attribute.is_nullable else []
    if attribute.unique_with:
        remarks.append(f"unique with {' and '.join(attribute.unique_with)}")
    if attribute.points_to is not None:
        remarks.append(f"to {attribute.points_to}, on delete {str(attribute.on_delete).lower()}")
    return "; ".join(remarks)


def _cardinality(attribute: Attribute) -> str:
    many = "o|" if attribute.is_unique else "o{"
    return f"|o..{many}" if attribute.is_nullable else f"||--{many}"
