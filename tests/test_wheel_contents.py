"""The list of what the wheel holds is that of the source, so a forgotten or a stray file is seen without building."""

from __future__ import annotations

from pathlib import Path

from tests.wheel_check import CONTENTS, compared

ROOT = Path(__file__).parents[1]
RENEW = "Renew the list with: nox -s wheel -- --renew"


def test_the_list_is_that_of_the_source() -> None:
    """Every file of the package and every migration, and beside them what tells about the package."""
    listed = [name for name in CONTENTS.read_text().splitlines() if ".dist-info/" not in name]
    package = [f"agentdb/{name}" for name in files(ROOT / "agentdb")]
    migrations = [f"agentdb/_migrations/{name}" for name in files(ROOT / "migrations")]

    assert compared(sorted(package + migrations), listed) == [], RENEW


def test_nothing_compiled_and_no_test_is_in_the_list() -> None:
    """Whatever lay in a checkout when the list was renewed."""
    listed = CONTENTS.read_text().splitlines()

    assert listed == sorted(set(listed))
    assert {Path(name).suffix for name in listed} <= {".py", ".sql", ".csv", ".txt", ".toml", ".typed", ""}
    assert not [name for name in listed if not name.startswith(("agentdb/", "agentdb-*.dist-info/"))]


def test_a_stray_and_a_missing_file_are_told() -> None:
    """By name, one line each."""
    told = compared(["agentdb/__init__.py", "agentdb/old.so"], ["agentdb/__init__.py", "agentdb/py.typed"])

    assert told == ["missing: agentdb/py.typed", "not expected: agentdb/old.so"]


def files(directory: Path) -> list[str]:
    """The files below a directory, without what Python leaves behind."""
    found = (path for path in directory.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return [path.relative_to(directory).as_posix() for path in found]
