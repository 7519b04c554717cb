"""Backups that were damaged, cut off, changed or never finished."""

from __future__ import annotations

import os
import random
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from agentdb import ConflictError, InvalidInputError, StorageError, UnsupportedError
from agentdb.database import look
from agentdb.operations.archive import ArchiveWriter
from agentdb.operations.manifest import BackupFormat, Manifest
from agentdb.operations.restoration import restore
from agentdb.operations.verification import verify
from tests.counts import COUNTS
from tests.lifecycle.places import KEY, Place, Places, configured, listing
from tests.operations.backing_up import facts_of, put_back, take_backup


async def backup_of(place: Place, file: Path, kind: BackupFormat = "native") -> Path:
    async with await look(place.url, settings=configured(secret_key=KEY)) as db:
        await db.backup(file, format=kind)
    return file


def changed(file: Path, change: Callable[[dict[str, bytes], Manifest], Manifest]) -> Path:
    """Another backup, sealed anew as somebody would who means harm."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name != "manifest.json"}
        manifest = change(members, Manifest.model_validate_json(archive.read("manifest.json")))
    forged = file.with_name("forged.backup")
    writer = ArchiveWriter(forged)
    for name, content in members.items():
        with writer.member(name) as member:
            member.write(content)
    writer.finish(manifest, told=lambda done, total: None)
    return forged


def flipped(whole: bytes, at: int, bit: int) -> bytes:
    return whole[:at] + bytes([whole[at] ^ (1 << bit)]) + whole[at + 1 :]


def written(file: Path, content: bytes) -> Path:
    file.write_bytes(content)
    return file


def bytes_of(file: Path) -> bytes:
    return file.read_bytes()


@pytest.mark.parametrize("kind", ["native", "portable"])
async def test_every_change_of_a_bit_and_every_cut_is_found(
    kind: BackupFormat, ready_place: Place, tmp_path: Path
) -> None:
    """Wherever in the file it is, also where unzip does not look."""
    whole = bytes_of(await backup_of(ready_place, tmp_path / "whole.backup", kind))
    draw, file = random.Random(5), tmp_path / "damaged.backup"
    ends = [0, 1, 10, len(whole) - 1, len(whole) - 40, len(whole) - 90]
    for at in (*ends, *(draw.randrange(len(whole)) for _ in range(20))):
        with pytest.raises(StorageError, match=r"damaged|no backup") as refusal:
            await verify(written(file, flipped(whole, at, draw.randrange(8))))
        assert refusal.value.reason == "corrupt"
    for length in (0, 1, 50, len(whole) // 2, len(whole) - 1):
        with pytest.raises(StorageError, match="no backup"):
            await verify(written(file, whole[:length]))


@pytest.mark.agentdb(engine="sqlite")
async def test_what_was_changed_on_purpose_does_not_fit(ready_place: Place, places: Places, tmp_path: Path) -> None:
    """Under a seal that fits, the rows have to be those of the manifest, and nothing is restored before."""
    portable = await backup_of(ready_place, tmp_path / "portable.backup", "portable")
    native = await backup_of(ready_place, tmp_path / "native.backup")
    target, settings = places.empty(), configured(secret_key=KEY)

    def another_role(members: dict[str, bytes], manifest: Manifest) -> Manifest:
        members["tables/Role.jsonl"] = members["tables/Role.jsonl"].replace(b'"id":1', b'"id":9')
        return manifest

    def no_json(members: dict[str, bytes], manifest: Manifest) -> Manifest:
        members["tables/Role.jsonl"] = b"[a secret text\n" + members["tables/Role.jsonl"]
        return manifest

    def one_row_less(members: dict[str, bytes], manifest: Manifest) -> Manifest:
        members["tables/Role.jsonl"] = members["tables/Role.jsonl"].partition(b"\n")[2]
        return manifest

    def one_table_less(members: dict[str, bytes], manifest: Manifest) -> Manifest:
        del members["tables/Role.jsonl"]
        return manifest

    def untold_table(members: dict[str, bytes], manifest: Manifest) -> Manifest:
        del members["tables/Role.jsonl"]
        return manifest.model_copy(
            update={"tables": {name: facts for name, facts in manifest.tables.items() if name != "Role"}}
        )

    def something_else(members: dict[str, bytes], manifest: Manifest) -> Manifest:
        members["../../etc/passwd"] = b"root"
        return manifest

    def another_copy(members: dict[str, bytes], manifest: Manifest) -> Manifest:
        members["database.sqlite"] += b"\0"
        return manifest

    def other_facts(members: dict[str, bytes], manifest: Manifest) -> Manifest:
        role = manifest.tables["Role"].model_copy(update={"rows": 4})
        return manifest.model_copy(update={"tables": {**manifest.tables, "Role": role}})

    changes = [(portable, one) for one in (another_role, no_json, one_row_less, one_table_less, untold_table)]
    for file, change in [*changes, (portable, something_else), (native, another_copy), (native, other_facts)]:
        forged = changed(file, change)
        for attempt in (
            lambda f=forged: verify(f),
            lambda f=forged: restore(f, target.url, settings=settings),
        ):
            with pytest.raises(StorageError) as refusal:
                await attempt()
            assert refusal.value.reason == "corrupt", change
            assert "secret text" not in str(refusal.value)
            assert refusal.value.__cause__ is None or "secret text" not in repr(refusal.value.__cause__)
        assert await target.tables() == []


@pytest.mark.agentdb(engine="sqlite")
async def test_what_comes_later_is_told_from_damage(ready_place: Place, places: Places, tmp_path: Path) -> None:
    """Whoever has an older agentdb learns which one to use."""
    file = await backup_of(ready_place, tmp_path / "native.backup")
    target, settings = places.empty(), configured(secret_key=KEY)
    newer = changed(file, lambda members, manifest: manifest.model_copy(update={"format_version": 2}))
    with pytest.raises(UnsupportedError, match="format 2"):
        await verify(newer)
    schema = changed(file, lambda members, manifest: manifest.model_copy(update={"schema_version": "0999_later"}))
    with pytest.raises(Exception, match="0999_later"):
        await restore(schema, target.url, settings=settings)


async def test_other_files_are_no_backups(tmp_path: Path) -> None:
    """Whatever they are."""
    (tmp_path / "a directory").mkdir()
    with zipfile.ZipFile(tmp_path / "any.zip", "w") as archive:
        archive.writestr("manifest.json", orjson.dumps({"format": "something else"}))
    os.mkfifo(tmp_path / "a pipe")
    names = {"a directory": "ordinary", "a pipe": "ordinary", "missing": "cannot be read", "any.zip": "no backup"}
    for name, told in names.items():
        with pytest.raises(StorageError, match=told):
            await verify(tmp_path / name)
    with pytest.raises(StorageError, match="ordinary"):
        await verify("/dev/zero")


@pytest.mark.parametrize("path", [5, None, b"agent.backup", "a\0b", "\ud800"])
async def test_no_path_is_refused(path: Any) -> None:
    for refused in (verify(path), restore(path, "sqlite:///new.db", settings=configured())):
        with pytest.raises(InvalidInputError, match="A backup's file"):
            await refused


async def test_a_backup_that_is_killed_leaves_nothing_under_its_name(ready_place: Place, tmp_path: Path) -> None:
    """At no point; the next one tidies up what it left."""
    directory = tmp_path / "backups"
    directory.mkdir()
    file = directory / "agent.backup"
    points = take_backup(ready_place, file).answer()
    file.unlink()
    for dies_at in spread(points):
        assert take_backup(ready_place, file, dies_at=dies_at).ended() == -signal.SIGKILL
        assert [name for name in listing(directory) if not name.startswith(".agent.backup.")] == []
    assert take_backup(ready_place, file).answer() == points

    assert listing(directory) == ["agent.backup"]
    await verify(file)


async def test_a_restore_that_is_killed_leaves_the_old_or_the_new(
    ready_place: Place, places: Places, tmp_path: Path
) -> None:
    """Or, where pg_restore did the work, nothing that a service attaches to. A second one ends well."""
    file = await backup_of(ready_place, tmp_path / "agent.backup")
    new, target = await facts_of(ready_place.url), places.ready()
    async with await look(target.url, settings=configured(secret_key=KEY)) as db:
        await db.access.create_user(email="old@example.org")
    old = await facts_of(target.url)
    points = put_back(file, places.ready()).answer()
    for dies_at in spread(points):
        assert put_back(file, target, dies_at=dies_at).ended() == -signal.SIGKILL
        found = await facts_of(target.url)
        [ready] = await target.rows('SELECT count(*) FROM "agentdb_state"')
        assert sums(found) in (sums(old), sums(new))
        assert ready == (1,) or (target.is_on_server and sums(found) == sums(new))
    put_back(file, target).answer()

    assert sums(await facts_of(target.url)) == sums(new)
    settings = configured(secret_key=KEY)
    with pytest.raises(ConflictError):
        await restore(file, target.url, settings=settings)


def spread(points: int) -> list[int]:
    """Some of so many points, the last among them."""
    count = min(points, COUNTS.killed_backups)
    return sorted({1 + (points - 1) * number // max(1, count - 1) for number in range(count)})


def sums(facts: object) -> object:
    assert isinstance(facts, dict)
    return {name: one.sha256 for name, one in facts.items()}
