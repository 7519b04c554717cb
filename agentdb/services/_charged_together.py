"""Charges of many callers in one transaction, on engines where units share one: fewer statements than one by one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Final, NamedTuple

from agentdb.engine import Row, Steps
from agentdb.engine.money import sum_usd
from agentdb.engine.values import now
from agentdb.errors import AgentDBError
from agentdb.services._charges import Charges, Named, Outcome, Report, charge_of, cost_of, row_of
from agentdb.sql import Statements

_STATEMENTS: Final = Statements("usage")


class _Entry(NamedTuple):
    """A row of usage that is going to be written.

    Attributes:
        place: Of its report among the others.
    """

    place: int
    report: Report
    model_id: int
    cost: Decimal


class ChargesTogether(Charges):
    """The steps that charge many users, or one user many times."""

    def _recorded_together(self, reports: Sequence[Report]) -> Steps[Sequence[Outcome | AgentDBError | None]]:
        """Several calls with one item each, of which none asks whether the budget is enough.

        A repeated call, and one of a user with expired reservations, is not decided, nor are later ones of its user:
        its answer tells what remains. Nothing is written before all costs are known.
        """
        moment = now()
        facts: dict[tuple[int, Named], Row] = {}
        calls: set[tuple[int, str]] = set()
        undecided: set[int] = set()
        answers: list[Outcome | AgentDBError | None] = [None] * len(reports)
        entries: list[_Entry] = []
        for place, report in enumerate(reports):
            user_id, key = report.user_id, report.request_id
            try:
                if key is not None:
                    if (user_id, key) in calls or (yield from self._earlier_call(report)):
                        undecided.add(user_id)
                    calls.add((user_id, key))
                if user_id in undecided:
                    continue
                (item,) = report.items
                row = facts.get((user_id, item.named))
                if row is None:
                    row = facts[user_id, item.named] = yield from self._facts(user_id, moment, *item.named)
                cost = cost_of(item.tokens, row)
            except AgentDBError as error:
                answers[place] = error
                continue
            if row["hasExpired"]:
                undecided.add(user_id)
            else:
                entries.append(_Entry(place, report, row["modelID"], cost))
        remaining = yield from self._charged_all(entries, moment)
        ids = yield from self._inserted_all(entries, moment)
        for entry, row_id, left in zip(entries, ids, remaining, strict=True):
            answers[entry.place] = Outcome(charge_of((row_id,), entry.cost, left), is_new=True)
        return answers

    def _charged_all(self, entries: Sequence[_Entry], moment: datetime) -> Steps[Sequence[Decimal | None]]:
        """What remained after each: the last one of a user left what remains now."""
        remaining: list[Decimal | None] = [None] * len(entries)
        places: dict[int, list[int]] = {}
        for place, entry in enumerate(entries):
            places.setdefault(entry.report.user_id, []).append(place)
        for user_id, own in places.items():
            cost = entries[own[0]].cost if len(own) == 1 else sum_usd(entries[place].cost for place in own)
            left = remaining[own[-1]] = yield from self._charged(user_id, cost, moment)
            for later, place in pairwise(reversed(own)):
                left = remaining[place] = None if left is None else sum_usd((left, entries[later].cost))
        return remaining

    def _inserted_all(self, entries: Sequence[_Entry], moment: datetime) -> Steps[Sequence[int]]:
        """The ids of the new rows, in their order."""
        if not entries:
            return ()
        rows = [row_of(entry.report, entry.model_id, entry.cost, moment) for entry in entries]
        return [row["id"] for row in (yield _STATEMENTS.insert_each(self._session, "record", rows))]
