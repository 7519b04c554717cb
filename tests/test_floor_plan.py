"""Rooms import only downward, from lower floors and from themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import agentdb

FLOORS = [
    {"errors", "types"},
    {"config"},
    {"secrets", "telemetry"},
    {"engine"},
    {"models", "sql"},
    {"records", "events"},
    {"services", "lifecycle"},
    {"operations"},
    {"database"},
    {"cli", "testing", "integrations"},
]
PACKAGE = Path(agentdb.__file__).parent
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def room_of(path: Path) -> str:
    """The first name below the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def floor_of(room: str) -> int:
    """The floor that a room is on; fails for a room that is not on the plan."""
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def imported_rooms(path: Path) -> Iterator[str]:
    """Rooms that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            package, _, rest = name.partition(".")
            if package == "agentdb" and rest:
                yield rest.split(".")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_arrows_point_down(path: Path) -> None:
    """A room imports from lower floors and from itself, never from a neighbour on its own floor."""
    room = room_of(path)

    for imported in imported_rooms(path):
        assert imported == room or floor_of(imported) < floor_of(room), f"{path.name} imports {imported}"


def test_every_room_is_on_the_plan() -> None:
    """A new room has to be given a floor."""
    assert {room_of(path) for path in FILES} <= set().union(*FLOORS)


def test_only_the_engine_room_asks_which_engine_it_is() -> None:
    """Elsewhere a dialect is asked for an answer or an ability, and its name is not compared."""
    for path in FILES:
        if room_of(path) == "engine":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                shown = ast.unparse(node)
                assert not ("dialect" in shown and ("'sqlite'" in shown or "'postgres" in shown)), f"{path}: {shown}"


def test_money_is_never_summed_by_tortoise() -> None:
    """`Sum` and `F` over a money column give wrong numbers without an error."""
    for path in FILES:
        assert not imported_names(path) & {
            "tortoise.functions.Sum",
            "tortoise.functions.Avg",
            "tortoise.expressions.F",
        }, path


def test_the_schema_is_never_generated() -> None:
    """The migrated schema is the only one, and stock transactions lose data under cancellation."""
    for path in FILES:
        calls = {ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)}

        assert not any(call.endswith("generate_schemas") for call in calls), path
        assert not imported_names(path) & {"tortoise.transactions.in_transaction", "tortoise.transactions.atomic"}, path


def imported_names(path: Path) -> set[str]:
    """What a file imports by name, with the module it comes from."""
    return {
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
