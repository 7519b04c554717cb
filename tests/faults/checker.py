"""The checker: what writers were told, against what is stored."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Final

from tests.faults.intents import Kind
from tests.faults.ledger import Entry
from tests.faults.stored import Held, Row, Stored

_ZERO: Final = Decimal(0)
_ENDS: Final[dict[Kind, str]] = {"settle": "settled", "release": "released"}


@dataclass(slots=True)
class Findings:
    """
    Attributes:
        lost: Rows that were acknowledged, and are not there.
        doubled: Rows that are there more than once.
        denied: Rows of intents whose writers were told that nothing was done.
        torn: Intents of which some rows are there and others are not.
        changed: Rows, ids and costs that are others than what was meant or answered.
        strangers: Rows that nobody meant to write.
        gaps: Balances that are not what the stored charges, or the intents, make them.
        disorder: Messages whose ids are not in the order in which they were acknowledged.
        damage: What the engine finds.
        undone: How many intents were given up by writers who were told that they were not done.
        unanswered: How many intents were never acknowledged, whose writers were killed.
        stored_unanswered: How many of them are stored.
    """

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    denied: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    disorder: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    undone: int = 0
    unanswered: int = 0
    stored_unanswered: int = 0

    @property
    def problems(self) -> dict[str, list[str]]:
        """What there is of each kind; empty if all is well."""
        return {
            each.name: found for each in fields(self) if (found := getattr(self, each.name)) and isinstance(found, list)
        }

    def __str__(self) -> str:
        return (
            f"{len(self.lost)} lost, {len(self.doubled)} doubled, {len(self.gaps)} balance gaps, "
            f"{self.undone} given up as not done of which {len(self.denied)} are stored, "
            f"{self.unanswered} never answered of which {self.stored_unanswered} are stored"
        )


def check(entries: Mapping[str, Entry], stored: Stored) -> Findings:
    """Compare."""
    findings = Findings(damage=list(stored.damage))
    by_key: dict[str, list[Row]] = defaultdict(list)
    for row in stored.rows:
        by_key[row.key].append(row)
    for entry in entries.values():
        rows = by_key.get(entry.intent.key, [])
        _check_rows(findings, entry, rows)
        if entry.is_undone:
            findings.undone += 1
        elif not entry.answers:
            findings.unanswered += 1
            findings.stored_unanswered += bool(rows)
    for key in by_key.keys() - entries.keys():
        findings.strangers += [f"{row.fact.table} {row.id} of {key!r}" for row in by_key[key]]
    _check_reservations(findings, entries, stored)
    _check_balances(findings, entries, by_key, stored)
    _check_order(findings, entries, by_key)
    return findings


def _check_rows(findings: Findings, entry: Entry, rows: Sequence[Row]) -> None:
    """All rows of an acknowledged intent are there once, with the ids and the cost of the answer; those of another one
    are all there once, or none of them."""
    intent, meant = entry.intent, list(entry.intent.facts())
    expected, found = Counter(meant), Counter(row.fact for row in rows)
    name = f"{intent.kind} {intent.key}"
    missing = [f"{name}: {fact.table} {fact.values}" for fact in (expected - found).elements()]
    if entry.is_undone:
        findings.denied += [f"{name}: {row.fact.table} {row.id}" for row in rows]
    elif entry.answers:
        findings.lost += missing
    elif rows:
        findings.torn += missing
    for fact in (found - expected).elements():
        kind = findings.doubled if fact in expected else findings.changed
        kind.append(f"{name}: {fact.table} {fact.values}")
    if expected == found:
        _check_answers(findings, entry, [row for fact in meant for row in rows if row.fact == fact])


def _check_answers(findings: Findings, entry: Entry, rows: Sequence[Row]) -> None:
    """Ids and costs are those that were acknowledged, and messages have ids in their order."""
    intent = entry.intent
    cost = sum((tokens.cost for tokens in intent.usage), _ZERO)
    messages = [row.id for row in rows if row.fact.table == "Message"]
    if messages != sorted(messages):
        findings.disorder.append(f"{intent.key} has messages {messages}")
    for answer in entry.answers:
        for table, ids in answer.ids().items():
            there = tuple(row.id for row in rows if row.fact.table == table)
            if ids != there:
                findings.changed.append(f"{intent.kind} {intent.key}: {table} {there}, acknowledged {ids}")
        if answer.cost != cost:
            findings.changed.append(f"{intent.kind} {intent.key}: cost {cost}, acknowledged {answer.cost}")


def _check_reservations(findings: Findings, entries: Mapping[str, Entry], stored: Stored) -> None:
    """A reservation is in the state that the acknowledged end of it says; one whose end was not is in either."""
    ends: dict[int, Entry] = {
        entry.intent.reservation_id: entry for entry in entries.values() if entry.intent.reservation_id
    }
    for id_, held in stored.reservations.items():
        end = ends.get(id_)
        last = _ENDS[end.intent.kind] if end is not None and not end.is_undone else "held"
        may_be = {last} if end is None or end.answers else {"held", last}
        settled_as = end.answers[0].usage[0] if end and end.answers and last == "settled" else held.usage_id
        if (
            held.state not in may_be
            or held.usage_id != settled_as
            or (held.usage_id is None) == (held.state == "settled")
        ):
            findings.changed.append(f"reservation {id_} is {held.state} by usage {held.usage_id}, {last} was asked for")


def _check_balances(
    findings: Findings, entries: Mapping[str, Entry], by_key: Mapping[str, Sequence[Row]], stored: Stored
) -> None:
    """What is gone from a budget is the exact sum of the stored costs and of what is held, and also what the intents
    that are stored were meant to cost."""
    charged: dict[int, Decimal] = defaultdict(Decimal)
    for row in stored.rows:
        if row.fact.table == "Usage":
            charged[row.fact.values[0]] += row.fact.values[-1]
    meant: dict[int, Decimal] = defaultdict(Decimal)
    for entry in entries.values():
        if any(row.fact.table == "Usage" for row in by_key.get(entry.intent.key, ())):
            meant[entry.intent.user_id] += sum((tokens.cost for tokens in entry.intent.usage), _ZERO)
    for user_id, balance in stored.balances.items():
        spent = balance.budget - balance.remaining - _held(stored.reservations.values(), user_id)
        if not spent == charged[user_id] == meant[user_id]:
            findings.gaps.append(
                f"user {user_id}: {spent} is gone, usage says {charged[user_id]}, the intents {meant[user_id]}"
            )


def _held(reservations: Iterable[Held], user_id: int) -> Decimal:
    return sum((held.held for held in reservations if held.user_id == user_id and held.state == "held"), _ZERO)


def _check_order(findings: Findings, entries: Mapping[str, Entry], by_key: Mapping[str, Sequence[Row]]) -> None:
    """Of two intents in a conversation, the one that was acknowledged before the other began has the smaller ids."""
    written: dict[int, list[tuple[Entry, list[int]]]] = defaultdict(list)
    for entry in entries.values():
        ids = [row.id for row in by_key.get(entry.intent.key, ()) if row.fact.table == "Message"]
        if ids:
            written[entry.intent.conversation_id].append((entry, ids))
    for talk in written.values():
        done = sorted(talk, key=lambda pair: pair[0].acknowledged)
        position, newest = 0, 0
        for entry, ids in sorted(talk, key=lambda pair: pair[0].began):
            while done[position][0].acknowledged < entry.began:
                newest = max(newest, *done[position][1])
                position += 1
            if min(ids) < newest:
                findings.disorder.append(f"{entry.intent.key} has message {min(ids)}, {newest} was acknowledged before")
