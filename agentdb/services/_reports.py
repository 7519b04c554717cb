"""What was used: rows, newest first, and sums over any range in one grouped query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Literal, TypeAlias, get_args

from agentdb.engine import Row
from agentdb.engine.values import INTEGER_MIN, json_text
from agentdb.errors import InvalidInputError, excerpt
from agentdb.records import UsageRow, UsageTotals
from agentdb.services._cursor import decode_cursor, encode_cursor
from agentdb.services._input import moment, optional_identifier, optional_text, page_size
from agentdb.services._service import Service
from agentdb.services.periods import UNITS, Period, Unit, periods, zone_named
from agentdb.sql import Statements
from agentdb.types import Page

Kind: TypeAlias = Literal["user", "model", "agent", "type"]
Grouping: TypeAlias = Unit | Kind

MAX_GROUPS: Final = 10_000

_STATEMENTS: Final = Statements("usage")
_KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
_FIRST: Final = datetime(1, 1, 2, tzinfo=UTC)
_LAST: Final = datetime(9999, 12, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Range:
    """The time from `since` on and before `until`."""

    since: datetime
    until: datetime


class Reports(Service):
    """Usage, listed and summed."""

    async def list(
        self,
        *,
        user_id: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
        timeout: float | None = None,
    ) -> Page[UsageRow]:
        """Usage of one user or of all, the newest first, without what `agentdb maintain --keep-usage` removed.

        Args:
            user_id: Only this user's; None for everybody's, also of users that were erased.
            since: From this instant on.
            until: Before this instant.
            limit: At most so many, 1 to 1000.
            cursor: `next_cursor` of a page, for the rows after it. Pass the other arguments unchanged.
            timeout: Seconds for the whole call.

        Raises:
            InvalidInputError: A naive time, an empty range, a limit out of range, or a cursor of another list.
            DeadlineError: `timeout` has passed.
        """
        optional_identifier(user_id, "user_id")
        size, span = page_size(limit), _range(_FIRST if since is None else since, _LAST if until is None else until)
        listing = f"usage:{user_id or 0}"
        values: dict[str, Any] = {
            "since": span.since,
            # Ids are above 0, so nothing of the instant `until` itself is in the list.
            **(_place(span.until, INTEGER_MIN) if cursor is None else _place_of(cursor, listing)),
            "limit": size + 1,
        }
        if user_id is None:
            steps = partial(_STATEMENTS.rows, self._session, "usages", **values)
        else:
            steps = partial(_STATEMENTS.rows, self._session, "usages_of_user", user_id=user_id, **values)
        rows = await self._query(steps, timeout)
        return _page(UsageRow.from_rows(rows), size, listing)

    async def report(
        self,
        *,
        by: Grouping | Sequence[Grouping],
        since: datetime,
        until: datetime,
        time_zone: str = "UTC",
        user_id: int | None = None,
        model: str | None = None,
        agent_id: int | None = None,
        type: str | None = None,  # noqa: A002 - the column's name
        limit: int = 1000,
        timeout: float | None = None,
    ) -> tuple[UsageTotals, ...]:
        """Sums of usage, grouped by time, user, model, agent and type in any combination, in one query.

        Rows are counted in the period in which they were recorded. Periods and groups without usage are left out. Of
        rows that `agentdb maintain --keep-usage` removed, and of users who were erased, the sums of each UTC day are
        left: such a day counts as a whole where its noon in UTC lies. So it is on the same date in most zones, in one
        of its hours, and in or out of a range that has a part of it.

        Args:
            by: One of `hour`, `day`, `week` (from Monday on) and `month`, and any of `user`, `model`, `agent` and
                `type`; nothing for one sum over all.
            since: From this instant on.
            until: Before this instant.
            time_zone: IANA name of the zone whose calendar tells the periods, with its daylight saving time.
            user_id: Only this user's usage; the others are filters too.
            model: Internal name.
            limit: At most so many groups, 1 to 10,000.
            timeout: Seconds for the whole call.

        Returns:
            The latest period first; inside of it the most expensive group first, then by user, pseudonym, model, agent
            and type.

        Raises:
            InvalidInputError: An unknown grouping or zone, a naive time, an empty range, more than 10,000 periods, or
                a sum beyond ±900,000,000 US dollars or 64 bits of tokens.
            DeadlineError: `timeout` has passed.
        """
        unit, kinds = _groupings(by)
        span, zone = _range(since, until), zone_named(time_zone)
        found = (Period(span.since, ""),) if unit is None else periods(span.since, span.until, unit, zone)
        values: dict[str, Any] = {
            "since": span.since,
            "until": span.until,
            "starts": json_text([_stored(max(period.start, span.since)) for period in found]),
            **{f"by_{kind}": kind in kinds for kind in _KINDS},
            "user_id": optional_identifier(user_id, "user_id"),
            "model": optional_text(model, "model"),
            "agent_id": optional_identifier(agent_id, "agent_id"),
            "type": optional_text(type, "type"),
            "limit": page_size(limit, most=MAX_GROUPS),
        }
        steps = partial(_STATEMENTS.rows, self._session, "report", **values)
        rows = await self._query(steps, timeout, is_short=False)
        return tuple(_totals(row, None if unit is None else found[row["period"]]) for row in rows)


def _range(since: Any, until: Any) -> Range:
    span = Range(moment(since, "since"), moment(until, "until"))
    if span.since >= span.until:
        raise InvalidInputError(f"since is before until, found {since.isoformat()} and {until.isoformat()}.")
    return span


def _groupings(by: Any) -> tuple[Unit | None, frozenset[str]]:
    """The unit of time, if any, and the other kinds."""
    named = [by] if isinstance(by, str) else list(by) if isinstance(by, Sequence) else [by]
    units = [one for one in named if one in UNITS]
    if len(units) > 1 or any(one not in (*UNITS, *_KINDS) for one in named):
        raise InvalidInputError(
            f"A report is grouped by one of {', '.join(UNITS)} at most, and any of {', '.join(_KINDS)}, "
            f"found {excerpt(by)}."
        )
    return (units[0] if units else None), frozenset(named) - set(units)


def _totals(row: Row, period: Period | None) -> UsageTotals:
    told = {"period": None} if period is None else {"period": period.label, "start": period.start}
    return UsageTotals.from_row(row, **told)


def _stored(instant: datetime) -> str:
    # As SQLite keeps it and PostgreSQL reads it.
    return instant.isoformat(sep=" ", timespec="microseconds")


def _place(before: datetime, before_id: int) -> dict[str, Any]:
    return {"before": before, "before_id": before_id}


def _place_of(cursor: str, listing: str) -> dict[str, Any]:
    return _place(*decode_cursor(cursor, listing, datetime, int))


def _page(rows: Sequence[UsageRow], size: int, listing: str) -> Page[UsageRow]:
    shown = tuple(rows[:size])
    more = encode_cursor(listing, shown[-1].created_at, shown[-1].id) if len(rows) > size else None
    return Page(shown, more)
