"""A CSV text split into rows of cells.

Not by the standard `csv` module, because it cannot do three things this format needs: tell a quoted `null` from a bare
one (before Python 3.12), accept a quote that opens inside a cell (`ab"cd"ef`), and say on which line an unterminated
quote was opened. What is left is small: one method per part of the grammar.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from agentdb.errors import SeedError

MAX_CELL_BYTES: Final = 16 * 1024 * 1024


class Cell(NamedTuple):
    """One cell; `text` is trimmed outside its quotes, never inside."""

    text: str
    is_quoted: bool = False


class Record(NamedTuple):
    line: int
    cells: list[Cell]

    def is_blank(self) -> bool:
        """True for an empty line, a line of spaces or of commas: such lines are not rows."""
        return not any(cell.text.strip() for cell in self.cells)


def split(text: str, *, file: str) -> Iterator[Record]:
    """The records of a CSV text, header and blank lines included.

    A line ends with LF, CR LF or a lone CR; inside quotes all three are content.

    Raises:
        SeedError: A quote that is never closed, or a cell over 16 MiB; `file` is only for the message.
    """
    return _Splitter(text, file).records()


class _Splitter:
    _STOP: Final = re.compile(r'[",\r\n]')

    def __init__(self, text: str, file: str) -> None:
        self._text, self._file = text, file
        self._at, self._line = 0, 1

    def records(self) -> Iterator[Record]:
        while self._at < len(self._text):
            line = self._line
            cells = [self._cell()]
            while self._peek() == ",":
                self._at += 1
                cells.append(self._cell())
            self._end_line()
            yield Record(line, cells)

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _end_line(self) -> None:
        self._at += 2 if self._text.startswith("\r\n", self._at) else 1
        self._line += 1

    def _cell(self) -> Cell:
        line = self._line
        pieces: list[Cell] = []
        while (char := self._peek()) and char not in ",\r\n":
            pieces.append(self._quoted() if char == '"' else self._bare())
        if not pieces:
            return Cell("")
        if not pieces[0].is_quoted:
            pieces[0] = Cell(pieces[0].text.lstrip())
        if not pieces[-1].is_quoted:
            pieces[-1] = Cell(pieces[-1].text.rstrip())
        cell = Cell("".join(piece.text for piece in pieces), any(piece.is_quoted for piece in pieces))
        if (size := len(cell.text.encode())) > MAX_CELL_BYTES:
            raise SeedError(
                f"A cell has {size} bytes, at most {MAX_CELL_BYTES} are read. Split it, or leave it out.",
                file=self._file,
                line=line,
            )
        return cell

    def _bare(self) -> Cell:
        stop = self._STOP.search(self._text, self._at)
        start, self._at = self._at, stop.start() if stop else len(self._text)
        return Cell(self._text[start : self._at])

    def _quoted(self) -> Cell:
        start = self._at + 1
        end = self._text.find('"', start)
        while end >= 0 and self._text.startswith('""', end):
            end = self._text.find('"', end + 2)
        if end < 0:
            raise SeedError(
                "A quote is opened here and never closed. Close it, or double it if it is meant literally.",
                file=self._file,
                line=self._line,
            )
        content = self._text[start:end]
        self._at = end + 1
        self._line += content.count("\n") + content.count("\r") - content.count("\r\n")
        return Cell(content.replace('""', '"'), is_quoted=True)
