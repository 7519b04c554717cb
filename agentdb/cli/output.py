"""What a command says: tables on a terminal, plain lines in a pipe, JSON to programs."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import orjson
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from agentdb.engine.private_files import create_private
from agentdb.errors import StorageError
from agentdb.telemetry import redact

_NARROWEST: Final = 16
"""A text in a narrower column is no text any more."""

_COMMANDS: Final = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), "\ufffd")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows below headings, or without headings a list of facts. Numbers stand to the right."""

    rows: Sequence[Sequence[object]]
    headings: Sequence[str] = ()


def answer(data: Mapping[str, object], *parts: str | Table, as_json: bool) -> None:
    """Print `data` as JSON, or else `parts` for people."""
    if as_json:
        print(orjson.dumps(data, option=orjson.OPT_INDENT_2, default=_text).decode())
    else:
        show(Console(highlight=False), *parts)


def show(console: Console, *parts: str | Table) -> None:
    """Print `parts` with a blank line between any two.

    What is no terminal gets neither frames nor line breaks, nor does one that is too narrow for a table.
    """
    for position, part in enumerate(parts):
        if position:
            console.print()
        if isinstance(part, Table) and console.is_terminal and _least_width(part) <= console.width:
            console.print(_framed(part))
        else:
            console.print(Text(part if isinstance(part, str) else _plain(part)), soft_wrap=True)


def save(path: Path, content: bytes, *, is_private: bool) -> None:
    """Write a file, over one that is there.

    Args:
        is_private: A new one is for its owner only, because it tells of what is in a database.

    Raises:
        StorageError: It cannot be written there.
    """
    try:
        if is_private:
            create_private(path)
        path.write_bytes(content)
    except OSError as error:
        said = f"{path} cannot be written: {error.strerror}. Name a file in a directory that this user may write to."
        raise StorageError(said, reason="read-only") from error


def complain(message: str) -> None:
    """Say on stderr what went wrong, without secrets."""
    print(redact(message), file=sys.stderr)


def _framed(table: Table) -> RichTable:
    framed = RichTable(show_header=bool(table.headings))
    widths = _widths(table)
    for position, heading in enumerate(table.headings or [""] * len(widths)):
        is_numeric = _is_numeric(table, position)
        # What does not fit is folded: a place or a name that is cut short cannot be copied.
        framed.add_column(
            Text(heading.replace(" ", "\n") if is_numeric else heading),
            justify="right" if is_numeric else "left",
            no_wrap=is_numeric,
            min_width=None if is_numeric else min(widths[position], _NARROWEST),
            overflow="fold",
        )
    for row in table.rows:
        framed.add_row(*(Text(_text(cell)) for cell in row))
    return framed


def _least_width(table: Table) -> int:
    """Of its frame, with texts folded and headings of numbers broken."""
    widths = _widths(table)
    for position, heading in enumerate(table.headings or [""] * len(widths)):
        if _is_numeric(table, position):
            widths[position] = max(map(len, [*heading.split(), *(_text(row[position]) for row in table.rows)]))
        else:
            widths[position] = min(widths[position], _NARROWEST)
    return sum(widths) + 3 * len(widths) + 1


def _plain(table: Table) -> str:
    widths = _widths(table)
    lines = [_line(table, row, widths) for row in ([table.headings] if table.headings else []) + list(table.rows)]
    return "\n".join(lines)


def _line(table: Table, row: Sequence[object], widths: Sequence[int]) -> str:
    cells = (
        _text(cell).rjust(width) if _is_numeric(table, position) else _text(cell).ljust(width)
        for position, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(cells).rstrip()


def _widths(table: Table) -> list[int]:
    columns = zip(*([table.headings] if table.headings else []), *table.rows, strict=True)
    return [max(len(_text(cell)) for cell in column) for column in columns]


def _is_numeric(table: Table, position: int) -> bool:
    return bool(table.headings) and all(isinstance(row[position], (int, Decimal)) for row in table.rows)


def printable(text: str) -> str:
    """A name that users chose, without what would command a terminal."""
    return text.translate(_COMMANDS)


def _text(value: Any) -> str:
    # Decimal's own text may be 0E-10.
    return f"{value:f}" if isinstance(value, Decimal) else printable(str(value))
