"""Writes the next migration: `python -m agentdb.lifecycle.makemigrations add_something`.

aerich compares the models with the newest packaged state, once for each engine and without a connection. One file
holds the SQL of all engines and the state, which is the same for all. Read it before it is committed: a change that
aerich cannot write is left as TODO, which no migration may contain, and a renamed attribute is taken for a rename.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aerich.utils import decompress_dict, get_formatted_compressed_data, get_models_describe

from agentdb.config import Settings
from agentdb.engine import Client, resolve
from agentdb.engine.dialect import APP
from agentdb.engine.orm import TortoiseSession
from agentdb.errors import SchemaError
from agentdb.lifecycle._generator import State, generator
from agentdb.lifecycle.packaged import TODO, load_migration, migrations_directory, packaged_versions

_CORE: Final = ("agentdb.models", "aerich.models")
_ENGINES: Final = ("sqlite://", "postgresql://nowhere.invalid/none")
"""One database of each engine. None is ever opened."""

_NAME: Final = re.compile(r"[a-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Draft:
    """A migration that is not written yet: SQL by engine, and the state of the app's own models after it."""

    upgrade: Mapping[str, str]
    downgrade: Mapping[str, str]
    state: State
    requires: str | None


@dataclass(frozen=True, slots=True)
class Source:
    """Whose migrations are made.

    Attributes:
        app: The directory below `location`.
        modules: The modules of its models; agentdb's own are always known.
    """

    app: str = APP
    modules: tuple[str, ...] = ()
    location: Path | None = None

    @property
    def directory(self) -> Path:
        """Where its migrations lie."""
        return (self.location or migrations_directory()) / self.app

    @property
    def last(self) -> State:
        """Its models as its newest migration left them."""
        return _last_state(self.app, self.location)


async def draft(source: Source) -> Draft | None:
    """The migration from the newest packaged state to the models as they are; None if there is no difference.

    Raises:
        SchemaError: Another app is asked for while agentdb's own models differ from their newest migration.
    """
    core = Source()
    last = core.last if source.app == APP else core.last | source.last
    bodies, states = {}, []
    for url in _ENGINES:
        target = resolve(url, Settings.load(env_file=None))
        client = target.dialect.client(target, create=False)
        upgrade, downgrade, state = await _compared(client, source, last)
        bodies[client.dialect.name] = (upgrade, downgrade)
        states.append(state)
    if any(state != states[0] for state in states):
        raise SchemaError("The models describe themselves differently on two engines.", found="two", expected="one")
    if not any(upgrade for upgrade, _ in bodies.values()):
        return None
    if source.app != APP and await draft(core):
        raise SchemaError(
            "agentdb's own models differ from their newest migration. Make that migration first.",
            found="changed models",
            expected=packaged_versions()[-1],
        )
    theirs = set() if source.app == APP else set(core.last)
    return Draft(
        {dialect: upgrade for dialect, (upgrade, _) in bodies.items()},
        {dialect: downgrade for dialect, (_, downgrade) in bodies.items()},
        {name: described for name, described in states[0].items() if name not in theirs},
        packaged_versions()[-1] if source.app != APP else None,
    )


def write(made: Draft, source: Source, name: str) -> Path:
    """Write `made` as the next version."""
    versions = packaged_versions(source.app, location=source.location)
    version = f"{int(versions[-1][:4]) + 1 if versions else 1:04}_{name}"
    source.directory.mkdir(parents=True, exist_ok=True)
    file = source.directory / f"{version}.py"
    file.write_text(
        _FILE.format(
            title=name.replace("_", " ").capitalize(),
            version=version,
            requires=f'REQUIRES = "{made.requires}"\n' if made.requires else "",
            upgrade=_bodies(made.upgrade),
            downgrade=_bodies(made.downgrade),
            state=get_formatted_compressed_data(made.state, 100),
        ),
        encoding="utf-8",
    )
    return file


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 1 if `--check` found a difference."""
    parser = argparse.ArgumentParser(prog="makemigrations", description="Write the next migration.")
    parser.add_argument("name", nargs="?", help="what it does, in small letters and underscores")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if there is a difference")
    parser.add_argument("--app", default=APP)
    parser.add_argument("--models", action="append", default=[], help="a module of the models of another app")
    parser.add_argument("--location", type=Path, help="the directory that holds one for the app")
    given = parser.parse_args(arguments)
    if not given.check and not _NAME.fullmatch(given.name or ""):
        parser.error("a name is needed, of small letters, digits and underscores")
    source = Source(given.app, tuple(given.models), given.location)
    made = asyncio.run(draft(source))
    if made is None:
        _say("No difference.")
        return 0
    if given.check:
        _say("\n".join(f"-- {dialect}\n{sql}" for dialect, sql in made.upgrade.items()))
        return 1
    _say(f"Wrote {write(made, source, given.name)}. Read it before you commit it.")
    return 0


async def _compared(client: Client, source: Source, last: State) -> tuple[str, str, State]:
    tortoise = TortoiseSession(client, [*_CORE, *source.modules])
    with tortoise.entered():
        state = _plain(get_models_describe(APP))
        made = await generator(client.dialect, tortoise.client, deepcopy(last))  # aerich takes its own table out of it
        await made.migrate(source.app, empty=False, no_input=True, offline=True)
    upgrade, downgrade = _script(made.upgrade_operators), _script(made.downgrade_operators)
    if not upgrade and _essence(state) != _essence(last):
        return f"{TODO}: the models differ in what aerich does not compare\n", f"{TODO}\n", state
    return upgrade, downgrade, state


def _last_state(app: str, location: Path | None) -> State:
    versions = packaged_versions(app, location=location)
    if not versions:
        return {}
    state: State = decompress_dict(load_migration(versions[-1], app=app, location=location).models_state)
    return state


def _plain(state: State) -> State:
    """As a migration gives it back: JSON knows no tuples."""
    plain: State = json.loads(json.dumps(state))
    return plain


def _essence(state: State) -> dict[str, Any]:
    """What the database sees of the models: no comments, and nothing of the tables that point to them."""
    return {
        model["table"]: {
            "columns": {
                field["db_column"]: [field["db_field_types"], field["nullable"], field["db_default"]]
                for field in model["data_fields"]
            },
            "foreign keys": {field["raw_field"]: field["on_delete"] for field in model["fk_fields"]},
            "indexes": sorted(json.dumps(index, sort_keys=True) for index in model["indexes"]),
        }
        for model in state.values()
    }


def _script(statements: Sequence[str]) -> str:
    return "".join(f"{statement};\n" for statement in statements)


def _bodies(by_dialect: Mapping[str, str]) -> str:
    return "".join(
        f'    "{dialect}": """\n{sql.replace(_BACKSLASH, _BACKSLASH * 2)}""",\n' for dialect, sql in by_dialect.items()
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


_BACKSLASH: Final = "\\"

_FILE: Final = '''"""{title}."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tortoise import BaseDBAsyncClient

# The oldest version whose package may go on using a database at this one.
COMPATIBLE_SINCE = "{version}"
{requires}
UPGRADE = {{
{upgrade}}}

DOWNGRADE = {{
{downgrade}}}


async def upgrade(db: BaseDBAsyncClient | None) -> str:
    return UPGRADE[db.capabilities.dialect if db else "postgres"]


async def downgrade(db: BaseDBAsyncClient | None) -> str:
    return DOWNGRADE[db.capabilities.dialect if db else "postgres"]


MODELS_STATE = (
    {state}
)
'''


if __name__ == "__main__":
    sys.exit(main())
