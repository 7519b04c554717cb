"""Backups that are taken while three processes write."""

from __future__ import annotations

import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import agentdb
from agentdb.database import look
from agentdb.operations.restoration import restore
from tests.counts import COUNTS
from tests.lifecycle.places import Place, Places, configured
from tests.operations.backing_up import Writer, turns_in, writing


async def test_each_is_a_prefix_of_what_was_acknowledged(ready_place: Place, places: Places, tmp_path: Path) -> None:
    """What was acknowledged before is in it, nothing is there by halves, and the money adds up; writers go on."""
    commits = 0
    with writing(ready_place.url) as writers:
        async with await look(ready_place.url, settings=configured()) as db:
            for number in range(COUNTS.backups_under_writers):
                file = tmp_path / f"{number}.backup"
                before = [writer.ask() for writer in writers]
                done = await db.backup(file)
                after = [writer.ask() for writer in writers]
                found = await _turns_in_backup(file, places, writers)

                assert done.kind == ("pg_dump" if ready_place.is_on_server else "sqlite")
                assert all(low <= turns <= high + 1 for low, turns, high in zip(before, found, after, strict=True))
                commits += sum(after) - sum(before)

    assert commits > 0, "nobody wrote during the backups"
    async with await look(ready_place.url, settings=configured()) as db:
        assert [await turns_in(db, writer) for writer in writers] == [writer.acknowledged for writer in writers]


async def _turns_in_backup(file: Path, places: Places, writers: list[Writer]) -> list[int]:
    place = places.empty()
    settings = configured()
    if place.path is not None:
        _check_inner_file(file, file.with_suffix(".db"))
    await restore(file, place.url, settings=settings)
    async with agentdb.connect(place.url, settings=settings, skip_sync=True) as db:
        return [await turns_in(db, writer) for writer in writers]


def _check_inner_file(file: Path, copy: Path) -> None:
    """Any unzip and any SQLite open it; there is no log that would have to lie beside it."""
    with zipfile.ZipFile(file) as archive:
        assert sorted(archive.namelist()) == ["database.sqlite", "manifest.json"]
        copy.write_bytes(archive.read("database.sqlite"))
    with closing(sqlite3.connect(copy)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
