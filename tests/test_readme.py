"""What the README shows is true."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import agentdb
from agentdb.config import describe_settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def code_after(marker: str) -> str:
    """The first code block after `marker`."""
    found = re.search(r"```\w*\n(.*?)```", README[README.index(marker) + len(marker) :], re.DOTALL)
    assert found
    return found.group(1)


def settings_table() -> str:
    """The table of settings as the code documents them."""
    rows = [
        f"| {', '.join(f'`{name}`' for name in row.variable.split(', '))} | {row.default} | {row.meaning} |"
        for row in describe_settings()
    ]
    return "\n".join(["| variable | default | meaning |", "| --- | --- | --- |", *rows])


def test_the_example_runs_as_pasted() -> None:
    """It prints exactly what stands below it."""
    shown = subprocess.run(
        [sys.executable, "-c", code_after("## Use")], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout

    assert shown == code_after("asyncio.run(main())\n```")


def test_the_table_of_settings_is_the_codes() -> None:
    """Every setting is documented once, beside its field."""
    block = README[README.index("<!-- settings -->") : README.index("<!-- end of settings -->")]

    assert block.removeprefix("<!-- settings -->").strip() == settings_table()


def test_the_schema_lists_every_table() -> None:
    """By domain, all seventeen."""
    rows = re.findall(r"^\| (?:access|catalog|agents|conversations|knowledge|usage) \| (.*) \|$", README, re.MULTILINE)

    assert {name for row in rows for name in row.split(", ")} == set(agentdb.TABLES)


def test_the_example_of_a_test_passes(tmp_path: Path) -> None:
    """A project without any conftest pastes it and runs it."""
    (tmp_path / "test_pasted.py").write_text(code_after("## Tests of your own"))
    options = ["-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "--rootdir", str(tmp_path)]

    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )

    assert "1 passed" in ran.stdout, ran.stdout + ran.stderr


def test_continuous_integration_runs_the_readmes_test_command() -> None:
    """`.ci/run` takes the command out of the README, so it must find one."""
    marker = re.search(r"^<!-- test command -->\n```sh\n(.*)\n```$", README, re.MULTILINE)

    assert marker
    assert marker.group(1).endswith("nox -s tests")
