"""The development environment is locked: every package with its version and hashes, and no place to fetch it from."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT: Mapping[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
README = (ROOT / "README.md").read_text()
LOCKS = ("dev", "nox")
ENTRY = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9-]*)==(?P<version>[0-9][^ ]*)(?: ; (?P<marker>[^\\]+))? \\\n"
    r"(?P<hashes>(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)"
    r"    # via [a-z-][^\n]*\n"
)


class Locked:
    """One lock: its entries, and whatever is none."""

    def __init__(self, name: str) -> None:
        self.text = (ROOT / "requirements" / f"{name}.txt").read_text()
        self.entries = [found.groupdict() for found in ENTRY.finditer(self.text)]
        self.rest = ENTRY.sub("", self.text)

    def versions(self, requirement: Requirement) -> list[str]:
        """What the lock gives for it; several where Pythons differ."""
        name = canonicalize_name(requirement.name)
        return [entry["version"] for entry in self.entries if entry["name"] == name]


def requirements() -> Iterator[Requirement]:
    """All that pyproject.toml asks for, in every extra and group, and to build."""
    of_project = PROJECT["project"]
    texts = [
        *of_project["dependencies"],
        *(text for extra in of_project["optional-dependencies"].values() for text in extra),
        *(text for group in PROJECT["dependency-groups"].values() for text in group),
        *PROJECT["build-system"]["requires"],
    ]
    yield from (found for found in map(Requirement, texts) if found.name != "agentdb")


@pytest.mark.parametrize("name", LOCKS)
def test_every_entry_has_a_version_and_hashes(name: str) -> None:
    """And nothing else stands in the file: no address of an index, no option, no package without a hash."""
    locked = Locked(name)

    assert locked.rest == ""
    assert len(locked.entries) > 10
    assert "://" not in locked.text


@pytest.mark.parametrize("requirement", [*requirements()], ids=str)
def test_the_lock_satisfies_the_project(requirement: Requirement) -> None:
    """`nox -s lock` was run after the last change of pyproject.toml."""
    versions = Locked("dev").versions(requirement)

    assert versions
    assert all(requirement.specifier.contains(version) for version in versions), versions


def test_every_supported_python_has_one_version_of_each() -> None:
    """Markers choose between several; on each Python and platform that we name, at most one is left."""
    for python in ("3.11", "3.12", "3.13"):
        for platform, system in (("linux", "posix"), ("darwin", "posix"), ("win32", "nt")):
            environment = {
                "python_version": python,
                "python_full_version": f"{python}.1",
                "sys_platform": platform,
                "os_name": system,
                "implementation_name": "cpython",
                "platform_python_implementation": "CPython",
            }
            names = [
                entry["name"]
                for entry in Locked("dev").entries
                if not entry["marker"] or Marker(entry["marker"]).evaluate(environment)
            ]

            assert len(names) == len(set(names))


def test_nox_is_locked_like_the_rest() -> None:
    """What starts the sessions is what they hold themselves."""
    sessions = {(entry["name"], entry["version"], entry["hashes"]) for entry in Locked("dev").entries}
    runner = {(entry["name"], entry["version"], entry["hashes"]) for entry in Locked("nox").entries}

    assert runner <= sessions
    assert "nox" in {name for name, _, _ in runner}


def test_sessions_install_what_is_locked() -> None:
    """Only making the locks needs a package that is not in them."""
    installs = re.findall(r"session\.install\((.*)\)", (ROOT / "noxfile.py").read_text())

    assert installs == [
        '"--no-deps", "--no-build-isolation", "-e", "."',
        '"--require-hashes", "--constraint", LOCK, *requirements',
        '"uv"',
    ]


def test_the_readme_installs_what_is_locked() -> None:
    """The command that runs the tests, which is also that of continuous integration."""
    [command] = re.findall(r"^python3 -m venv .* nox -s tests$|^python3 -m venv .*/nox -s tests$", README, re.MULTILINE)

    assert " install -q --require-hashes -r requirements/nox.txt && " in command
