"""What the owner of a database does with it."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from cyclopts import Parameter

from agentdb.cli.asking import Yes, is_agreed
from agentdb.cli.output import Table, answer
from agentdb.config import Settings
from agentdb.database import connect, look
from agentdb.engine import resolve
from agentdb.engine.dialect import Target
from agentdb.errors import NotFoundError

if TYPE_CHECKING:
    from agentdb.database import Database
    from agentdb.lifecycle.seed import SeedReport

Url: TypeAlias = Annotated[
    str | None,
    Parameter(
        name="--url",
        help="Database, as in sqlite:///agent.db or postgresql://user@host/database. Without it AGENTDB_URL, "
        "DB_STORAGE, PGHOST or the default file of this user counts.",
    ),
]
_LONGEST_NUMBER: Final = 20
AsJson: TypeAlias = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON for programs.")]


async def init(*, url: Url = None, as_json: AsJson = False) -> None:
    """Create the database, migrate and seed it. Running it again is harmless."""
    from agentdb.lifecycle.seed import TEST_ADMIN_EMAIL

    async with connect(url, skip_sync=False, create_database=True) as db:
        target, done = db.session.target, db.started
    assert done is not None
    admin = [f"Test administrator {TEST_ADMIN_EMAIL} made, with the API key in TEST_API_KEY."]
    key = [
        f"Secret key made: {done.key_file}",
        "Back it up, apart from the database: API keys and sealed credentials are worth nothing without it.",
    ]
    answer(
        {
            **place_data(target),
            "applied": done.applied,
            **_seeded(done.seed),
            "key_file": done.key_file,
        },
        place_shown(target),
        *(_applied_shown(done.applied) if done.applied else ()),
        *(_seeded_shown(done.seed) if done.seed.has_changed else ()),
        *(["\n".join(key)] if done.key_file else ()),
        *(admin if done.seed.test_admin_created else ()),
        *(() if done.applied or done.seed.has_changed else ["Nothing to do: the database is migrated and seeded."]),
        as_json=as_json,
    )


async def status(*, url: Url = None, as_json: AsJson = False) -> None:
    """Show engine, place, schema version and row counts. Changes nothing."""
    async with await look(url) as db:
        found, target = await db.status(), db.session.target
    answer(
        {**asdict(found), "is_ready": found.is_ready},
        Table(
            [
                *place_rows(target),
                ("ready", f"yes, since {found.completed_at:%Y-%m-%d %H:%M:%S} UTC" if found.is_ready else "no"),
                ("schema", found.schema_version or "none"),
                ("pending", ", ".join(found.pending) or "none"),
            ]
        ),
        *([Table(list(found.row_counts.items()), ("table", "rows"))] if found.row_counts else ()),
        *(() if found.is_ready else ["Run `agentdb init` to make it ready."]),
        as_json=as_json,
    )


async def migrate(*, url: Url = None, as_json: AsJson = False) -> None:
    """Apply the migrations that are missing. Seed afterwards: until then services do not attach."""
    async with await look(url) as db:
        target, applied = db.session.target, await db.migrate()
    answer(
        {**place_data(target), "applied": applied},
        place_shown(target),
        *(_applied_shown(applied) if applied else ["Nothing to do: no migration is missing."]),
        *(["Run `agentdb seed` now: until then services do not attach."] if applied else ()),
        as_json=as_json,
    )


def downgrade(
    version: Annotated[
        str | None, Parameter(help="Stays, with all before it. Without it the newest is undone.")
    ] = None,
    /,
    *,
    url: Url = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> int:
    """Undo the newest migration, or all after VERSION. What their tables and columns hold is lost."""
    if not (yes or is_agreed(_question(version, url))):
        return 1
    asyncio.run(_downgrade(version, url, as_json=as_json))
    return 0


async def history(*, url: Url = None, as_json: AsJson = False) -> None:
    """List all migrations, applied or pending."""
    from agentdb.lifecycle.migrate import Migrator

    async with await look(url) as db:
        steps = await Migrator(db.session).history()
    answer(
        {"history": [step._asdict() for step in steps]},
        Table(
            [
                (
                    step.version,
                    "applied" if step.is_applied else "pending",
                    "" if step.is_packaged else "not part of this agentdb",
                )
                for step in steps
            ],
            ("version", "state", ""),
        ),
        as_json=as_json,
    )


async def seed(
    directory: Annotated[Path | None, Parameter(help="Your own CSV files, in place of the packaged ones.")] = None,
    /,
    *,
    reset: Annotated[str | None, Parameter(help="A table to write as the files say, edited or deleted or not.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Write reference data. Rows that were edited or deleted since stay so."""
    async with await look(url) as db:
        target, report = db.session.target, await db.seed(directory, reset=reset)
    answer(
        {**place_data(target), **_seeded(report)},
        place_shown(target),
        *_seeded_shown(report),
        *(() if report.has_changed else ["Nothing to do: the database holds these files already."]),
        as_json=as_json,
    )


async def check(*, url: Url = None, as_json: AsJson = False) -> int:
    """Compare the schema with the migrations', and look for rows that point to nothing. Finding any exits with 1."""
    async with await look(url) as db:
        target, found = db.session.target, await db.check()
    answer(
        {**place_data(target), "is_clean": found.is_clean, "drift": found.drift, "orphans": found.orphans},
        place_shown(target),
        "\n".join([*found.drift, *found.orphans])
        or "Nothing found: the schema is that of the migrations, and every reference points to a row.",
        as_json=as_json,
    )
    return 0 if found.is_clean else 1


async def demo(*, url: Url = None, as_json: AsJson = False) -> None:
    """Hold a scripted conversation and show what it cost. Without --url in a new SQLite file of its own."""
    from agentdb.cli.demo import run_demo
    from agentdb.cli.story import story_data, story_shown

    story = await run_demo(url)
    hint = [] if url else [f"The database stays there. Look into it: agentdb status --url {story.location}"]
    answer(story_data(story), *story_shown(story), *hint, as_json=as_json)


async def _downgrade(version: str | None, url: str | None, *, as_json: bool) -> None:
    async with await look(url) as db:
        target, undone = db.session.target, await db.downgrade(version)
    answer(
        {**place_data(target), "undone": undone},
        place_shown(target),
        f"Undone: {', '.join(undone)}." if undone else "Nothing to do: there is no migration to undo.",
        *(["Services do not attach now. `agentdb init` makes the database ready again."] if undone else ()),
        as_json=as_json,
    )


def _question(version: str | None, url: str | None) -> str:
    undone = f"all migrations after {version}" if version else "the newest migration"
    return f"Undo {undone} of {resolve(url, Settings.load()).shown}? What their tables and columns hold is lost."


def place_data(target: Target) -> dict[str, object]:
    """Which database a command worked on, for programs."""
    return {"engine": target.dialect.title, "source": target.source, "location": target.shown}


def place_rows(target: Target) -> list[tuple[str, str]]:
    named_by = {"argument": "--url", "default": "default: no setting names one"}.get(target.source, target.source)
    return [("engine", target.dialect.title), ("location", target.shown), ("named by", named_by)]


def place_shown(target: Target) -> Table:
    """Which database a command worked on, for people."""
    return Table(place_rows(target))


async def user_id_of(db: Database, user: str) -> int:
    """The user whom an option names by number or e-mail address.

    Raises:
        NotFoundError: Nobody has that address.
    """
    if user.isdecimal() and len(user) < _LONGEST_NUMBER:
        return int(user)
    found = await db.access.find_user(email=user)
    if found is None:
        raise NotFoundError("user", user)
    return found.id


def _applied_shown(applied: tuple[str, ...]) -> list[str]:
    return [f"Applied: {', '.join(applied)}."]


def _seeded(report: SeedReport) -> dict[str, object]:
    return {
        "seed_directory": report.directory,
        "seeded": {table: asdict(counts) for table, counts in report.tables.items()},
        "test_admin_created": report.test_admin_created,
    }


def _seeded_shown(report: SeedReport) -> list[str | Table]:
    from agentdb.lifecycle.seed_writer import SeedCounts

    kinds = [field.name for field in fields(SeedCounts)]
    rows = [(table, *(getattr(counts, kind) for kind in kinds)) for table, counts in report.tables.items()]
    return [f"Seeded from {report.directory}:", Table(rows, ("table", *kinds))]
