"""The diagram as SVG: a column of tables for each few domains, and a line from each key to the table that it points to.

It is text and rectangles, written with the standard library: it needs no program to lay it out and no font to measure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET

from agentdb.operations.diagrams.entities import Attribute, Entity

_COLUMNS: Final[Sequence[Sequence[str]]] = (
    ("access", "catalog"),
    ("agents",),
    ("conversations", "knowledge", "usage"),
    ("internal",),
)
_COLOURS: Final[Mapping[str, str]] = {
    "access": "#1b6ca8",
    "catalog": "#8a5a00",
    "agents": "#5b4aa2",
    "conversations": "#00735c",
    "knowledge": "#a33b6a",
    "usage": "#b3401f",
    "internal": "#55606b",
}
_WIDTH: Final = 300
_BETWEEN: Final = 150
_ROW: Final = 17
_HEADER: Final = 24
_MARGIN: Final = 24
_TITLE: Final = 34
_LEGEND: Final = "PK primary key   FK reference   U unique   u unique together   ? and a dashed line: may be null"


@dataclass(frozen=True, slots=True)
class _Box:
    """A table with its place on the paper, in pixels from the left and the top."""

    table: Entity
    left: int
    top: int

    @property
    def right(self) -> int:
        return self.left + _WIDTH

    @property
    def bottom(self) -> int:
        return self.top + _HEADER + _ROW * len(self.table.attributes)

    def middle_of(self, position: int) -> int:
        """Where the line of a column begins, downwards."""
        return self.top + _HEADER + _ROW * position + _ROW // 2

    @property
    def middle_of_header(self) -> int:
        return self.top + _HEADER // 2


def svg(tables: Sequence[Entity]) -> str:
    """A drawing of `tables`. Lines have the colour of the table that they lead to; dashed ones may be null."""
    titles, boxes = _placed(tables)
    width = max(box.right for box in boxes.values()) + _BETWEEN // 2 + _MARGIN
    height = max(box.bottom for box in boxes.values()) + 2 * _MARGIN
    root = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {width} {height}",
            "width": str(width),
            "height": str(height),
            "font-family": "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace",
            "font-size": "11",
        },
    )
    ET.SubElement(root, "title").text = "Tables of agentdb"
    _rectangle(root, 0, 0, width, height, fill="#ffffff")
    for box in boxes.values():
        _draw_lines(root, box, boxes)
    for domain, left, top in titles:
        _text(root, left, top + 20, domain, fill=_COLOURS[domain], size=15, weight="bold")
    for box in boxes.values():
        _draw_box(root, box)
    _text(root, _MARGIN, height - _MARGIN // 2, _LEGEND, fill="#5d6770")
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def _placed(tables: Sequence[Entity]) -> tuple[list[tuple[str, int, int]], dict[str, _Box]]:
    """The titles of the domains, and the boxes by table."""
    titles: list[tuple[str, int, int]] = []
    boxes: dict[str, _Box] = {}
    left = _MARGIN
    for domains in _COLUMNS:
        top = _MARGIN
        for domain in domains:
            members = [table for table in tables if table.domain == domain]
            if not members:
                continue
            titles.append((domain, left, top))
            top += _TITLE
            for table in members:
                boxes[table.name] = _Box(table, left, top)
                top = boxes[table.name].bottom + _MARGIN
        if top > _MARGIN:
            left += _WIDTH + _BETWEEN
    return titles, boxes


def _draw_lines(root: ET.Element, box: _Box, boxes: Mapping[str, _Box]) -> None:
    for position, attribute in enumerate(box.table.attributes):
        target = boxes.get(attribute.points_to or "")
        if target is not None:
            ET.SubElement(
                root,
                "path",
                {
                    "d": _way(box, position, target),
                    "fill": "none",
                    "stroke": _COLOURS[target.table.domain],
                    "stroke-width": "1.3",
                    "stroke-opacity": "0.75",
                    **({"stroke-dasharray": "5 3"} if attribute.is_nullable else {}),
                },
            )
            end = target.left if target.left > box.left else target.right
            _circle(root, end, target.middle_of_header, _COLOURS[target.table.domain])


def _way(box: _Box, position: int, target: _Box) -> str:
    """From the side of a column that faces the target to the side of the target that faces it."""
    begin, end = box.middle_of(position), target.middle_of_header
    if target.left == box.left:  # out to the right and back
        bend = box.right + min(_BETWEEN // 2, 24 + abs(begin - end) // 12)
        return f"M {box.right} {begin} C {bend} {begin}, {bend} {end}, {box.right} {end}"
    start, stop, reach = (
        (box.right, target.left, _BETWEEN * 2 // 3)
        if target.left > box.left
        else (box.left, target.right, -_BETWEEN * 2 // 3)
    )
    return f"M {start} {begin} C {start + reach} {begin}, {stop - reach} {end}, {stop} {end}"


def _draw_box(root: ET.Element, box: _Box) -> None:
    colour = _COLOURS[box.table.domain]
    _rectangle(root, box.left, box.top, _WIDTH, box.bottom - box.top, fill="#ffffff", stroke=colour)
    _rectangle(root, box.left, box.top, _WIDTH, _HEADER, fill=colour, stroke=colour)
    _text(root, box.left + 8, box.top + 16, box.table.name, fill="#ffffff", size=12, weight="bold")
    for position, attribute in enumerate(box.table.attributes):
        line = box.middle_of(position) + 4
        _text(root, box.left + 8, line, _marks(attribute), fill=colour, weight="bold")
        _text(root, box.left + 42, line, attribute.name, fill="#1c2126")
        _text(root, box.right - 8, line, _kind(attribute), fill="#5d6770", anchor="end")


def _marks(attribute: Attribute) -> str:
    marks = {
        "PK": attribute.is_primary,
        "FK": attribute.points_to is not None,
        "U": attribute.is_unique,
        "u": bool(attribute.unique_with),
    }
    return " ".join(name for name, is_one in marks.items() if is_one)


def _kind(attribute: Attribute) -> str:
    kind = attribute.type if attribute.points_to is None else f"→ {attribute.points_to}"
    return f"{kind}?" if attribute.is_nullable else kind


def _text(
    root: ET.Element,
    left: int,
    top: int,
    text: str,
    *,
    fill: str,
    size: int = 11,
    weight: str = "normal",
    anchor: str = "start",
) -> None:
    style = {"fill": fill, "font-size": str(size), "font-weight": weight, "text-anchor": anchor}
    ET.SubElement(root, "text", {"x": str(left), "y": str(top), **style}).text = text


def _rectangle(
    root: ET.Element, left: int, top: int, width: int, height: int, *, fill: str, stroke: str = "none"
) -> None:
    place = {"x": str(left), "y": str(top), "width": str(width), "height": str(height)}
    ET.SubElement(root, "rect", {**place, "fill": fill, "stroke": stroke})


def _circle(root: ET.Element, left: int, top: int, colour: str) -> None:
    ET.SubElement(root, "circle", {"cx": str(left), "cy": str(top), "r": "3", "fill": colour})
