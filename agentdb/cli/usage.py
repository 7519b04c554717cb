"""`agentdb usage`: what was used and what it cost, as a table, as bars, and as a picture."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

from cyclopts import Parameter
from rich.console import Console

from agentdb.cli.asking import UsageError
from agentdb.cli.commands import AsJson, Url, place_data, user_id_of
from agentdb.cli.output import Table, answer, printable, save
from agentdb.database import Database, look
from agentdb.engine.values import now
from agentdb.errors import ConfigurationError, InvalidInputError

if TYPE_CHECKING:
    from agentdb.records import UsageTotals

Grouping: TypeAlias = Literal["hour", "day", "week", "month", "user", "model", "agent", "type"]

_UNITS: Final = ("hour", "day", "week", "month")
_DAYS: Final = 30
_PICTURES: Final = {".png": "png", ".svg": "svg"}
_SUMS: Final = ("requests", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cost_usd")
_HEADINGS: Final = ("requests", "input", "output", "cache read", "cache write", "US dollars")


@dataclass(frozen=True, slots=True)
class Names:
    """What people call what a report tells by number."""

    users: Mapping[int, str]
    agents: Mapping[int, str]

    def of(self, totals: UsageTotals, kind: str) -> str:
        """One group of `kind`; what was removed has no name any more."""
        match kind:
            case "user":
                return self._named("user", totals.user_id, self.users)
            case "agent":
                return self._named("agent", totals.agent_id, self.agents)
            case "model":
                return totals.model or "no model"
        return totals.type or "no type"

    @staticmethod
    def _named(kind: str, number: int | None, names: Mapping[int, str]) -> str:
        return f"no {kind}" if number is None else names.get(number) or f"{kind} {number}"


async def usage(
    *,
    by: Annotated[
        list[Grouping] | None,
        Parameter(name="--by", negative="", help="What is summed: at most one period, and any others. By default day."),
    ] = None,
    since: Annotated[
        datetime | None, Parameter(help="From this day or time on. By default 30 days, today among them.")
    ] = None,
    until: Annotated[datetime | None, Parameter(help="Before this day or time. By default now.")] = None,
    time_zone: Annotated[str, Parameter(help="Whose calendar tells days and times, such as Europe/Berlin.")] = "UTC",
    user: Annotated[str | None, Parameter(help="Only this user's: an e-mail address or a number.")] = None,
    model: Annotated[str | None, Parameter(help="Only of this model, by its internal name.")] = None,
    agent: Annotated[int | None, Parameter(help="Only of the agent with this number.")] = None,
    kind: Annotated[str | None, Parameter(name="--type", help="Only of this type.")] = None,
    limit: Annotated[int, Parameter(help="At most so many lines.")] = 1000,
    chart: Annotated[
        bool | None, Parameter(help="Draw bars below the table, or not. By default on a terminal.")
    ] = None,
    plot: Annotated[
        Path | None, Parameter(help='Also draw a picture, FILE.png or FILE.svg; needs "agentdb[plots]".')
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Sum up tokens and costs by day, model, user, agent or type. Changes nothing."""
    grouping: list[Grouping] = list(dict.fromkeys(by)) if by else ["day"]
    zone = _zone(time_zone)
    picture_kind = _picture_kind(plot)
    end = now() if until is None else _in_zone(until, zone)
    begin = _days_before(end, zone) if since is None else _in_zone(since, zone)
    async with await look(url) as db:
        filters: dict[str, Any] = {
            "since": begin,
            "until": end,
            "time_zone": time_zone,
            "user_id": None if user is None else await user_id_of(db, user),
            "model": model,
            "agent_id": agent,
            "type": kind,
        }
        found = await db.usage.report(by=grouping, limit=limit, **filters)
        whole = await db.usage.report(by=(), **filters)
        names, place = await _names(db, found), place_data(db.session.target)
    lines = _Lines(found, names, grouping, zone)
    if plot is not None and found:
        from agentdb.cli.picture import picture

        save(plot, picture(lines.charts(), picture_kind), is_private=True)
    answer(
        {
            **place,
            "by": grouping,
            "since": begin,
            "until": end,
            "time_zone": time_zone,
            "groups": lines.data(),
            "total": _sums(whole[0]) if whole else None,
            "plot": str(plot) if plot is not None and found else None,
        },
        f"Usage from {begin:%Y-%m-%d %H:%M} to {end.astimezone(zone):%Y-%m-%d %H:%M}, {time_zone}",
        *([lines.table(whole[0])] if whole else ["There is none."]),
        *(_left_out(found, whole) if whole else ()),
        *([f"Drawn in {plot}."] if plot is not None and found else ()),
        as_json=as_json,
    )
    console = Console(highlight=False)
    if found and not as_json and (console.is_terminal if chart is None else chart):
        lines.draw(console)


@dataclass(frozen=True, slots=True)
class _Lines:
    """A report, to be shown in one way or another."""

    found: Sequence[UsageTotals]
    names: Names
    by: Sequence[str]
    zone: tzinfo

    @property
    def kinds(self) -> list[str]:
        return [kind for kind in self.by if kind not in _UNITS]

    @property
    def unit(self) -> Any:
        return next((unit for unit in self.by if unit in _UNITS), None)

    def data(self) -> list[dict[str, object]]:
        return [
            {
                **({"period": one.period, "start": one.start} if self.unit else {}),
                **{kind: self.names.of(one, kind) for kind in self.kinds},
                **{f"{kind}_id": getattr(one, f"{kind}_id") for kind in self.kinds if kind != "type"},
                **_sums(one),
            }
            for one in self.found
        ]

    def table(self, whole: UsageTotals) -> Table:
        headings = [*([self.unit] if self.unit else []), *self.kinds]
        rows = [
            (
                *([one.period] if self.unit else []),
                *(self.names.of(one, kind) for kind in self.kinds),
                *_sums(one).values(),
            )
            for one in self.found
        ]
        blanks = [""] * (len(headings) - 1)
        return Table([*rows, ("all", *blanks, *_sums(whole).values())], (*headings, *_HEADINGS))

    def charts(self) -> Sequence[Any]:
        from agentdb.cli.charts import Group, charts_of

        groups = [
            Group(printable(" / ".join(self.names.of(one, kind) for kind in self.kinds)), one) for one in self.found
        ]
        return charts_of(groups, by=self.by, unit=self.unit, zone=self.zone)

    def draw(self, console: Console) -> None:
        from agentdb.cli.bars import bars

        for one in self.charts():
            console.print()
            for line in bars(one, console.width):
                console.print(line, soft_wrap=True)


def _sums(totals: UsageTotals) -> dict[str, Any]:
    return {name: getattr(totals, name) for name in _SUMS}


def _left_out(found: Sequence[UsageTotals], whole: Sequence[UsageTotals]) -> list[str]:
    shown = sum(one.rows for one in found)
    if shown >= whole[0].rows:
        return []
    return [f"{len(found)} lines are shown, the last one sums up more of them: --limit shows them."]


async def _names(db: Database, found: Sequence[UsageTotals]) -> Names:
    from agentdb.models import Agent, User

    user_ids = {one.user_id for one in found if one.user_id is not None}
    agent_ids = {one.agent_id for one in found if one.agent_id is not None}
    with db.use():
        users = await User.filter(id__in=user_ids).values_list("id", "email") if user_ids else []
        agents = await Agent.filter(id__in=agent_ids).values_list("id", "name") if agent_ids else []
    return Names(dict(users), _told_apart(dict(agents)))


def _told_apart(names: Mapping[int, str | None]) -> dict[int, str]:
    """Names that several agents have, with their numbers."""
    counts = Counter(names.values())
    return {number: f"{name} ({number})" if counts[name] > 1 else name for number, name in names.items() if name}


def _zone(name: str) -> tzinfo:
    from agentdb.services.periods import zone_named

    return zone_named(name)


def _in_zone(moment: datetime, zone: tzinfo) -> datetime:
    with _in_calendar(moment):
        return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)


def _days_before(end: datetime, zone: tzinfo) -> datetime:
    with _in_calendar(end):
        day = end.astimezone(zone).date() - timedelta(days=_DAYS - 1)
    return datetime.combine(day, time(), tzinfo=zone)


@contextmanager
def _in_calendar(moment: datetime) -> Iterator[None]:
    try:
        yield
    except OverflowError:
        told = f"A report lies inside the years 1 to 9999 of its zone, found {moment.isoformat()}."
        raise InvalidInputError(told) from None


def _picture_kind(plot: Path | None) -> str:
    if plot is None:
        return ""
    kind = _PICTURES.get(plot.suffix.lower())
    if kind is None:
        raise UsageError(f"A picture is a .png or .svg file, found {plot.name!r}.")
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigurationError(
            'A picture needs the "matplotlib" package.\nInstall it with: pip install "agentdb[plots]"'
        )
    return kind
