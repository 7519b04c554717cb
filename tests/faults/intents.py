"""What a writer means to do once, and what has to be stored when it was done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from random import Random
from typing import Any, Final, Literal, NamedTuple, Self, TypeAlias

Kind: TypeAlias = Literal[
    "append", "append_many", "turn", "record", "record_many", "talk", "reserve", "settle", "release"
]
Table: TypeAlias = Literal["Message", "Usage", "Reservation", "Conversation"]

MODEL: Final = "us.meta.llama4-maverick-17b-instruct-v1:0"
INPUT_PRICE: Final = Decimal("0.00024")
OUTPUT_PRICE: Final = Decimal("0.00097")
"""US dollars for 1,000 tokens, as the packaged seeds have them."""

_UNIT: Final = Decimal(1).scaleb(-10)
_OFTEN: Final[dict[Kind, int]] = {
    "append": 8,
    "append_many": 3,
    "turn": 5,
    "record": 8,
    "record_many": 2,
    "talk": 1,
    "reserve": 4,
}


class Account(NamedTuple):
    """A user, and the conversations that all writers share."""

    user_id: int
    conversation_ids: Sequence[int]


class Tokens(NamedTuple):
    """Of one model call."""

    input: int
    output: int

    @property
    def cost(self) -> Decimal:
        """US dollars."""
        return ((self.input * INPUT_PRICE + self.output * OUTPUT_PRICE) / 1000).quantize(_UNIT, ROUND_HALF_EVEN)


class Fact(NamedTuple):
    """A row that an intent leaves behind, without its id."""

    table: Table
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """
    Attributes:
        key: Its request_id, which is also written into all of its rows.
        conversation_id: Where its messages go; 0 for none.
        messages: How many.
        usage: The tokens of each of its model calls.
        amount: What it reserves, in US dollars.
        reservation_id: What it settles or releases; 0 for nothing.
    """

    key: str
    kind: Kind
    user_id: int
    conversation_id: int = 0
    messages: int = 0
    usage: Sequence[Tokens] = ()
    amount: str = "0"
    reservation_id: int = 0

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """The intent that was written down as `values`."""
        return cls(**{**values, "usage": tuple(Tokens(*tokens) for tokens in values["usage"])})

    def written(self) -> dict[str, Any]:
        """As JSON can keep it."""
        return asdict(self)

    def said(self) -> list[dict[str, Any]]:
        """Its messages."""
        return [
            {"role": "assistant" if n % 2 else "user", "content": [{"text": f"{self.key} {n} Größe 大 🚲"}]}
            for n in range(self.messages)
        ]

    def used(self) -> list[dict[str, Any]]:
        """Its usage, for `record_many`."""
        return [
            {"model": MODEL, "type": self.key, "input_tokens": tokens.input, "output_tokens": tokens.output}
            for tokens in self.usage
        ]

    def facts(self) -> Iterator[Fact]:
        """Every row that it has to leave behind, of each table in the order of ids."""
        for message in self.said():
            yield Fact("Message", (self.conversation_id, message["role"], message["content"][0]["text"]))
        for tokens in self.usage:
            yield Fact("Usage", (self.user_id, *tokens, tokens.cost))
        if self.kind == "reserve":
            yield Fact("Reservation", (self.user_id, Decimal(self.amount).quantize(_UNIT)))
        if self.kind == "talk":
            yield Fact("Conversation", (self.user_id,))


def drawn(key: str, accounts: Sequence[Account], random: Random) -> Intent:
    """Something to do for one of the accounts."""
    account = random.choice(accounts)
    kind: Kind = random.choices(list(_OFTEN), list(_OFTEN.values()))[0]
    talks = kind in ("append", "append_many", "turn")
    return Intent(
        key=key,
        kind=kind,
        user_id=account.user_id,
        conversation_id=random.choice(account.conversation_ids) if talks else 0,
        messages={"append": 1, "append_many": random.randint(1, 5), "turn": random.randint(1, 3)}.get(kind, 0),
        usage=_usage(kind, random),
        amount=str(Decimal(random.randint(1, 10**7)).scaleb(-10)) if kind == "reserve" else "0",
    )


def end_of(reserved: Intent, reservation_id: int, random: Random) -> Intent | None:
    """What becomes of a reservation: it is settled, released, or left as it is."""
    kind: Kind | None = random.choices(("settle", "release", None), (4, 2, 1))[0]
    if kind is None:
        return None
    return Intent(
        key=f"{reserved.key}-{kind}",
        kind=kind,
        user_id=reserved.user_id,
        usage=_usage(kind, random),
        reservation_id=reservation_id,
    )


def _usage(kind: Kind, random: Random) -> tuple[Tokens, ...]:
    calls = {"record": 1, "settle": 1, "record_many": random.randint(2, 4), "turn": random.randint(0, 2)}.get(kind, 0)
    return tuple(Tokens(random.randint(0, 100_000), random.randint(1, 10_000)) for _ in range(calls))
