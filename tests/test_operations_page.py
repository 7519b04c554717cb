"""The commands in docs/operations.md are ones that the command line takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from agentdb.cli.app import app

PAGE = (Path(__file__).parents[1] / "docs" / "operations.md").read_text()
COMMANDS = [
    line.removeprefix("agentdb ")
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.startswith("agentdb ")
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_taken(command: str) -> None:
    """With its arguments and options, whatever a shell does with the rest of the line."""
    words = shlex.split(command, comments=True)
    end = next((position for position, word in enumerate(words) if word in ("<", ">", "|")), len(words))

    app.parse_args(words[:end], exit_on_error=False, print_error=False)


def test_every_command_of_the_page_has_a_line_in_the_readme() -> None:
    """Who looks for it finds it there first."""
    readme = (Path(__file__).parents[1] / "README.md").read_text()

    assert {command.split()[0] for command in COMMANDS} <= set(re.findall(r"`(?:agentdb )?([\w-]+)", readme))
