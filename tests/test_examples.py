"""Every example runs as it stands and prints what its last comment says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


def promised(example: Path) -> str:
    """The comment at the end of the file."""
    lines = example.read_text(encoding="utf-8").splitlines()
    first = max(number for number, line in enumerate(lines) if not line.startswith("#")) + 1
    return "".join(line.removeprefix("# ") + "\n" for line in lines[first:])


def test_there_are_examples() -> None:
    """An empty list would let the test below hold for nothing."""
    assert {example.stem for example in EXAMPLES} >= {"first_conversation", "budgets", "two_databases", "own_seed"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_an_example_prints_what_it_says(example: Path, tmp_path: Path) -> None:
    """In an empty directory and without any setting."""
    settings = ("AGENTDB_", "DB_", "PG")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(example)],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith(settings)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout == promised(example)
    assert list(tmp_path.iterdir()) == []
    assert len(example.read_text(encoding="utf-8").splitlines()) < 50
