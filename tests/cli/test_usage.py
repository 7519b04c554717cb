"""`agentdb usage`: its sums are those of the rows, in a table, as JSON, as bars and as a picture."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest
from matplotlib.patches import Rectangle

import agentdb
from agentdb import Model, Usage
from agentdb.cli.bars import MOST_LINES, bars
from agentdb.cli.charts import MOST_BARS, MOST_PARTS, Chart, Group, charts_of
from agentdb.cli.picture import figure_of, picture
from agentdb.config import Settings
from agentdb.records import UsageTotals
from agentdb.testing.factory import DatabaseFactory
from tests.cli.command_line import Command

MARCH = ("--since", "2026-03-01", "--until", "2026-04-01")
# When, whose, of which model and type, how many tokens; a thousand cost a dollar of "one" and a third of "third".
ROWS = (
    ("2026-03-02T09:00", "ada", "one", "chat", 1_000),
    ("2026-03-02T23:30", "bob", "one", None, 2_000),
    ("2026-03-05T10:00", "ada", "third", "chat", 1),
    ("2026-03-05T11:00", "ada", "one", "title", 500),
    ("2026-02-28T12:00", "bob", "one", "chat", 9_000),
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def spent(request: pytest.FixtureRequest, agent_db_factory: DatabaseFactory) -> Iterator[str]:
    """A database with the usage of ROWS, on each engine in turn. Nothing here changes it."""
    with agent_db_factory(engine=request.param) as database:
        asyncio.run(spend(database.url))
        yield database.url


async def spend(url: str) -> None:
    """Record ROWS as if at their times."""
    async with agentdb.connect(url, skip_sync=True, settings=Settings.load(env_file=None)) as db:
        users = {name: await db.access.create_user(email=f"{name}@example.org") for name in ("ada", "bob")}
        with db.use():
            await Model.create(name="One", internal_name="one", type="chat", cost1k_input=Decimal(1))
            third = Decimal("0.3333333333")
            await Model.create(name="Third", internal_name="third", type="chat", cost1k_input=third)
        for moment, user, model, kind, tokens in ROWS:
            charge = await db.usage.record(
                user_id=users[user].id, model=model, type=kind, input_tokens=tokens, agent_id=1
            )
            with db.use():
                at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
                await Usage.filter(id=charge.usage_ids[0]).update(created_at=at)


def cells(text: str) -> list[list[str]]:
    """The table among the lines of an answer, without the headings."""
    _, table, *_ = text.split("\n\n")
    return [line.split() for line in table.splitlines()[1:]]


def test_days_and_their_sum(cli: Command, spent: str) -> None:
    """The latest first; costs to the last decimal; the last line is of all."""
    done = cli("usage", *MARCH, "--url", spent)

    assert done.code == 0
    assert "Usage from 2026-03-01 00:00 to 2026-04-01 00:00, UTC" in done.out
    assert cells(done.out) == [
        ["2026-03-05", "2", "501", "0", "0", "0", "0.5003333333"],
        ["2026-03-02", "2", "3000", "0", "0", "0", "3.0000000000"],
        ["all", "4", "3501", "0", "0", "0", "3.5003333333"],
    ]
    assert "Cost by" not in done.out  # this is no terminal


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("user", [["bob@example.org", "2.0000000000"], ["ada@example.org", "1.5003333333"]]),
        ("model", [["one", "3.5000000000"], ["third", "0.0003333333"]]),
        ("agent", [["Standard", "Chat", "3.5003333333"]]),
        ("type", [["no", "type", "2.0000000000"], ["chat", "1.0003333333"], ["title", "0.5000000000"]]),
        ("week", [["2026-W10", "3.5003333333"]]),
        ("month", [["2026-03", "3.5003333333"]]),
    ],
)
def test_groups_have_names(cli: Command, spent: str, by: str, expected: list[list[str]]) -> None:
    """The dearest first."""
    *groups, _ = cells(cli("usage", "--by", by, *MARCH, "--url", spent).out)

    assert [[*row[:-6], row[-1]] for row in groups] == expected


def test_json_has_exact_decimals(cli: Command, spent: str) -> None:
    """As texts, with the numbers beside the names."""
    data = cli("usage", "--by", "day", "--by", "user", *MARCH, "--url", spent, "--json").data
    first = data["groups"][0]

    assert data["by"] == ["day", "user"]
    assert (data["since"], data["until"]) == ("2026-03-01T00:00:00+00:00", "2026-04-01T00:00:00+00:00")
    assert (first["period"], first["user"], first["cost_usd"]) == ("2026-03-05", "ada@example.org", "0.5003333333")
    assert isinstance(first["user_id"], int)
    assert len(data["groups"]) == 3
    assert data["total"]["cost_usd"] == "3.5003333333"


@pytest.mark.parametrize(
    ("filters", "cost"),
    [
        (["--user", "bob@example.org"], "2.0000000000"),
        (["--model", "third"], "0.0003333333"),
        (["--agent", "1"], "3.5003333333"),
        (["--type", "title"], "0.5000000000"),
    ],
)
def test_filters(cli: Command, spent: str, filters: list[str], cost: str) -> None:
    """They hold for the lines and for the sum."""
    data = cli("usage", *filters, *MARCH, "--url", spent, "--json").data

    assert data["total"]["cost_usd"] == cost
    assert sum(Decimal(group["cost_usd"]) for group in data["groups"]) == Decimal(cost)


def test_a_user_by_number_or_not_at_all(cli: Command, spent: str) -> None:
    """An address that nobody has is an error; a number is only a filter, for users that were erased have usage."""
    by_number, unknown = (
        cli("usage", "--user", user, *MARCH, "--url", spent) for user in ("999999", "eve@example.org")
    )

    assert by_number.code == 0
    assert "There is none." in by_number.out
    assert (unknown.code, unknown.out) == (1, "")
    assert "No user 'eve@example.org'" in unknown.err


def test_days_of_a_time_zone(cli: Command, spent: str) -> None:
    """Half past eleven at night is the next day further east; days that are given are that zone's too."""
    options = ("--time-zone", "Europe/Berlin", "--since", "2026-03-03", "--until", "2026-03-05", "--url", spent)
    data = cli("usage", *options, "--json").data

    assert data["since"] == "2026-03-03T00:00:00+01:00"
    assert [(group["period"], group["cost_usd"]) for group in data["groups"]] == [("2026-03-03", "2.0000000000")]


def test_the_last_thirty_days_when_nothing_is_said(cli: Command, spent: str) -> None:
    """Today among them."""
    data = cli("usage", "--url", spent, "--json").data
    since, until = (datetime.fromisoformat(data[name]) for name in ("since", "until"))

    assert (until.date() - since.date()).days == 29
    assert (since.hour, since.minute, since.second) == (0, 0, 0)


def test_more_groups_than_lines(cli: Command, spent: str) -> None:
    """It is said, and the sum is of all."""
    done = cli("usage", "--limit", "1", *MARCH, "--url", spent)

    assert cells(done.out)[-1][-1] == "3.5003333333"
    assert "--limit shows them" in done.out
    assert "--limit" not in cli("usage", *MARCH, "--url", spent).out


def test_bars_on_request(cli: Command, spent: str) -> None:
    """Below the table: costs and tokens, with a line for the days in between."""
    done = cli("usage", "--chart", *MARCH, "--url", spent)
    _, costs = done.out.split("Cost by day, US dollars\n")
    lines = costs.split("\n\n")[0].splitlines()

    assert [line.split()[0] for line in lines] == ["2026-03-02", "2026-03-03", "2026-03-04", "2026-03-05"]
    assert [line.split()[-1] for line in lines] == ["3.0000", "0.0000", "0.0000", "0.5003"]
    assert [line.count("█") > 5 for line in lines] == [True, False, False, True]
    assert "Tokens by day" in done.out


@pytest.mark.parametrize(("kind", "begins"), [("png", b"\x89PNG\r\n\x1a\n"), ("svg", b"<?xml")])
def test_a_picture(cli: Command, spent: str, tmp_path: Path, kind: str, begins: bytes) -> None:
    """The same usage gives the same bytes, for nobody else to read; there is one only if there is usage."""
    files = [tmp_path / f"{name}.{kind}" for name in ("one", "other", "none")]
    done = [cli("usage", *MARCH, "--by", "model", "--plot", str(file), "--url", spent) for file in files[:2]]
    none = cli("usage", "--since", "2020-01-01", "--until", "2020-02-01", "--plot", str(files[2]), "--url", spent)

    assert [one.code for one in (*done, none)] == [0, 0, 0]
    assert f"Drawn in {files[0]}." in done[0].out
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].read_bytes().startswith(begins)
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
    assert not files[2].exists()
    if kind == "svg":
        assert ET.fromstring(files[0].read_bytes()).tag.endswith("svg")


def test_wrong_usage_opens_nothing(cli: Command, tmp_path: Path) -> None:
    """A file that is no picture, a day that is none, and two units of time."""
    url = f"sqlite:///{tmp_path}/missing.db"
    refused = [
        cli("usage", *options, "--url", url)
        for options in (["--plot", "usage.txt"], ["--since", "yesterday"], ["--by", "colour"])
    ]
    zone = cli("usage", "--time-zone", "Berlin", "--url", url)

    assert [one.code for one in refused] == [2, 2, 2]
    assert "A picture is a .png or .svg file, found 'usage.txt'." in refused[0].err
    assert zone.code == 1
    assert "Europe/Berlin" in zone.err
    assert not (tmp_path / "missing.db").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--until", "0001-01-05"),
        ("--until", "9999-12-31T23:00:00+00:00", "--time-zone", "Asia/Tokyo"),
        ("--since", "0001-01-01T00:00:00+00:00", "--time-zone", "America/Lima"),
        ("--user", "9" * 5000),
    ],
)
def test_what_no_calendar_and_no_number_has_is_refused(cli: Command, spent: str, arguments: tuple[str, ...]) -> None:
    done = cli("usage", *arguments, "--url", spent)

    assert (done.code, done.out) == (1, "")
    assert "defect" not in done.err


def test_a_number_too_long_for_a_user_is_an_address(cli: Command, spent: str) -> None:
    done = cli("export-user", "9" * 5000, "--url", spent)

    assert (done.code, done.out) == (1, "")
    assert "email is an address" in done.err


def test_two_units_of_time_are_refused(cli: Command, spent: str) -> None:
    """With what goes together."""
    done = cli("usage", "--by", "day", "--by", "week", "--url", spent)

    assert done.code == 1
    assert "one of hour, day, week, month at most" in done.err


def test_a_picture_without_matplotlib(cli: Command, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two lines, the second to be pasted. Bars need no extra."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = cli("usage", "--plot", "usage.png", "--url", sqlite_url)

    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines()[1] == 'Install it with: pip install "agentdb[plots]"'


def test_a_name_commands_no_terminal(cli: Command, sqlite_url: str, tmp_path: Path) -> None:
    """Agents are named by their users; what an operator sees of them is text, and a picture stays XML."""
    asyncio.run(name_badly(sqlite_url))
    drawn = cli("usage", "--by", "agent", "--chart", "--plot", str(tmp_path / "a.svg"), "--url", sqlite_url)
    listed = cli("usage", "--by", "agent", "--json", "--url", sqlite_url)

    assert drawn.code == 0
    assert drawn.out.count("red\ufffd[2Jalert") == 3
    assert "\x1b" not in drawn.out
    assert "red\x1b[2Jalert" in [group["agent"] for group in json.loads(listed.out)["groups"]]
    assert ET.fromstring((tmp_path / "a.svg").read_bytes()).tag.endswith("svg")


async def name_badly(url: str) -> None:
    """An agent, so that its name would clear the screen."""
    async with agentdb.connect(url, skip_sync=False, settings=Settings.load(env_file=None)) as db:
        user = await db.access.create_user(email="ada@example.org")
        agent = await db.agents.create(name="red\x1b[2Jalert", user_id=user.id)
        await db.usage.record(user_id=user.id, model="mock-model", input_tokens=10**9, agent_id=agent.id)


# charts


def totals(**values: Any) -> UsageTotals:
    """One group of a report."""
    counts = dict.fromkeys(("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"), 0)
    return UsageTotals(**{**counts, "cost_usd": Decimal(0), "rows": 1, "requests": 1, "users": 1, **values})


def days(*costs: tuple[int, str, int]) -> Iterator[Group]:
    """Groups of a day of March, a name and a cost each."""
    for day, name, cost in costs:
        start = datetime(2026, 3, day, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
        yield Group(name, totals(period=f"2026-03-{day:02}", start=start, cost_usd=Decimal(cost), input_tokens=cost))


def test_days_without_usage_are_in_the_chart() -> None:
    """In their place, also around the change of clocks."""
    costs, tokens = charts_of([*days((30, "", 2), (28, "", 1))], by=["day"], unit="day", zone=ZoneInfo("Europe/Berlin"))

    assert costs.labels == tokens.labels == ("2026-03-28", "2026-03-29", "2026-03-30")
    assert costs.parts == {"cost": (1, 0, 2)}
    assert tokens.parts["input"] == (1, 0, 2)


def test_what_is_too_much_for_a_chart_is_one_part() -> None:
    """The dearest have their own; nothing is lost."""
    names = [f"model {number}" for number in range(MOST_PARTS + 3)]
    groups = [*days(*((1, name, 10 - cost) for cost, name in enumerate(names)))]
    costs, _ = charts_of(groups, by=["day", "model"], unit="day", zone=ZoneInfo("Europe/Berlin"))
    by_name, tokens = charts_of(
        [Group(f"user {number}", totals(cost_usd=Decimal(1), input_tokens=3)) for number in range(MOST_BARS + 5)],
        by=["user"],
        unit=None,
        zone=UTC,
    )

    assert [*costs.parts] == [*names[: MOST_PARTS - 1], "4 others"]
    assert costs.sums == (sum(10 - number for number in range(len(names))),)
    assert by_name.labels[-1] == "6 others"
    assert by_name.sums == (*[1] * (MOST_BARS - 1), 6)
    assert sum(tokens.sums) == 3 * (MOST_BARS + 5)


def test_groups_of_one_name_are_one_bar() -> None:
    """As those of erased users are; it stands where its sum belongs."""
    amounts = (("ada", 3), ("no user", 2), ("no user", 2))
    groups = [Group(name, totals(cost_usd=Decimal(cost), input_tokens=cost)) for name, cost in amounts]
    costs, tokens = charts_of(groups, by=["user"], unit=None, zone=UTC)

    assert (costs.labels, costs.sums) == (("no user", "ada"), (4, 3))
    assert (tokens.labels, tokens.sums) == (("no user", "ada"), (4, 3))


def test_bars_are_as_long_as_their_amounts() -> None:
    """To an eighth of a character; parts fill the bar of their sum."""
    chart = Chart("Cost", ("a", "b", "c"), {"cost": (Decimal(8), Decimal(1), Decimal(0))}, False, 4)
    stacked = Chart("Tokens", ("a", "b"), {"input": (30, 10), "output": (10, 10)}, False, 0)
    _, *lines = [line.plain for line in bars(chart, width=17)]
    _, legend, *parts = [line.plain for line in bars(stacked, width=13)]

    assert lines == ["a ████████ 8.0000", "b █ 1.0000", "c  0.0000"]
    assert legend == "█ input  ▓ output"
    assert parts == ["a ██████▓▓ 40", "b ██▓▓ 20"]


def test_a_long_course_shows_its_end() -> None:
    """And says so."""
    labels = tuple(f"{number}" for number in range(MOST_LINES + 7))
    title, said, *lines = bars(Chart("Cost", labels, {"cost": (Decimal(1),) * len(labels)}, True, 4), width=40)

    assert (title.plain, said.plain) == ("Cost", "7 earlier ones are not drawn.")
    assert len(lines) == MOST_LINES
    assert lines[-1].plain.startswith(labels[-1])


@pytest.mark.parametrize("is_course", [True, False])
def test_a_picture_has_the_amounts(is_course: bool) -> None:
    """Each part of each bar begins where the one before ends. Dollar signs in names are no formulas."""
    chart = Chart("Cost", ("a$b$", "c"), {"one": (Decimal(2), Decimal(0)), "two": (Decimal(1), 3)}, is_course, 4)
    (axes,) = figure_of([chart]).axes
    drawn = [bar for bar in axes.patches if isinstance(bar, Rectangle)]
    shown = [(bar.get_y(), bar.get_height()) if is_course else (bar.get_x(), bar.get_width()) for bar in drawn]

    assert shown == [(0, 2), (0, 0), (2, 1), (0, 3)]
    assert picture([chart], "png").startswith(b"\x89PNG")


def test_nothing_but_zeros_is_drawn_too() -> None:
    """Usage of a model that costs nothing."""
    chart = Chart("Cost", ("a",), {"cost": (Decimal(0),)}, True, 4)

    assert [line.plain for line in bars(chart, width=20)] == ["Cost", "a  0.0000"]
    assert picture([chart], "svg").startswith(b"<?xml")
