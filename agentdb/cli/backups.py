"""The commands that take backups, look at them and put them back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from agentdb.cli.asking import Yes, is_agreed
from agentdb.cli.commands import AsJson, Url, place_data, place_rows
from agentdb.cli.output import Table, answer
from agentdb.cli.progress import progress_shown
from agentdb.config import Settings
from agentdb.database import look
from agentdb.engine import resolve
from agentdb.operations.manifest import BackupFormat

if TYPE_CHECKING:
    from agentdb.operations.advance import Told
    from agentdb.operations.backup import BackupReport
    from agentdb.operations.manifest import TableFacts
    from agentdb.operations.restoration import RestoreReport
    from agentdb.operations.verification import Verification


async def backup(
    file: Annotated[Path, Parameter(help="Where the backup is to appear.")],
    /,
    *,
    format: Annotated[  # noqa: A002 - the option's name
        BackupFormat,
        Parameter(
            help="A copy by the engine's own means (native), lines that any engine can be filled from (portable), or "
            "native where that can be had (auto)."
        ),
    ] = "auto",
    overwrite: Annotated[bool, Parameter(negative="", help="Replace the file if there is one.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Write the database into one file, while services go on, and verify it. The secret key is not in it."""
    async with await look(url) as db:
        target = db.session.target
        with _progress(as_json=as_json) as told:
            done = await db.backup(file, format=format, overwrite=overwrite, told=told)
    answer(
        {
            **place_data(target),
            "path": done.path,
            "kind": done.kind,
            "why_portable": done.why_portable,
            "bytes": done.bytes,
            "created_at": done.created_at,
            "schema_version": done.schema_version,
            "is_ready": done.is_ready,
            "tables": _tables_data(done.tables),
            "key_ids": done.key_ids,
            "key_file": done.key_file,
            "proves": done.proves,
        },
        Table([*place_rows(target), ("backup", done.path), *_facts(done)]),
        *([_tables_shown(done.tables)] if done.tables else ()),
        *([f"It is portable, because no native copy could be had: {done.why_portable}"] if done.why_portable else ()),
        *([_key_shown(done)] if done.key_ids else ()),
        "\n".join(done.proves),
        as_json=as_json,
    )


async def verify(
    file: Annotated[Path, Parameter(help="A backup.")],
    /,
    *,
    as_json: AsJson = False,
) -> None:
    """Prove that a backup is whole, without restoring it. A damaged one exits with 1."""
    from agentdb.operations import verification

    with _progress(as_json=as_json) as told:
        found = await verification.verify(file, told=told)
    answer(
        {
            "path": found.path,
            "kind": found.kind,
            "bytes": found.bytes,
            "created_at": found.created_at,
            "agentdb": found.agentdb,
            "engine": found.engine,
            "schema_version": found.schema_version,
            "is_ready": found.is_ready,
            "tables": _tables_data(found.tables),
            "key_ids": found.key_ids,
            "proves": found.proves,
            "leaves_open": found.leaves_open,
        },
        Table([("backup", found.path), ("engine", found.engine), ("agentdb", found.agentdb), *_facts(found)]),
        *([_tables_shown(found.tables)] if found.tables else ()),
        "\n".join(found.proves),
        *(["Not shown: " + " ".join(found.leaves_open)] if found.leaves_open else ()),
        as_json=as_json,
    )


def restore(
    file: Annotated[Path, Parameter(help="A backup.")],
    /,
    *,
    replace: Annotated[
        bool, Parameter(negative="", help="Also into a database that holds something. What it holds is lost.")
    ] = False,
    yes: Yes = False,
    url: Url = None,
    as_json: AsJson = False,
) -> int:
    """Put a backup into a database: all of it, compared with what it says it holds, or nothing.

    Stop the services of that database before.
    """
    from agentdb.operations import restoration

    settings = Settings.load()
    target = resolve(url, settings)
    if replace and not (yes or is_agreed(f"Replace all that {target.shown} holds?")):
        return 1
    with _progress(as_json=as_json) as told:
        done = asyncio.run(restoration.restore(file, url, replace=replace, settings=settings, told=told))
    answer(
        {
            **place_data(target),
            "path": done.path,
            "kind": done.kind,
            "schema_version": done.schema_version,
            "tables": _tables_data(done.tables),
            "replaced": done.replaced,
            "is_ready": done.is_ready,
            "pending": done.pending,
            "missing_keys": done.missing_keys,
            "key_file": done.key_file,
        },
        Table(
            [*place_rows(target), ("backup", done.path), ("schema", done.schema_version), ("rows", _rows(done.tables))]
        ),
        *([f"Rows that were replaced: {sum(done.replaced.values()):,}."] if done.replaced else ()),
        *([_missing_key_shown(done)] if done.missing_keys else ()),
        _next_step(done),
        as_json=as_json,
    )
    return 0


def _progress(*, as_json: bool) -> AbstractContextManager[Told]:
    from agentdb.operations.advance import nobody

    return nullcontext(nobody) if as_json else progress_shown()


def _facts(found: BackupReport | Verification) -> list[tuple[str, object]]:
    return [
        ("kind", found.kind),
        ("bytes", f"{found.bytes:,}"),
        ("created", f"{found.created_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("schema", found.schema_version),
        ("ready", "yes" if found.is_ready else "no"),
        ("keys", ", ".join(found.key_ids) or "none"),
    ]


def _tables_data(tables: Mapping[str, TableFacts]) -> dict[str, object]:
    return {name: {"rows": facts.rows, "sha256": facts.sha256} for name, facts in tables.items()}


def _tables_shown(tables: Mapping[str, TableFacts]) -> Table:
    return Table([(name, facts.rows) for name, facts in tables.items()], ("table", "rows"))


def _rows(tables: Mapping[str, TableFacts]) -> str:
    return f"{sum(facts.rows for facts in tables.values()):,}" if tables else "not counted"


def _key_shown(done: BackupReport) -> str:
    where = f"It lies in {done.key_file}." if done.key_file else "It is the one in your settings."
    return (
        f"The secret key ({done.key_ids[0]}) is not in the backup. {where} Keep it too, apart from the backup: API "
        "keys and sealed credentials are worth nothing without it."
    )


def _missing_key_shown(done: RestoreReport) -> str:
    keys = ", ".join(done.missing_keys)
    where = f"Put it into {done.key_file}, or set" if done.key_file else "Set"
    return (
        f"The secret key {keys}, under which the backup was taken, is not at hand. {where} AGENTDB_SECRET_KEY or "
        "AGENTDB_SECRET_KEY_FILE before a service starts: without it API keys and sealed credentials cannot be used."
    )


def _next_step(done: RestoreReport) -> str:
    if done.pending:
        return f"Restored, and compared. Run `agentdb init` now: migrations are missing ({', '.join(done.pending)})."
    if not done.is_ready:
        return "Restored, and compared. It was not ready when the backup was taken: run `agentdb init`."
    return "Restored, and compared with the backup. Services may start."
