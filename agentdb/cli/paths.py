"""`agentdb paths`: which place won, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from agentdb.cli.commands import AsJson, Url, place_rows
from agentdb.cli.output import Table, answer
from agentdb.config import Settings
from agentdb.engine import resolve
from agentdb.operations.paths import Paths, Place, find_paths


def paths(*, url: Url = None, as_json: AsJson = False) -> None:
    """Show which database is meant, where its files lie, and which setting says so. Opens and makes nothing."""
    settings = Settings.load()
    target = resolve(url, settings)
    found = find_paths(target, settings)
    answer(asdict(found), Table([*place_rows(target), *_rows(found)]), as_json=as_json)


def _rows(found: Paths) -> Iterator[tuple[str, str]]:
    if found.unused:
        yield "does not count", ", ".join(found.unused)
    if found.database is not None:
        yield "database", _told(found.database)
    yield "secret key", _told(found.key) if found.key else found.key_source
    chosen_by = "" if found.data_directory.source == "default" else f", by {found.data_directory.source}"
    use = "" if found.source == "default" else ", not used"
    yield "data directory", f"{_told(found.data_directory)}{chosen_by}{use}"
    yield "settings file", found.settings_file or "none here"


def _told(place: Place) -> str:
    state = ", ".join(filter(None, (place.mode, place.owner))) or "not there"
    return f"{place.path} ({state})"
