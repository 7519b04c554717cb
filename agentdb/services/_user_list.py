"""Users as a list: searched, sorted and paged, the same on every engine."""

from __future__ import annotations

import heapq
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from operator import itemgetter
from typing import Final, Literal, TypeAlias

from agentdb.engine import Row, Steps
from agentdb.engine.money import to_units
from agentdb.records import User
from agentdb.records.base import money
from agentdb.services._access_part import AccessPart, role_key
from agentdb.services._cursor import decode_cursor, encode_cursor
from agentdb.services._input import flag, one_of, optional_text, page_size
from agentdb.sql import Statements
from agentdb.types import Page

UserSort: TypeAlias = Literal["name", "first_name", "email", "status", "role", "budget", "created_at"]

Place: TypeAlias = tuple[int, str | int, int]
"""Where a user stands: 0 before all values, 1 at one, 2 after all; then the value, and the id, which nobody shares."""

Placed: TypeAlias = tuple[Place, Row]

_STATEMENTS: Final = Statements("access")
_BATCH: Final = 500
_SEARCHED: Final = ("firstName", "lastName", "email")


class UserList(AccessPart):
    """All users, as administrators see them."""

    async def users(
        self,
        *,
        search: str | None = None,
        status: str | None = None,
        role: str | int | None = None,
        sort: UserSort = "created_at",
        descending: bool = True,
        limit: int = 100,
        cursor: str | None = None,
        timeout: float | None = None,
    ) -> Page[User]:
        """Users with their roles and balances, a page at a time.

        Texts are sorted without regard to upper and lower case, names by the last name first, and equal values by id.
        Who lacks the value comes before everyone else, but without a budget after everyone else, as that is no limit.
        Descending is the exact reverse. A page reads all users of that role and status once, in small batches.

        Args:
            search: Only users with this text in the first name, the last name or the e-mail address, whatever the case
                in any script. No character has a special meaning.
            status: Only users with exactly this status.
            role: Only users with this role, by name or id.
            limit: At most so many, from 1 to 1000.
            cursor: `next_cursor` of the page before, in the same order.
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such role.
            InvalidInputError: An unknown order, a limit out of range, or a cursor that is broken or of another order.
            DeadlineError: `timeout` has passed.
        """
        one_of(_VALUES, sort, "sort")
        if role is not None:
            role_key(role)
        order = _Order(sort, is_descending=flag(descending, "descending"))
        wanted = _Wanted(
            order=order,
            after=order.place_in(cursor) if cursor is not None else None,
            limit=page_size(limit),
            search=folded(optional_text(search, "search") or ""),
            status=optional_text(status, "status"),
            role=role,
        )
        return await self._query(partial(self._page, wanted), timeout, is_short=False)

    def _page(self, wanted: _Wanted) -> Steps[Page[User]]:
        role_id = None if wanted.role is None else (yield from self._role(wanted.role)).id
        best: list[Placed] = []
        after_id = 0
        while True:
            rows = yield from _STATEMENTS.rows(
                self._session, "users", after_id=after_id, status=wanted.status, role_id=role_id, limit=_BATCH
            )
            best = wanted.first([*best, *wanted.found(rows)])
            if len(rows) < _BATCH:
                break
            after_id = rows[-1]["id"]
        return wanted.page(best)


@dataclass(frozen=True, slots=True)
class _Order:
    """How a list is sorted, and the places in it."""

    sort: UserSort
    is_descending: bool

    def place(self, row: Row) -> Place:
        value = _VALUES[self.sort](row)
        return (1, value, row["id"]) if value is not None else (*_NOTHING.get(self.sort, (0, "")), row["id"])

    def cursor(self, place: Place) -> str:
        return encode_cursor(self._listing, *place)

    def place_in(self, cursor: str) -> Place:
        """The place that a cursor names.

        Raises:
            InvalidInputError: It is broken, or of another order.
        """
        group, value, user_id = decode_cursor(cursor, self._listing, int, int if self.sort == "budget" else str, int)
        return group, value, user_id

    @property
    def _listing(self) -> str:
        return f"users by {self.sort}{' descending' if self.is_descending else ''}"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One page: whom it is about, and which part of their list."""

    order: _Order
    after: Place | None
    limit: int
    search: str
    status: str | None
    role: str | int | None

    def found(self, rows: Iterable[Row]) -> list[Placed]:
        """Those of a batch who match, with their places, if these come after the page before."""
        placed = [(self.order.place(row), row) for row in rows if not self.search or _has(row, self.search)]
        if self.after is None:
            return placed
        return [one for one in placed if (one[0] < self.after if self.order.is_descending else one[0] > self.after)]

    def first(self, found: list[Placed]) -> list[Placed]:
        """As many as the page takes, and one who tells that there are more."""
        pick = heapq.nlargest if self.order.is_descending else heapq.nsmallest
        return pick(self.limit + 1, found, key=itemgetter(0))

    def page(self, best: list[Placed]) -> Page[User]:
        is_last = len(best) <= self.limit
        users = tuple(User.from_rows([row for _, row in best[: self.limit]]))
        return Page(users, None if is_last else self.order.cursor(best[self.limit - 1][0]))


def folded(value: str) -> str:
    """Texts that differ in upper and lower case alone are equal afterwards, in every script."""
    return value.lower() if value.isascii() else unicodedata.normalize("NFC", value.casefold())


def _has(row: Row, wanted: str) -> bool:
    return any(wanted in folded(row[column] or "") for column in _SEARCHED)


def _text(value: str | None) -> str | None:
    return None if value is None else folded(value)


def _name(row: Row) -> str | None:
    last, first = row["lastName"], row["firstName"]
    # No text has a NUL, so it ends the last name before every letter.
    return None if last is None and first is None else folded(f"{last or ''}\0{first or ''}")


def _moment(value: datetime | str | None) -> str | None:
    # Of one width, so that it sorts by time. One engine keeps just this text.
    return value.isoformat(sep=" ", timespec="microseconds") if isinstance(value, datetime) else value


_VALUES: Final[Mapping[UserSort, Callable[[Row], str | int | None]]] = {
    "name": _name,
    "first_name": lambda row: _text(row["firstName"]),
    "email": lambda row: _text(row["email"]),
    "status": lambda row: _text(row["status"]),
    "role": lambda row: _text(row["role.name"]),
    "budget": lambda row: None if row["budget"] is None else to_units(money(row["budget"])),
    "created_at": lambda row: _moment(row["createdAt"]),
}
_NOTHING: Final[Mapping[UserSort, tuple[int, int]]] = {"budget": (2, 0)}
