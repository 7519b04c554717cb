"""Hours, days, weeks and months of a time zone, as instants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentdb.errors import InvalidInputError
from agentdb.services.periods import UNITS, Unit, periods, zone_named


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def labels_and_starts(since: str, until: str, unit: Unit, zone: str) -> list[tuple[str, str]]:
    found = periods(utc(since), utc(until), unit, zone_named(zone))
    return [(one.label, f"{one.start:%m-%d %H:%M}") for one in found]


@pytest.mark.parametrize(
    ("unit", "zone", "since", "until", "expected"),
    [
        # A day of 23 hours and one of 25.
        (
            "day",
            "America/New_York",
            "2026-03-07T12:00",
            "2026-03-09T12:00",
            [("2026-03-07", "03-07 05:00"), ("2026-03-08", "03-08 05:00"), ("2026-03-09", "03-09 04:00")],
        ),
        (
            "day",
            "Europe/Berlin",
            "2026-10-24T22:00",
            "2026-10-26T00:00",
            [("2026-10-25", "10-24 22:00"), ("2026-10-26", "10-25 23:00")],
        ),
        # Midnight does not exist in Beirut on 29 March: the day begins at one o'clock.
        (
            "day",
            "Asia/Beirut",
            "2026-03-28T12:00",
            "2026-03-29T12:00",
            [("2026-03-28", "03-27 22:00"), ("2026-03-29", "03-28 22:00")],
        ),
        # Samoa had no 30 December 2011.
        (
            "day",
            "Pacific/Apia",
            "2011-12-29T12:00",
            "2011-12-31T12:00",
            [("2011-12-29", "12-29 10:00"), ("2011-12-31", "12-30 10:00"), ("2012-01-01", "12-31 10:00")],
        ),
        # Weeks begin on Monday and are numbered by ISO: 2026 has 53.
        (
            "week",
            "UTC",
            "2026-12-27T23:00",
            "2027-01-04T01:00",
            [("2026-W52", "12-21 00:00"), ("2026-W53", "12-28 00:00"), ("2027-W01", "01-04 00:00")],
        ),
        (
            "month",
            "Asia/Kolkata",
            "2026-01-31T18:29",
            "2026-02-28T18:31",
            [("2026-01", "12-31 18:30"), ("2026-02", "01-31 18:30"), ("2026-03", "02-28 18:30")],
        ),
        # An hour that clocks skip, and one that they show twice.
        (
            "hour",
            "Europe/Berlin",
            "2026-03-29T00:30",
            "2026-03-29T02:00",
            [("2026-03-29T01:00+01:00", "03-29 00:00"), ("2026-03-29T03:00+02:00", "03-29 01:00")],
        ),
        (
            "hour",
            "Europe/Berlin",
            "2026-10-25T00:00",
            "2026-10-25T02:00",
            [("2026-10-25T02:00+02:00", "10-25 00:00"), ("2026-10-25T02:00+01:00", "10-25 01:00")],
        ),
        # Hours of a zone that is half an hour off, and one where clocks move by half an hour.
        (
            "hour",
            "Asia/Kolkata",
            "2026-01-01T00:00",
            "2026-01-01T01:00",
            [("2026-01-01T05:00+05:30", "12-31 23:30"), ("2026-01-01T06:00+05:30", "01-01 00:30")],
        ),
        (
            "hour",
            "Australia/Lord_Howe",
            "2026-04-04T14:00",
            "2026-04-04T16:00",
            [("2026-04-05T01:00+11:00", "04-04 14:00"), ("2026-04-05T02:00+10:30", "04-04 15:30")],
        ),
    ],
)
def test_periods_follow_the_calendar_of_their_zone(
    unit: Unit, zone: str, since: str, until: str, expected: list[tuple[str, str]]
) -> None:
    """Their starts are instants, so nothing depends on where a server stands."""
    assert labels_and_starts(since, until, unit, zone) == expected


def test_the_end_is_not_part_of_the_range() -> None:
    """A day that begins with it is not touched, one that begins a moment before is."""
    assert labels_and_starts("2026-01-01", "2026-01-02", "day", "UTC") == [("2026-01-01", "01-01 00:00")]
    assert len(labels_and_starts("2026-01-01", "2026-01-02T00:00:00.000001", "day", "UTC")) == 2


@settings(max_examples=200)
@given(
    since=st.timedeltas(timedelta(0), timedelta(days=73_000)).map(lambda after: utc("1900-01-01") + after),
    length=st.timedeltas(timedelta(microseconds=1), timedelta(days=60)),
    unit=st.sampled_from(UNITS),
    zone=st.sampled_from(sorted(available_timezones() - {"localtime", "Factory"})),
)
def test_periods_cover_the_range_without_gap(since: datetime, length: timedelta, unit: Unit, zone: str) -> None:
    """In every zone and year: growing starts, the first not after the range begins, all of its instants' own label."""
    found = periods(since, since + length, unit, ZoneInfo(zone))

    assert found[0].start <= since
    assert all(before.start < after.start for before, after in pairwise(found))
    assert all(since < one.start < since + length for one in found[1:])
    assert len({one.label for one in found}) == len(found) or unit == "hour"


@pytest.mark.parametrize(
    "name", ["", "Nowhere", "Europe/Nowhere", "../UTC", "/etc/localtime", "Europe", "nul \x00", None, 1, ["UTC"]]
)
def test_only_zones_with_a_name_are_known(name: Any) -> None:
    """Whatever the operating system makes of it."""
    with pytest.raises(InvalidInputError, match="time_zone is an IANA name"):
        zone_named(name)


def test_a_report_has_a_bounded_number_of_periods() -> None:
    """A century of hours would be a mistake."""
    with pytest.raises(InvalidInputError, match="at most 10000 periods"):
        periods(utc("2026-01-01"), utc("2028-01-01"), "hour", UTC)


@pytest.mark.parametrize(
    ("since", "until", "zone"),
    [("0001-01-01T01:00", "0001-01-02", "America/New_York"), ("9999-12-30", "9999-12-31T23:00", "UTC")],
)
def test_a_range_lies_inside_the_calendar_of_its_zone(since: str, until: str, zone: str) -> None:
    """Not even Python knows the month before the year 1 or after 9999."""
    with pytest.raises(InvalidInputError, match="years 1 to 9999 of its zone"):
        periods(utc(since), utc(until), "month", zone_named(zone))
