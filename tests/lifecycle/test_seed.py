"""Seeding: what is written first, what a newer seed may change, and what no seed ever touches."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import pytest

import agentdb
from agentdb import (
    Agent,
    AgentTool,
    Model,
    Policy,
    Prompt,
    Provider,
    Role,
    RolePolicy,
    SeedError,
    Tool,
    User,
    UserTool,
)
from agentdb.lifecycle import seed_files
from agentdb.lifecycle.seed import SeedReport
from agentdb.lifecycle.seed_files import PACKAGED
from agentdb.models import Record
from agentdb.secrets import Keyring, Vault
from tests.counts import COUNTS
from tests.lifecycle.places import KEY, Place, configured

ROWS = {
    "Role": 3,
    "Policy": 6,
    "RolePolicy": 6,
    "Provider": 3,
    "Model": 8,
    "Prompt": 3,
    "Agent": 3,
    "Tool": 7,
    "AgentTool": 17,
}
PROVIDERS = "id,name,apiKey,endpoint\n1,bedrock,null,\n2,google,env:GEMINI_API_KEY,\n99,mock,null,\n"
ADA = "ada-system-prompt"
EAGLE = "eagle-system-prompt"


def usd(*amounts: str | None) -> tuple[Decimal | None, ...]:
    return tuple(None if amount is None else Decimal(amount) for amount in amounts)


def prompt_text(name: str) -> str:
    return (PACKAGED / "prompts" / name).read_text(encoding="utf-8")


VALUES: dict[type[Record], tuple[tuple[str, ...], list[tuple[Any, ...]]]] = {
    Role: (("id", "name", "display_order"), [(1, "admin", 2), (2, "super user", 1), (3, "user", 0)]),
    Policy: (
        ("id", "name", "resource", "action"),
        [
            (1, "Admin All", "*", "*"),
            (2, "Use Chat", "chat", "use"),
            (3, "Read Agents", "agents", "read"),
            (4, "Write Agents", "agents", "write"),
            (5, "Manage Users", "users", "manage"),
            (6, "View Analytics", "analytics", "view"),
        ],
    ),
    RolePolicy: (
        ("id", "role_id", "policy_id"),
        [(1, 1, 1), (2, 2, 2), (3, 2, 3), (4, 2, 4), (5, 3, 2), (6, 3, 3)],
    ),
    Provider: (
        ("id", "name", "api_key", "endpoint"),
        [(1, "bedrock", None, None), (2, "google", None, None), (99, "mock", None, None)],
    ),
    Model: (
        (
            *("id", "provider_id", "name", "internal_name", "type", "max_context", "max_output", "max_reasoning"),
            *("cost1k_input", "cost1k_output", "cost1k_cache_read", "cost1k_cache_write"),
        ),
        [
            (
                1,
                1,
                "Opus 4.6",
                "us.anthropic.claude-opus-4-6-v1",
                "chat",
                200_000,
                64_000,
                60_000,
                *usd("0.005", "0.025", "0.0005", "0.00625"),
            ),
            (
                2,
                1,
                "Sonnet 4.6",
                "us.anthropic.claude-sonnet-4-6",
                "chat",
                1_000_000,
                64_000,
                60_000,
                *usd("0.003", "0.015", "0.0003", "0.00375"),
            ),
            (
                3,
                1,
                "Haiku 4.5",
                "us.anthropic.claude-haiku-4-5-20251001-v1:0",
                "chat",
                200_000,
                32_000,
                30_000,
                *usd("0.001", "0.005", "0.00008", "0.001"),
            ),
            (
                4,
                1,
                "Maverick",
                "us.meta.llama4-maverick-17b-instruct-v1:0",
                "chat",
                1_000_000,
                8192,
                0,
                *usd("0.00024", "0.00097", None, None),
            ),
            (
                5,
                1,
                "Scout",
                "us.meta.llama4-scout-17b-instruct-v1:0",
                "chat",
                3_500_000,
                8192,
                0,
                *usd("0.00017", "0.00066", None, None),
            ),
            (
                10,
                2,
                "Gemini 2.5 Pro",
                "gemini-2.5-pro-preview-06-05",
                "chat",
                1_048_576,
                65_536,
                1_000_000,
                *usd("0.0025", "0.015", None, None),
            ),
            (
                11,
                2,
                "Gemini 2.5 Flash",
                "gemini-2.5-flash-preview-04-17",
                "chat",
                1_048_576,
                65_536,
                1_000_000,
                *usd("0.00015", "0.0035", None, None),
            ),
            (
                99,
                99,
                "Mock Model",
                "mock-model",
                "chat",
                1_000_000,
                100_000,
                500_000,
                *usd("0.0000001", "0.0000005", "0.00000001", "0.00000012"),
            ),
        ],
    ),
    Prompt: (
        ("id", "name", "version", "content"),
        [
            (1, ADA, 1, prompt_text("ada.txt")),
            (2, "fedpulse-system-prompt", 1, prompt_text("fedpulse.txt")),
            (3, EAGLE, 1, prompt_text("eagle.txt")),
        ],
    ),
    Agent: (
        ("id", "user_id", "model_id", "prompt_id", "name"),
        [(1, None, None, 1, "Standard Chat"), (2, None, None, 2, "FedPulse"), (3, None, None, 3, "EAGLE")],
    ),
    Tool: (
        ("id", "name", "description", "type"),
        [
            (1, "search", "Web search", "builtin"),
            (2, "browse", "Browse URL", "builtin"),
            (3, "code", "Code execution", "builtin"),
            (4, "editor", "Text editor", "builtin"),
            (5, "think", "Extended thinking", "builtin"),
            (6, "data", "Data analysis", "builtin"),
            (7, "docxTemplate", "DOCX template generation", "builtin"),
        ],
    ),
    AgentTool: (
        ("id", "agent_id", "tool_id"),
        [
            *((tool, 1, tool) for tool in range(1, 6)),
            *((5 + tool, 2, tool) for tool in range(1, 6)),
            *((10 + tool, 3, tool) for tool in range(1, 8)),
        ],
    ),
}


class Seeds:
    """A directory of seed files that a test writes and changes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def write(self, name: str, text: str) -> None:
        """Put `text` into the file `name`."""
        (self.directory / name).parent.mkdir(parents=True, exist_ok=True)
        (self.directory / name).write_text(text, encoding="utf-8")

    def edit(self, name: str, *replacements: tuple[str, str]) -> None:
        """Replace texts that are there once."""
        text = (self.directory / name).read_text(encoding="utf-8")
        for old, new in replacements:
            assert text.count(old) == 1, (name, old)
            text = text.replace(old, new)
        self.write(name, text)


@pytest.fixture
def newer(tmp_path: Path) -> Seeds:
    """A later release's seeds: changed values, new rows, removed rows."""
    directory = tmp_path / "newer"
    shutil.copytree(PACKAGED, directory)
    seeds = Seeds(directory)
    seeds.edit("roles.csv", ("admin,2", "admin,12"), ("super user,1", "super user,11"), ("3,user,0", "4,guest,5"))
    seeds.edit("role-policies.csv", ("5,3,2", "5,4,2"), ("\n6,3,3", ""))
    seeds.edit("tools.csv", ("Web search", "Search the web"), ("Browse URL", "Open a page"))
    seeds.edit("tools.csv", ("7,docxTemplate,DOCX template generation,builtin", "8,recall,Recall,builtin"))
    seeds.edit("agent-tools.csv", ("\n17,3,7", "\n18,1,8"))
    seeds.edit("models.csv", ("0.003,0.015", "0.002,0.01"))
    seeds.write("providers.csv", PROVIDERS.replace("1,bedrock,null,", "1,bedrock,null,https://new.example"))
    seeds.write("prompts/ada.txt", "The newer text of Ada.\n")
    seeds.write("prompts/eagle.txt", "The newer text of EAGLE.\n")
    seeds.edit("agents.csv", ("3,null,3,EAGLE", "4,null,1,Guide"))
    seeds.edit("agent-tools.csv", *((f"\n{at},3,{at - 10}", "") for at in range(11, 17)))
    return seeds


BOTH_WAYS = pytest.mark.parametrize("upgrade", ["packaged", "directory"], indirect=True)
Upgrade: TypeAlias = Callable[[Place, Seeds], Awaitable[SeedReport]]


@pytest.fixture
def upgrade(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Upgrade:
    """Seeds a database that the packaged files made ready, with those of a later package.

    With the parameter "directory", from a directory of the user's own instead.
    """
    is_directory = getattr(request, "param", None) == "directory"

    async def seed(place: Place, seeds: Seeds) -> SeedReport:
        if not is_directory:
            monkeypatch.setattr(seed_files, "PACKAGED", seeds.directory)
        async with attached(place) as db:
            return await db.seed(seeds.directory if is_directory else None)

    return seed


def attached(place: Place, **settings: Any) -> agentdb.Connector:
    """Open a database that is ready."""
    return agentdb.connect(place.url, settings=configured(secret_key=KEY, **settings), skip_sync=True)


def started(place: Place, directory: Path | None = None, **settings: Any) -> agentdb.Connector:
    """Start a database, with the keys of these tests."""
    found = configured(**{"secret_key": KEY, **settings})
    return agentdb.connect(place.url, settings=found, seed_directory=directory)


async def column(model: type[Record], attribute: str = "name", /, **filters: Any) -> list[Any]:
    """The values of one attribute, in the order of ids."""
    found: list[Any] = await model.filter(**filters).order_by("id").values_list(attribute, flat=True)
    return found


def inserted(report: SeedReport) -> dict[str, int]:
    return {table: counts.inserted for table, counts in report.tables.items()}


# The first seed.


async def test_the_first_start_writes_the_rows_of_the_schema(empty_place: Place) -> None:
    """Each table has exactly its rows, the others none."""
    async with started(empty_place) as db:
        with db.use():
            found = {model: await model.all().order_by("id").values_list(*VALUES[model][0]) for model in VALUES}
        status = await db.status()

        assert found == {model: rows for model, (_, rows) in VALUES.items()}
        assert {table: rows for table, rows in status.row_counts.items() if rows} == ROWS
        assert db.started is not None
        assert inserted(db.started.seed) == ROWS


async def test_seeding_again_changes_nothing(ready_place: Place) -> None:
    """Neither a second seed nor a second start writes one byte of any row, times included."""
    before = await ready_place.contents()
    async with attached(ready_place) as db:
        again = await db.seed()
    async with started(ready_place) as db:
        assert db.started is not None
        restarted = db.started.seed

    assert not again.has_changed
    assert not restarted.has_changed
    assert await ready_place.contents() == before


async def test_ids_of_the_files_count_while_a_table_is_empty(empty_place: Place, tmp_path: Path) -> None:
    """Afterwards they only connect the files, and the database makes ids."""
    seeds = Seeds(tmp_path / "own")
    seeds.write("roles.csv", "id,name\n40,pilot\n50,crew\n")
    seeds.write("policies.csv", "id,name\n7,Fly\n")
    seeds.write("role-policies.csv", "id,roleID,policyID\n3,50,7\n")
    async with started(empty_place, seeds.directory) as db:
        with db.use():
            first = await Role.all().order_by("id").values_list("id", "name")
            granted = await RolePolicy.all().order_by("id").values_list("id", "role_id", "policy_id")
        seeds.write("roles.csv", "id,name\n1,pilot\n2,crew\n3,tower\n")
        seeds.write("role-policies.csv", "id,roleID,policyID\n9,2,7\n8,3,7\n")
        await db.seed(seeds.directory)
        with db.use():
            second = await Role.all().order_by("id").values_list("id", "name")
            tower = await RolePolicy.get(role__name="tower")

        assert first == [(40, "pilot"), (50, "crew")]
        assert granted == [(3, 50, 7)]
        assert second == [*first, (51, "tower")]
        assert (tower.id, tower.role_id, tower.policy_id) == (4, 51, 7)


async def test_a_row_with_a_higher_id_stays_ahead(ready_place: Place, newer: Seeds, upgrade: Upgrade) -> None:
    """The seed's new rows and the next row of somebody else find free ids."""
    async with attached(ready_place) as db:
        with db.use():
            await Role.create(id=500, name="auditor")
        await upgrade(ready_place, newer)
        with db.use():
            own = await Role.create(name="next")
            names = await column(Role)

        assert own.id not in (1, 2, 3, 500)
        assert sorted(names) == ["admin", "auditor", "guest", "next", "super user", "user"]


async def test_ids_never_move_backwards(empty_place: Place, newer: Seeds) -> None:
    """An id that was handed out before the table was seeded is not handed out again."""
    tools = Seeds(newer.directory.parent / "tools only")
    tools.write("tools.csv", "id,name\n1,search\n")
    async with started(empty_place, tools.directory) as db:
        with db.use():
            for name in ("a", "b", "c", "d", "e"):
                last = await Role.create(name=name)
            await Role.all().delete()
        await db.seed(newer.directory)
        with db.use():
            seeded = await column(Role, "id")
            own = await Role.create(name="own")

        assert seeded == [1, 2, 4]
        assert own.id > last.id


async def test_a_directory_need_not_have_every_file(empty_place: Place, tmp_path: Path) -> None:
    """The tables of the missing ones stay empty, and the database is ready."""
    seeds = Seeds(tmp_path / "own")
    seeds.write("roles.csv", "id,name,displayOrder\n1,pilot,3\n")
    async with started(empty_place, seeds.directory) as db:
        status = await db.status()

        assert status.is_ready
        assert {table: rows for table, rows in status.row_counts.items() if rows} == {"Role": 1}


# A newer seed.


@BOTH_WAYS
async def test_what_nobody_edited_is_brought_up_to_date(ready_place: Place, newer: Seeds, upgrade: Upgrade) -> None:
    """Values, references and new rows arrive; what the files left out stays."""
    report = await upgrade(ready_place, newer)
    async with attached(ready_place) as db:
        with db.use():
            sonnet = await Model.get(internal_name="us.anthropic.claude-sonnet-4-6")
            tools = dict(await Tool.all().values_list("name", "description"))
            roles = dict(await Role.all().values_list("name", "display_order"))
            guide = await Agent.filter(name="Guide").values_list("user_id", "prompt__name", "agent_tools__id")
            chat_tools = await column(AgentTool, "tool__name", agent__name="Standard Chat")
            eagle_tools = await AgentTool.filter(agent__name="EAGLE").count()
            bedrock = await Provider.get(name="bedrock")

        assert (sonnet.cost1k_input, sonnet.cost1k_output) == usd("0.002", "0.01")
        assert (tools["search"], tools["recall"]) == ("Search the web", "Recall")
        assert tools["docxTemplate"] == "DOCX template generation"
        assert roles == {"admin": 12, "super user": 11, "user": 0, "guest": 5}
        assert guide == [(None, ADA, None)]
        assert sorted(chat_tools) == ["browse", "code", "editor", "recall", "search", "think"]
        assert eagle_tools == 7
        assert bedrock.endpoint == "https://new.example"
        assert report.tables["Role"].inserted == 1
        assert report.tables["Role"].updated == 2


@BOTH_WAYS
async def test_edits_survive_a_newer_seed(ready_place: Place, newer: Seeds, upgrade: Upgrade) -> None:
    """An edited column stays, its neighbours follow; a renamed row is not made again."""
    async with attached(ready_place) as db:
        with db.use():
            await Prompt.filter(name=EAGLE).update(content="Our own text.")
            await Role.filter(name="super user").update(name="boss")
            await Role.filter(name="user").update(name="guest")
            await Tool.filter(name="search").update(description="Our search")
            await Model.filter(internal_name="us.anthropic.claude-sonnet-4-6").update(cost1k_input=Decimal("0.5"))
        await upgrade(ready_place, newer)
        with db.use():
            eagle = await Prompt.filter(name=EAGLE).values_list("version", "content")
            roles = dict(await Role.all().values_list("name", "display_order"))
            search = await Tool.get(name="search")
            sonnet = await Model.get(internal_name="us.anthropic.claude-sonnet-4-6")

        assert eagle == [(1, "Our own text.")]
        assert roles == {"admin": 12, "boss": 11, "guest": 0}  # a new row of the name of a renamed one
        assert search.description == "Our search"
        assert (sonnet.cost1k_input, sonnet.cost1k_output) == usd("0.5", "0.01")


@BOTH_WAYS
async def test_what_was_deleted_stays_deleted(ready_place: Place, newer: Seeds, upgrade: Upgrade) -> None:
    """And so do the rows that need it."""
    async with attached(ready_place) as db:
        with db.use():
            await Tool.filter(name="browse").delete()
            await AgentTool.filter(agent__name="Standard Chat", tool__name="code").delete()
        again = await db.seed()
        report = await upgrade(ready_place, newer)
        with db.use():
            tools = await column(Tool)
            of_chat = await column(AgentTool, "tool__name", agent__name="Standard Chat")

        assert "browse" not in tools
        assert sorted(of_chat) == ["editor", "recall", "search", "think"]
        assert (again.tables["Tool"].gone, again.tables["AgentTool"].gone) == (1, 4)
        assert not again.has_changed
        assert report.tables["Tool"].gone == 1


async def test_a_private_tool_is_not_the_builtin_one(ready_place: Place, newer: Seeds, upgrade: Upgrade) -> None:
    """A user's tool named like a new builtin one stays the user's, beside it."""
    async with attached(ready_place) as db:
        with db.use():
            user = await User.create(email="a@example.org")
            mine = await Tool.create(name="recall", description="Mine", type="custom", custom_config={"a": 1})
            await UserTool.create(user_id=user.id, tool_id=mine.id)
        await upgrade(ready_place, newer)
        with db.use():
            found = await Tool.filter(name="recall").order_by("id").values_list("id", "type", "description")
            kept = await Tool.get(id=mine.id)

        assert found[0] == (mine.id, "custom", "Mine")
        assert [row[1:] for row in found[1:]] == [("builtin", "Recall")]
        assert kept.to_dict() == mine.to_dict()


async def test_a_users_own_agent_is_not_the_global_one(ready_place: Place, newer: Seeds, upgrade: Upgrade) -> None:
    """Whatever it is called."""
    async with attached(ready_place) as db:
        with db.use():
            user = await User.create(email="a@example.org")
            mine = await Agent.create(name="Guide", user_id=user.id, description="Mine", model_parameters={"a": 1})
            named_alike = await Agent.create(name="Standard Chat", user_id=user.id)
        await upgrade(ready_place, newer)
        with db.use():
            guides = await column(Agent, "user_id", name="Guide")
            kept = [await Agent.get(id=one.id) for one in (mine, named_alike)]

        assert guides == [user.id, None]
        assert [one.to_dict() for one in kept] == [mine.to_dict(), named_alike.to_dict()]


async def test_an_operators_endpoint_and_key_stay(ready_place: Place, newer: Seeds, upgrade: Upgrade) -> None:
    """A newer seed has other values for both."""
    newer.write(
        "providers.csv", PROVIDERS.replace("1,bedrock,null,", "1,bedrock,env:GEMINI_API_KEY,https://new.example")
    )
    vault = Vault(Keyring.from_secret(KEY))
    sealed = vault.protect("ours", table="Provider", column="apiKey", row_id=1)
    async with attached(ready_place) as db:
        with db.use():
            await Provider.filter(name="bedrock").update(endpoint="https://ours.example", api_key=sealed)
        await upgrade(ready_place, newer)
        with db.use():
            bedrock = await Provider.get(name="bedrock")

        assert (bedrock.endpoint, bedrock.api_key) == ("https://ours.example", sealed)


async def test_a_deleted_parent_leaves_its_reference_empty(ready_place: Place, newer: Seeds, upgrade: Upgrade) -> None:
    """The model of a deleted provider stays, and a newer seed does not bring the provider back."""
    async with attached(ready_place) as db:
        with db.use():
            await Provider.filter(name="google").delete()
        await upgrade(ready_place, newer)
        with db.use():
            providers = await column(Provider)
            gemini = await Model.get(id=10)

        assert providers == ["bedrock", "mock"]
        assert gemini.provider_id is None


# Prompts.


async def test_a_prompt_that_only_seeded_agents_use_is_changed_in_place(
    ready_place: Place, newer: Seeds, upgrade: Upgrade
) -> None:
    """It keeps its version."""
    await upgrade(ready_place, newer)
    async with attached(ready_place) as db:
        with db.use():
            found = await Prompt.filter(name=ADA).values_list("id", "version", "content")

        assert found == [(1, 1, "The newer text of Ada.\n")]


@BOTH_WAYS
async def test_a_prompt_that_somebodys_agent_uses_gets_a_new_version(
    ready_place: Place, newer: Seeds, upgrade: Upgrade
) -> None:
    """That agent keeps the text it had; seeded agents that nobody edited move on, and stay there."""
    async with attached(ready_place) as db:
        with db.use():
            user = await User.create(email="a@example.org")
            mine = await Agent.create(name="Mine", user_id=user.id, prompt_id=1)
            await Agent.filter(name="FedPulse").update(prompt_id=1)
        await upgrade(ready_place, newer)
        with db.use():
            versions = await Prompt.filter(name=ADA).order_by("version").values_list("version", "content")
            of_agents = dict(await Agent.all().values_list("name", "prompt__version"))
            kept = await column(Agent, "prompt__content", id=mine.id)
        settled = await ready_place.contents()
        again = await upgrade(ready_place, newer)

        assert versions == [(1, prompt_text("ada.txt")), (2, "The newer text of Ada.\n")]
        assert kept == [prompt_text("ada.txt")]
        assert of_agents == {"Standard Chat": 2, "Guide": 2, "FedPulse": 1, "EAGLE": 1, "Mine": 1}
        assert not again.has_changed
        assert await ready_place.contents() == settled


async def test_a_new_version_goes_behind_all_others(ready_place: Place, newer: Seeds, upgrade: Upgrade) -> None:
    """Behind those of the users, and behind one that the same files bring."""
    newer.edit("prompts.csv", ("\n2,fedpulse", f"\n9,{ADA},4,The fourth.\n2,fedpulse"))
    async with attached(ready_place) as db:
        with db.use():
            user = await User.create(email="a@example.org")
            await Agent.create(name="Mine", user_id=user.id, prompt_id=1)
            await Prompt.create(name=ADA, version=2, content="A user's own.")
            await Prompt.create(name=ADA, version=None, content="A draft.")
        await upgrade(ready_place, newer)
        newest = "The newest text of Ada.\n"
        newer.write("prompts/ada.txt", newest)
        await upgrade(ready_place, newer)
        with db.use():
            versions = dict(await Prompt.filter(name=ADA).values_list("version", "content"))
            of_chat = await column(Agent, "prompt__version", name="Standard Chat")

        assert versions == {
            None: "A draft.",
            1: prompt_text("ada.txt"),
            2: "A user's own.",
            4: "The fourth.",
            5: newest,
        }
        assert of_chat == [5]


# Rows that were there before.


async def test_rows_that_were_there_are_adopted_as_they_are(empty_place: Place, newer: Seeds, upgrade: Upgrade) -> None:
    """Neither the first seed nor a newer one overwrites them, and none is made twice."""
    tools = Seeds(newer.directory.parent / "tools only")
    tools.write("tools.csv", "id,name\n1,search\n")
    async with started(empty_place, tools.directory) as db:
        with db.use():
            role = await Role.create(name="admin", display_order=77)
            prompt = await Prompt.create(name=ADA, version=1, content="Ours.")
            agent = await Agent.create(name="Standard Chat", description="Ours", prompt_id=prompt.id)
            provider = await Provider.create(name="bedrock")
    async with started(empty_place) as db:
        assert db.started is not None
        report = db.started.seed
        await upgrade(empty_place, newer)
        with db.use():
            found = [await type(one).get(id=one.id) for one in (role, prompt, agent, provider)]
            names = [await column(model) for model in (Role, Prompt, Agent, Provider)]

        assert [one.to_dict() for one in found] == [one.to_dict() for one in (role, prompt, agent, provider)]
        assert all(len(set(each)) == len(each) for each in names)
        assert {table: counts.adopted for table, counts in report.tables.items() if counts.adopted} == {
            "Role": 1,
            "Prompt": 1,
            "Agent": 1,
            "Provider": 1,
        }


# A directory of the user's own.


async def test_the_packaged_files_do_not_take_back_what_a_directory_wrote(ready_place: Place, newer: Seeds) -> None:
    """A service that starts without the directory leaves its values, and what was deleted, alone."""
    async with started(ready_place, newer.directory) as db:
        with db.use():
            await Tool.filter(name="recall").delete()
    mine = await ready_place.contents()
    async with started(ready_place) as db:
        with db.use():
            roles = dict(await Role.all().values_list("name", "display_order"))

    assert roles == {"admin": 12, "super user": 11, "user": 0, "guest": 5}
    after = await ready_place.contents()
    assert {table: rows for table, rows in after.items() if not table.startswith("agentdb_")} == {
        table: rows for table, rows in mine.items() if not table.startswith("agentdb_")
    }


async def test_only_a_directory_was_ever_used(empty_place: Place, newer: Seeds) -> None:
    """A later start with the packaged files adds what the directory has not, and changes nothing else."""
    async with started(empty_place, newer.directory):
        pass
    mine = await empty_place.contents()
    async with started(empty_place) as db:
        with db.use():
            ada = await Prompt.get(name=ADA)
            roles = dict(await Role.all().values_list("name", "display_order"))

        assert ada.content == "The newer text of Ada.\n"
        assert roles == {"admin": 12, "super user": 11, "guest": 5, "user": 0}
        assert (await empty_place.contents())["Model"] == mine["Model"]


# Reset.


async def test_a_reset_overwrites_edits_and_brings_deleted_rows_back(ready_place: Place) -> None:
    """Of that table alone; a renamed row has its name again."""
    async with attached(ready_place) as db:
        with db.use():
            await Role.filter(name="admin").update(display_order=99)
            await Role.filter(name="super user").update(name="boss")
            await Role.filter(name="user").delete()
            await Tool.filter(name="search").update(description="Ours")
        await db.seed(reset="Role")
        after = await ready_place.contents()
        again = await db.seed()
        with db.use():
            roles = await Role.all().order_by("name").values_list("name", "display_order")
            search = await Tool.get(name="search")

        assert roles == [("admin", 2), ("super user", 1), ("user", 0)]
        assert search.description == "Ours"
        assert not again.has_changed
        assert await ready_place.contents() == after


async def test_a_reset_takes_the_row_that_has_the_name_by_now(ready_place: Place) -> None:
    """Somebody deleted the seeded row and made one of the same name."""
    async with attached(ready_place) as db:
        with db.use():
            await Provider.filter(name="mock").delete()
            own = await Provider.create(name="mock", endpoint="https://ours.example")
            await Role.filter(name="user").update(name="member")
            await Role.create(name="user", display_order=50)
        await db.seed(reset="Provider")
        await db.seed(reset="Role")
        with db.use():
            mocks = await Provider.filter(name="mock").values_list("id", "endpoint")
            roles = await column(Role)

        assert mocks == [(own.id, "https://ours.example")]  # the packaged files say nothing of endpoints
        assert roles == ["admin", "super user", "member", "user"]


async def test_a_reset_names_a_seeded_table(ready_place: Place) -> None:
    """Any other name is refused, with those that there are."""
    before = await ready_place.contents()
    async with attached(ready_place) as db:
        with pytest.raises(agentdb.InvalidInputError, match=r"'User'.*Role, Policy"):
            await db.seed(reset="User")

    assert await ready_place.contents() == before


async def test_seeding_needs_the_newest_migration(empty_place: Place) -> None:
    """A database that was downgraded does not become ready by seeding it."""
    async with started(empty_place) as db:
        await db.downgrade()
        before = await empty_place.contents()
        with pytest.raises(agentdb.SchemaError, match="agentdb migrate"):
            await db.seed()

        assert await empty_place.contents() == before


# Secrets.


async def key_of_google(db: agentdb.Database) -> str | None:
    with db.use():
        stored: str | None = (await Provider.get(name="google")).api_key
    return stored


async def test_a_key_from_the_environment_is_sealed(empty_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands nowhere in the database, and opens with the key for its own row."""
    monkeypatch.setenv("GEMINI_API_KEY", "gemini-plain-value")
    async with started(empty_place) as db:
        stored = await key_of_google(db)

    assert stored is not None
    opened = Vault(Keyring.from_secret(KEY)).reveal(stored, table="Provider", column="apiKey", row_id=2)
    assert opened.reveal() == "gemini-plain-value"
    assert "gemini-plain-value" not in await empty_place.text()


async def test_a_key_may_come_later_change_and_never_gets_lost(
    ready_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that is unset erases nothing; a changed one is taken over; the same one seals nothing anew."""
    found = []
    for value in (None, "first", "first", "second", None):
        if value is None:
            monkeypatch.delenv("GEMINI_API_KEY", raising=False)
        else:
            monkeypatch.setenv("GEMINI_API_KEY", value)
        async with started(ready_place) as db:
            found.append(await key_of_google(db))

    unset, first, same, second, kept = found
    vault = Vault(Keyring.from_secret(KEY))
    assert unset is None
    assert [
        vault.reveal(one or "", table="Provider", column="apiKey", row_id=2).reveal() for one in (first, second)
    ] == [
        "first",
        "second",
    ]
    assert (same, kept) == (first, second)


async def test_plain_secrets_are_stored_as_they_are(ready_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the setting says so, and sealed again where it no longer does."""
    monkeypatch.setenv("GEMINI_API_KEY", "gemini-plain-value")
    async with started(ready_place, secrets="plain", secret_key=None) as db:
        plain = await key_of_google(db)
    async with started(ready_place) as db:
        sealed = await key_of_google(db)

    assert plain == "gemini-plain-value"
    assert sealed is not None
    assert sealed.startswith("agd1$")


async def test_a_server_without_a_secret_key_keeps_no_secret(
    empty_server_place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning names the variable and the setting; with a key the next start writes it, and no start erases it."""
    monkeypatch.setenv("GEMINI_API_KEY", "gemini-plain-value")
    seeds = Seeds(tmp_path / "own")
    seeds.write("providers.csv", PROVIDERS.replace("1,bedrock,null", "1,bedrock,env:GEMINI_API_KEY"))
    found = []
    for key in (None, KEY, None):
        async with started(empty_server_place, seeds.directory, secret_key=key) as db:
            found.append(await key_of_google(db))
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]

    without, written, kept = found
    assert without is None
    assert len(warnings) == 1
    assert "AGENTDB_SECRET_KEY" in warnings[0]
    assert "AGENTDB_SECRETS=plain" in warnings[0]
    assert written is not None
    assert kept == written


# The administrator of tests.


async def test_the_test_admin_is_made_once(empty_place: Place) -> None:
    """With a digest for a key and 1,000 dollars; a later key or balance changes nothing."""
    async with started(empty_place, test_api_key="a key of the tests") as db:
        assert db.started is not None
        was_created = db.started.seed.test_admin_created
        identity = await db.access.authenticate("a key of the tests")
        with db.use():
            admin = await User.get()
            await User.all().update(remaining=Decimal(7))
    before = await empty_place.contents()
    async with started(empty_place, test_api_key="another key") as db:
        assert db.started is not None
        was_created_again = db.started.seed.test_admin_created
        with pytest.raises(agentdb.AuthenticationError):
            await db.access.authenticate("another key")

    assert (was_created, was_created_again) == (True, False)
    assert (admin.id, admin.email, admin.first_name, admin.last_name) == (1, "test@test.com", "Test", "Admin")
    assert (admin.status, admin.role_id, admin.budget, admin.remaining) == ("active", 1, Decimal(1000), Decimal(1000))
    assert identity.id == admin.id
    assert admin.api_key == Keyring.from_secret(KEY).digest_api_key("a key of the tests")
    assert await empty_place.contents() == before


async def test_the_test_admin_has_the_admin_role_of_an_earlier_seed(ready_place: Place, tmp_path: Path) -> None:
    """Also when the directory seeded now has no roles."""
    seeds = Seeds(tmp_path / "own")
    seeds.write("tools.csv", "id,name\n1,search\n")
    async with started(ready_place, seeds.directory, test_api_key="a key of the tests") as db:
        with db.use():
            admin = await User.get()

        assert admin.role_id == 1


async def test_a_test_admin_needs_a_secret_key(empty_server_place: Place) -> None:
    """On a server without one nothing at all is written."""
    with pytest.raises(agentdb.ConfigurationError, match=r"TEST_API_KEY.*AGENTDB_SECRET_KEY"):
        await started(empty_server_place, secret_key=None, test_api_key="a key of the tests")

    assert await empty_server_place.tables() == []


# Hostile directories.


def _link_out(seeds: Seeds) -> None:
    (seeds.directory / "secret.txt").symlink_to("/etc/hostname")
    seeds.write("prompts.csv", "id,name,version,content\n1,a,1,file:secret.txt\n")


def _link_to_directory(seeds: Seeds) -> None:
    outside = seeds.directory.parent / "outside"
    outside.mkdir()
    (outside / "a.txt").write_text("outside")
    (seeds.directory / "prompts").symlink_to(outside, target_is_directory=True)
    seeds.write("prompts.csv", "id,name,version,content\n1,a,1,file:prompts/a.txt\n")


def _file(name: str, text: str | bytes) -> Callable[[Seeds], None]:
    def write(seeds: Seeds) -> None:
        (seeds.directory / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    return write


def _files(**texts: str) -> Callable[[Seeds], None]:
    def write(seeds: Seeds) -> None:
        for stem, text in texts.items():
            seeds.write(f"{stem.replace('_', '-')}.csv", text)

    return write


def _remove(seeds: Seeds) -> None:
    seeds.directory.rmdir()


def _remove_for_a_file(seeds: Seeds) -> None:
    seeds.directory.rmdir()
    seeds.directory.write_text("a file")


PROMPT = "id,name,version,content\n1,a,1,"

HOSTILE: dict[str, tuple[Callable[[Seeds], None], str, int | None, str | None]] = {
    "traversal": (_file("prompts.csv", f"{PROMPT}file:../../outside.txt\n"), "prompts.csv", 2, "content"),
    "absolute path": (_file("prompts.csv", f"{PROMPT}file:/etc/passwd\n"), "prompts.csv", 2, "content"),
    "link out": (_link_out, "prompts.csv", 2, "content"),
    "link to a directory outside": (_link_to_directory, "prompts.csv", 2, "content"),
    "missing file": (_file("prompts.csv", f"{PROMPT}file:missing.txt\n"), "prompts.csv", 2, "content"),
    "file: of a directory": (_file("prompts.csv", f"{PROMPT}file:.\n"), "prompts.csv", 2, "content"),
    "huge field": (_file("prompts.csv", PROMPT + "x" * (16 * 1024 * 1024 + 1) + "\n"), "prompts.csv", 2, None),
    "unknown column": (_file("roles.csv", "id,name,colour\n1,a,red\n"), "roles.csv", 1, "colour"),
    "column named twice": (_file("roles.csv", "id,name,name\n1,a,b\n"), "roles.csv", 1, "name"),
    "natural key twice": (_file("roles.csv", "id,name\n1,a\n2,b\n3,a\n"), "roles.csv", 4, None),
    "id twice": (_file("roles.csv", "id,name\n1,a\n1,b\n"), "roles.csv", 3, "id"),
    "id below one": (_file("roles.csv", "id,name\n0,a\n"), "roles.csv", 2, "id"),
    "no natural key": (_file("roles.csv", "id,name\n1,\n"), "roles.csv", 2, "name"),
    "reference to no row": (
        _files(roles="id,name\n1,a\n", policies="id,name\n1,p\n", role_policies="id,roleID,policyID\n1,1,2\n"),
        "role-policies.csv",
        2,
        "policyID",
    ),
    "reference to a missing file": (
        _file("models.csv", "id,providerID,internalName\n1,1,m\n"),
        "models.csv",
        2,
        "providerID",
    ),
    "bad JSON": (_file("agents.csv", 'id,name,modelParameters\n1,a,"{""x"": }"\n'), "agents.csv", 2, "modelParameters"),
    "unterminated quote": (_file("roles.csv", 'id,name\n1,a\n2,"b\n3,c\n'), "roles.csv", 3, None),
    "binary": (_file("roles.csv", bytes(range(256))), "roles.csv", 1, None),
    "not UTF-8": (_file("roles.csv", b"id,name\n1,a\n2,b\xff\n"), "roles.csv", 3, None),
    "NUL": (_file("roles.csv", b"id,name\n1,a\0b\n"), "roles.csv", 2, None),
    "number out of range": (
        _file("roles.csv", "id,name,displayOrder\n1,a,9223372036854775808\n"),
        "roles.csv",
        2,
        "displayOrder",
    ),
    "money out of range": (
        _file("models.csv", "id,internalName,cost1kInput\n1,m,900000001\n"),
        "models.csv",
        2,
        "cost1kInput",
    ),
    "surplus cell": (_file("roles.csv", "id,name\n1,a,b\n"), "roles.csv", 2, None),
    "env: where no secret is kept": (_file("roles.csv", "id,name\n1,env:HOME\n"), "roles.csv", 2, "name"),
    "an agent of a user": (_file("agents.csv", "id,userID,name\n1,5,a\n"), "agents.csv", 2, "userID"),
    "a tool that is not builtin": (_file("tools.csv", "id,name,type\n1,a,custom\n"), "tools.csv", 2, "type"),
    "a directory named like a file": (lambda seeds: (seeds.directory / "roles.csv").mkdir(), "roles.csv", None, None),
    "no seed file at all": (_file("notes.txt", "nothing"), ".", None, None),
    "no such directory": (_remove, ".", None, None),
    "not a directory": (_remove_for_a_file, ".", None, None),
}


async def test_hostile_directories_change_nothing(ready_place: Place, tmp_path: Path) -> None:
    """Each error names file, line and column; every table and the ready row are as before."""
    before = await ready_place.contents()
    found: dict[str, tuple[str, int | None, str | None]] = {}
    changed = []
    async with attached(ready_place) as db:
        for number, (case, (write, *_)) in enumerate(HOSTILE.items()):
            seeds = Seeds(tmp_path / f"{number}" / "seeds")
            seeds.directory.mkdir(parents=True)
            write(seeds)
            with pytest.raises(SeedError) as caught:
                await db.seed(seeds.directory)
            file = Path(caught.value.file).relative_to(seeds.directory)
            found[case] = (str(file), caught.value.line, caught.value.column)
            if await ready_place.contents() != before:
                changed.append(case)
        status = await db.status()

    assert found == {case: tuple(place) for case, (_, *place) in HOSTILE.items()}
    assert changed == []
    assert status.is_ready
    assert len(HOSTILE) >= COUNTS.hostile_seed_files
