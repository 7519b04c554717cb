"""Hours, days, weeks and months of a time zone's calendar, as instants.

They are computed here and not by the database: SQLite knows no zones, and two engines with time zone data of different
age would answer differently.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import takewhile
from typing import Any, Final, Literal, TypeAlias, get_args
from zoneinfo import ZoneInfo

from agentdb.errors import InvalidInputError
from agentdb.services._input import refused

Unit: TypeAlias = Literal["hour", "day", "week", "month"]

UNITS: Final[tuple[Unit, ...]] = get_args(Unit)
MAX_PERIODS: Final = 10_000
MAX_ZONE: Final = 100

_HOUR: Final = timedelta(hours=1)
_LABELS: Final[dict[Unit, str]] = {"day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}


@dataclass(frozen=True, slots=True)
class Period:
    """One hour, day, week or month.

    Attributes:
        start: Its first instant, in UTC.
        label: As the calendar of its zone writes it.
    """

    start: datetime
    label: str


def zone_named(name: Any) -> tzinfo:
    """The time zone of an IANA name such as `Europe/Berlin`."""
    if name == "UTC":
        return UTC
    if isinstance(name, str) and len(name) <= MAX_ZONE:  # a long one is looked for in many places
        with suppress(ValueError, LookupError, OSError):
            return ZoneInfo(name)
    raise refused("time_zone", "an IANA name such as Europe/Berlin", name)


def periods(since: datetime, until: datetime, unit: Unit, zone: tzinfo) -> tuple[Period, ...]:
    """The periods that [since, until) touches, in order; the first may begin before it.

    Raises:
        InvalidInputError: More than 10,000, or some that no calendar has.
    """
    told = f"from {since.isoformat()} to {until.isoformat()}"
    found: list[datetime] = []
    try:
        for start in takewhile(lambda start: start < until, _starts(since, unit, zone)):
            if len(found) == MAX_PERIODS:
                raise InvalidInputError(
                    f"A report has at most {MAX_PERIODS} periods, {told} there are more {unit}s. "
                    "Ask for a shorter range, or for longer periods."
                )
            if start <= since:
                found.clear()
            found.append(start)
    except OverflowError:
        raise InvalidInputError(f"A report lies inside the years 1 to 9999 of its zone, found {told}.") from None
    return tuple(Period(start, _label(start, unit, zone)) for start in found)


def _starts(since: datetime, unit: Unit, zone: tzinfo) -> Iterator[datetime]:
    """Instants at which periods begin, growing, from one that is not after `since`."""
    if unit == "hour":
        yield from _hours(since, zone)
        return
    day = _first_day(since.astimezone(zone).date(), unit)
    start = _midnight(day, zone)
    while True:
        yield start
        following = start
        while following <= start:  # a day that a zone skipped is no period
            day = _next_first_day(day, unit)
            following = _midnight(day, zone)
        start = following


def _hours(since: datetime, zone: tzinfo) -> Iterator[datetime]:
    # Counted in instants, so that the hour which a clock shows twice is two. Where a clock moves by half an hour, the
    # hour in which it does so lasts until the clock shows the next full one.
    start = since.astimezone(UTC) - _past_the_hour(since, zone)
    while True:
        yield start
        start += _HOUR
        past = _past_the_hour(start, zone)
        start += _HOUR - past if past else past


def _past_the_hour(moment: datetime, zone: tzinfo) -> timedelta:
    local = moment.astimezone(zone)
    return timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)


def _midnight(day: date, zone: tzinfo) -> datetime:
    # Where a clock skips midnight, Python takes the offset from before: the instant of the change. Where it shows it
    # twice, the first one.
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _first_day(day: date, unit: Unit) -> date:
    match unit:
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
    return day


def _next_first_day(day: date, unit: Unit) -> date:
    match unit:
        case "week":
            return day + timedelta(days=7)
        case "month":
            return _first_day(day + timedelta(days=31), "month")
    return day + timedelta(days=1)


def _label(start: datetime, unit: Unit, zone: tzinfo) -> str:
    local = start.astimezone(zone)
    return local.isoformat(timespec="minutes") if unit == "hour" else local.strftime(_LABELS[unit])
