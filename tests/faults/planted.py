"""What a broken data layer would leave behind, each planted into a database in which all is well."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, Final, TypeAlias

from agentdb import Database, Message, Usage, User
from agentdb.models import Reservation
from tests.faults.intents import Kind
from tests.faults.ledger import Entry

Entries: TypeAlias = Mapping[str, Entry]
Plant: TypeAlias = Callable[[Database, Entries], Awaitable[object]]

SMALLEST: Final = Decimal(1).scaleb(-10)


async def lost_message(db: Database, entries: Entries) -> None:
    """One that was acknowledged."""
    await Message.filter(id=_answered(entries, "append").answers[0].messages[0]).delete()


async def lost_message_of_several(db: Database, entries: Entries) -> None:
    """One of a call with several."""
    entry = next(entry for entry in _all(entries, "append_many") if len(entry.answers[0].messages) > 1)
    await Message.filter(id=entry.answers[0].messages[-1]).delete()


async def lost_usage(db: Database, entries: Entries) -> None:
    """Its charge is taken back too, so that balances are right by themselves."""
    entry = _answered(entries, "record")
    await Usage.filter(id=entry.answers[0].usage[0]).delete()
    await _add(entry.intent.user_id, entry.answers[0].cost)


async def lost_reservation(db: Database, entries: Entries) -> None:
    """With what it held."""
    await Reservation.filter(id=_answered(entries, "reserve").answers[0].reservation).delete()


async def doubled_message(db: Database, entries: Entries) -> None:
    """As one that was repeated under another key."""
    await _copy(Message, _answered(entries, "append").answers[0].messages[0])


async def charged_twice(db: Database, entries: Entries) -> None:
    """With its usage, so that balances are right by themselves."""
    entry = _answered(entries, "record")
    await _copy(Usage, entry.answers[0].usage[0])
    await _add(entry.intent.user_id, -entry.answers[0].cost)


async def charge_without_usage(db: Database, entries: Entries) -> None:
    """The balance alone was charged a second time."""
    entry = _answered(entries, "record")
    await _add(entry.intent.user_id, -entry.answers[0].cost)


async def smallest_gap(db: Database, entries: Entries) -> None:
    """A balance is wrong by the smallest amount that there is."""
    await _add(_answered(entries, "record").intent.user_id, SMALLEST)


async def changed_cost(db: Database, entries: Entries) -> None:
    """By the smallest amount, and the balance with it."""
    entry = _answered(entries, "record")
    await Usage.filter(id=entry.answers[0].usage[0]).update(cost=entry.answers[0].cost + SMALLEST)
    await _add(entry.intent.user_id, -SMALLEST)


async def changed_content(db: Database, entries: Entries) -> None:
    """One letter of a message."""
    entry = _answered(entries, "append")
    text = entry.intent.said()[0]["content"][0]["text"]
    await Message.filter(id=entry.answers[0].messages[0]).update(content=[{"text": text + "."}])


async def forgotten_end(db: Database, entries: Entries) -> None:
    """A settled reservation that is held again."""
    entry = _answered(entries, "settle")
    await Reservation.filter(id=entry.intent.reservation_id).update(state="held", usage_id=None)


async def half_of_it(db: Database, entries: Entries) -> None:
    """Of an intent that nobody was answered."""
    entry = next(entry for entry in _all(entries, "append_many") if len(entry.answers[0].messages) > 1)
    await Message.filter(id=entry.answers[0].messages[-1]).delete()
    entry.answers.clear()


async def done_all_the_same(db: Database, entries: Entries) -> None:
    """Its writer was told that it was not done."""
    entry = _answered(entries, "append")
    entry.answers.clear()
    entry.is_undone = True


async def stranger(db: Database, entries: Entries) -> None:
    """A message that nobody meant."""
    id_ = await _copy(Message, _answered(entries, "append").answers[0].messages[0])
    await Message.filter(id=id_).update(content=[{"text": "nobody 0"}])


async def wrong_order(db: Database, entries: Entries) -> None:
    """The later of two messages has the smaller id."""
    first, *others = _all(entries, "append")
    second = next(each for each in others if each.intent.conversation_id == first.intent.conversation_id)
    first.began, second.began = second.began, first.began
    first.acknowledged, second.acknowledged = second.acknowledged, first.acknowledged


PLANTS: Final[dict[Plant, str]] = {
    lost_message: "lost",
    lost_message_of_several: "lost",
    lost_usage: "lost",
    lost_reservation: "lost",
    doubled_message: "doubled",
    charged_twice: "doubled",
    charge_without_usage: "gaps",
    smallest_gap: "gaps",
    changed_cost: "changed",
    changed_content: "changed",
    forgotten_end: "changed",
    half_of_it: "torn",
    done_all_the_same: "denied",
    stranger: "strangers",
    wrong_order: "disorder",
}
"""What has to be found of each."""


def _all(entries: Entries, kind: Kind) -> list[Entry]:
    return [entry for entry in entries.values() if entry.intent.kind == kind and entry.answers]


def _answered(entries: Entries, kind: Kind) -> Entry:
    return _all(entries, kind)[0]


async def _copy(table: Any, id_: int) -> int:
    row = await table.get(id=id_)
    values = {name: getattr(row, name) for name in table._meta.fields_db_projection if name != "id"}
    copy = await table.create(**{**values, "request_id": "another"})
    return int(copy.id)


async def _add(user_id: int, amount: Decimal) -> None:
    user = await User.get(id=user_id)
    assert user.remaining is not None
    await User.filter(id=user_id).update(remaining=user.remaining + amount)
