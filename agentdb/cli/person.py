"""What belongs to one person: to be shown to them, and to be erased."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from agentdb.cli.asking import Yes, is_agreed
from agentdb.cli.commands import AsJson, Url, place_data, place_shown, user_id_of
from agentdb.cli.output import Table, answer
from agentdb.cli.progress import progress_shown
from agentdb.config import Settings
from agentdb.database import look
from agentdb.engine import resolve

if TYPE_CHECKING:
    from agentdb.operations.erasure import Erasure

_USER = Parameter(help="Id or e-mail of the user.")


def erase_user(
    user: Annotated[str, _USER],
    /,
    *,
    url: Url = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> int:
    """Remove all that USER has, from all tables and from the files; only the sums of their usage stay, without a name.

    A SQLite file is rewritten, while nobody can write. Backups of before still have it.
    """
    target = resolve(url, Settings.load())
    if not (yes or is_agreed(f"Erase user {user} and all that is theirs from {target.shown}, for good?")):
        return 1
    done = asyncio.run(_erase(url, user))
    kept = sum(done.summed.values())
    answer(
        {**place_data(target), **asdict(done)},
        place_shown(target),
        Table(list(done.removed.items()), ("table", "rows removed")),
        f"{kept} rows of usage are kept as sums by day, under a pseudonym.",
        *([] if done.remains is None else [f"Not yet cleared from the files: {done.remains}"]),
        as_json=as_json,
    )
    return 0 if done.is_scrubbed else 1


def export_user(
    user: Annotated[str, _USER],
    file: Annotated[Path | None, Parameter(help="A new file, for you alone; without it to the output.")] = None,
    /,
    *,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Write all that USER has as JSON, without secrets."""
    target = resolve(url, Settings.load())
    if file is None:
        asyncio.run(_print(url, user))
        return
    rows = asyncio.run(_export(url, user, file))
    answer(
        {**place_data(target), "file": str(file), "rows": rows},
        place_shown(target),
        Table(list(rows.items()), ("table", "rows")),
        f"Written to {file}.",
        as_json=as_json,
    )


async def _erase(url: str | None, user: str) -> Erasure:
    with progress_shown() as told:
        async with await look(url) as db:
            user_id = await user_id_of(db, user)
            told("erase, and clear the files", 0, None)
            return await db.erase_user(user_id)


async def _export(url: str | None, user: str, file: Path) -> dict[str, int]:
    with progress_shown() as told:
        async with await look(url) as db:
            user_id = await user_id_of(db, user)
            told("export", 0, None)
            return dict((await db.export_user(user_id, file)).rows)


async def _print(url: str | None, user: str) -> None:
    # It is whole before the first byte is printed; a file without a name ends with this process.
    with tempfile.TemporaryFile() as file:
        async with await look(url) as db:
            await db.export_user(await user_id_of(db, user), file)
        file.seek(0)
        sys.stdout.flush()
        await asyncio.to_thread(shutil.copyfileobj, file, sys.stdout.buffer)
