"""What no call may take: for each kind of parameter, the values that its type can have and that are refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from agentdb import AgentDBError, ConflictError, InvalidInputError, NotFoundError
from agentdb.errors import excerpt
from agentdb.types import Price


@dataclass(frozen=True, slots=True)
class World:
    """What stands in both databases, under the same ids.

    Attributes:
        huge: A text of 70 MB.
    """

    huge: str
    role_id: int
    policy_id: int
    user_id: int
    other_id: int
    empty_id: int
    agent_id: int
    prompt_id: int
    tool_id: int
    talk_id: int
    lost_id: int
    foreign_id: int
    message_id: int
    last_id: int
    resource_id: int
    reservation_id: int


@dataclass(frozen=True, slots=True)
class Bad:
    """A value that is refused.

    Attributes:
        value: Makes it.
        says: Part of the message.
        error: The class of the refusal, where it is not InvalidInputError.
        called: What the message names, where that is not the parameter.
    """

    label: str
    value: Callable[[World], Any]
    says: str
    error: type[AgentDBError] = InvalidInputError
    called: str | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """What parameters of one kind refuse.

    Attributes:
        annotation: How they are annotated, apart from the mark of an argument that was not given.
    """

    annotation: str
    refused: tuple[Bad, ...]

    def but(self, *others: Bad) -> Kind:
        """The same kind with other answers to some values; those of new labels are added."""
        refused = {one.label: one for one in (*self.refused, *others)}
        return Kind(self.annotation, tuple(refused.values()))


def bad(
    label: str,
    value: Any,
    says: str,
    error: type[AgentDBError] = InvalidInputError,
    called: str | None = None,
) -> Bad:
    """A value that is the same in every world."""
    return Bad(label, lambda _: value, says, error, called)


def every(values: Sequence[Any], says: str) -> tuple[Bad, ...]:
    """Values that get one answer, labelled by what they look like."""
    return tuple(bad(f"{type(value).__name__} {excerpt(value)}", value, says) for value in values)


def nested(levels: int) -> dict[str, Any]:
    """A JSON object that deep."""
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


BOTTOMLESS = nested(100_000)
"""One for all who refuse it: making ten of them, and having the garbage collector go through them, takes seconds."""


def missing(what: str, *keys: int | str) -> tuple[Bad, ...]:
    """Values that are allowed and name nothing."""
    return tuple(bad(repr(key), key, f"No {what} {key!r:.20}", NotFoundError) for key in keys)


NONE = bad("None", None, "found NoneType")
BEYOND = (
    bad("2^63", 2**63, "64 bits, found 9223372036854775808"),
    bad("-2^63-1", -(2**63) - 1, "64 bits, found -9223372036854775809"),
    bad("10^5000", 10**5000, "64 bits"),
)
NO_INTS = every([True, 1.5, math.nan, "1", b"1", [1], Decimal(1)], "is an int, found")

UNSTORABLE = (
    bad("NUL", "a\x00b", "no NUL character, found one at position 1"),
    bad("lone surrogate", "ab\ud800", "no lone surrogate, found '\\ud800' at position 2"),
    Bad("70 MB", lambda world: world.huge, "at most 67108864 bytes, found 73400320"),
)
NO_TEXTS = every([1, 1.5, True, b"x", ["x"], {"x": "y"}], "is a text")
EMPTY = bad("empty", "", "not empty")

TEXT = Kind("str", (*NO_TEXTS, NONE, EMPTY, *UNSTORABLE))
OPTIONAL_TEXT = Kind("str | None", (*NO_TEXTS, *UNSTORABLE))
NAME = TEXT.but(bad("501 characters", "\U0001f642" * 501, "has 1 to 500 characters, found 501"))
"""A text that a unique index holds."""

REQUEST_ID = OPTIONAL_TEXT.but(EMPTY, bad("201 characters", "x" * 201, "1 to 200 characters, found 201"))
PERIOD = TEXT.but(bad("201 characters", "x" * 201, "1 to 200 characters, found 201"))
EMAIL = TEXT.but(
    *every(
        ["ada", "@", "ada@", " ", "ada@example.org, bob@example.org", f"{'a' * 320}@example.org"], "an address such as"
    )
)
QUERY = TEXT.but(
    bad("1001 characters", "word " * 201, "at most 1000 characters, found 1005"),
    bad("no word", "?! -", "at least one letter or digit"),
    Bad("70 MB", lambda world: world.huge, "at most 1000 characters, found 73400320"),
)
CREDENTIAL = Kind(
    "str | Secret | None", (*every([1, b"x", ["x"]], "is a text that is not empty, or None"), EMPTY, *UNSTORABLE)
)

LISTED = Kind("int", (*NO_INTS, NONE, *BEYOND))
"""The id of a user whose lists may be empty."""

FILTER = Kind("int | None", (*NO_INTS, *BEYOND))
"""An id that narrows a list, to nothing if need be."""

NUMBER = FILTER
COUNT = LISTED.but(bad("-1", -1, "is 0 or greater, found -1"))
OPTIONAL_COUNT = FILTER.but(bad("-1", -1, "is 0 or greater, found -1"))
FLAG = Kind("bool", (*every([1, 0, "yes", [], 1.0], "is True or False, found"), NONE))
TIMEOUT = Kind(
    "float | None",
    (*every([True, "1", b"1", [1], Decimal(1), math.nan, math.inf, -math.inf, 10**400, 10**5000], "seconds"),),
)

_BERLIN = timezone(timedelta(hours=1))
OPTIONAL_TIME = Kind(
    "datetime | None",
    (
        bad("naive", datetime(2026, 1, 1), "has a zone, found the naive 2026-01-01"),  # noqa: DTZ001 - what is refused
        bad("the first instant", datetime.min.replace(tzinfo=UTC), "inside the years 1 to 9999"),
        bad("the last instant", datetime.max.replace(tzinfo=UTC), "inside the years 1 to 9999"),
        bad("before the calendar", datetime.min.replace(tzinfo=_BERLIN), "inside the years 1 to 9999"),
        *every([date(2026, 1, 1), "2026-01-01T00:00:00+00:00", 0, True, math.nan, []], "is an aware datetime, found"),
    ),
)
TIME = Kind("datetime", (*OPTIONAL_TIME.refused, NONE))

OPTIONAL_OBJECT = Kind(
    "Mapping[str, Any] | None",
    (
        *every([[], "{}", 1, True, {1}, [("a", 1)]], "is an object, found"),
        bad("NaN inside", {"a": [math.nan]}, "finite, found nan"),
        bad("an infinity inside", {"a": math.inf}, "finite, found inf"),
        bad("2^63 inside", {"a": 2**63}, "64 bits, found 9223372036854775808"),
        bad("10^5000 inside", {"a": 10**5000}, "64 bits"),
        bad("NUL inside", {"a": "\x00"}, "NUL"),
        bad("NUL in a key", {"\x00": 1}, "NUL"),
        bad("lone surrogate inside", {"a": "\udfff"}, "lone surrogate"),
        bad("lone surrogate in a key", {"\udfff": 1}, "lone surrogate"),
        bad("a number as key", {1: "a"}, "A key of a JSON object is a text, found"),
        bad("a huge number as key", {10**5000: "a"}, "A key of a JSON object is a text, found"),
        bad("a set inside", {"a": {1}}, "JSON cannot say a set"),
        bad("a set with a huge number", {"a": {10**5000}}, "JSON cannot say a set"),
        bad("a time inside", {"a": datetime(2026, 1, 1, tzinfo=UTC)}, "JSON cannot say a datetime"),
        bad("money inside", {"a": Decimal(1)}, "JSON cannot say a Decimal"),
        bad("200 levels", nested(200), "deeper than 100 levels"),
        bad("100,000 levels", BOTTOMLESS, "deeper than 100 levels"),
        Bad("70 MB inside", lambda world: {"a": world.huge}, "at most"),
    ),
)

MONEY = (
    *every([1.5, True, b"1", [1]], "is a Decimal, an int or a decimal text, found"),
    *every(["", "ten", "1,5", "\x00", "\ud800"], "a decimal number, found"),
    *every([Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), "-Infinity"], "finite"),
    *every([Decimal("900000000.0000000001"), 2**63, Decimal("1E+1000000"), "1E+400"], "between -900000000 and"),
    *every([Decimal("0.00000000001"), Decimal("1E-30")], "at most ten decimals"),
    bad("10^5000", 10**5000, "between -900000000 and"),
    Bad("70 MB", lambda world: world.huge, "a decimal number, found"),
    bad("-1", -1, "or more, found -1"),
)
BUDGET = Kind("Decimal | None", MONEY)
AMOUNT = Kind("Decimal | int | str | None", MONEY)


def identifier(what: str) -> Kind:
    """The id of something that has to be there."""
    return LISTED.but(*missing(what, 0, -1, 2**63 - 1))


def optional_identifier(what: str) -> Kind:
    """The id of something that has to be there, or None."""
    return FILTER.but(*missing(what, 0, -1, 2**63 - 1))


def key(what: str, annotation: str = "str | int") -> Kind:
    """The id or the name of something that has to be there."""
    refused = (*every([1.5, True, b"x", ["x"], {}], "is an id or a name, found"), *UNSTORABLE, *BEYOND)
    none = () if annotation.endswith("None") else (NONE,)
    return Kind(annotation, (*refused, *none, *missing(what, 0, -1, 2**63 - 1, "", "nobody", "n" * 10_000)))


def named(what: str, annotation: str = "str") -> Kind:
    """The name of something that has to be there."""
    return Kind(annotation, (TEXT if annotation == "str" else OPTIONAL_TEXT.but(EMPTY)).refused).but(
        *missing(what, "nobody", "n" * 10_000)
    )


def choice(annotation: str) -> Kind:
    """One of a few words."""
    others = ["nobody", "", "\x00", "\ud800", 1, True, 1.5, None, b"user", ["user"], {}]
    return Kind(annotation, (*every(others, "is one of"), Bad("70 MB", lambda world: world.huge, "is one of")))


def limit(most: int = 1000) -> Kind:
    """How many items an answer may have."""
    refused = [bad(str(value), value, f"from 1 to {most}, found {value}") for value in (0, -1, most + 1, 10**9)]
    return LISTED.but(*refused)


CURSOR = Kind(
    "str | None",
    (
        *every(
            ["", "garbage", "a\x00b", "\ud800", "é", "====", 1, True, b"WzFd", ["x"]], "is not one that this list gave"
        ),
        Bad("70 MB", lambda world: world.huge, "is not one that this list gave"),
    ),
)
"""Cursors of other lists and broken ones have a test of their own."""

EMBEDDING = Kind(
    "Sequence[float]",
    (
        *every([[], "0.5", 1, {1.0}, {}, [1.0] * 16_001], "is a list of 1 to 16000 numbers"),
        bad("None", None, "is a list of 1 to 16000 numbers"),
        *every([["1"], [True], [None], [[1.0]], [Decimal(1)]], "is a list of numbers, found a"),
        *every([[math.nan], [math.inf], [1e39], [10**400]], "only finite numbers"),
        *every([[0.0, 0.0], [1e-20], [1e20]], "has a length from"),
    ),
)
CHUNKS = Kind(
    "Sequence[ChunkInput]",
    (
        *every(
            [None, "x", 1, {"content": "x"}, {1}, [{"content": "x"}] * 10_001], "is a list of at most 10000 objects"
        ),
        *every([["x"], [{}], [{"content": "x", "order": 1}], [None]], "is an object of content and embedding"),
        *every([[{"content": ""}], [{"content": 1}], [{"content": None}]], "chunks[0].content is a text"),
        bad("NUL", [{"content": "a"}, {"content": "\x00"}], "chunks[1].content: A text has no NUL"),
        bad("lone surrogate", [{"content": "\ud800"}], "chunks[0].content: A text has no lone surrogate"),
        Bad("70 MB", lambda world: [{"content": world.huge}], "chunks[0].content: A text has at most"),
        bad("NaN", [{"content": "a", "embedding": [math.nan]}], "chunks[0].embedding has only finite numbers"),
        bad("no direction", [{"content": "a", "embedding": [0]}], "chunks[0].embedding has a length"),
        bad(
            "two dimensions",
            [{"content": "a", "embedding": [1]}, {"content": "b", "embedding": [1, 2]}],
            "one dimension, found [1, 2]",
        ),
        bad("deep", [{"content": "a", "embedding": BOTTOMLESS}], "chunks[0].embedding is a list of"),
        bad("deep object", [BOTTOMLESS], "chunks[0] is an object of"),
    ),
)
IDENTIFIERS = Kind(
    "Sequence[int] | None",
    (
        *every(["1", 1, {1}, {}, [1] * 1001], "is a list of at most 1000 ids"),
        *every([["1"], [True], [1.5], [None]], "is an int, found"),
        bad("2^63", [2**63], "64 bits"),
        bad("10^5000", [10**5000], "64 bits"),
    ),
)
NAMES = Kind(
    "Sequence[str]",
    (
        *every([None, "mcp", 1, {"x"}, {}], "is a list of names, found"),
        *every([[1], [""], [None], [b"x"]], "is a text"),
        bad("NUL", ["\x00"], "NUL"),
        bad("lone surrogate", ["\ud800"], "lone surrogate"),
        Bad("70 MB", lambda world: [world.huge], "at most"),
        bad("unknown", ["nobody"], "No tool 'nobody'", NotFoundError),
        bad("long", ["n" * 10_000], "No tool 'nnnnn", NotFoundError),
    ),
)


def _blocks(make: Callable[[Any], Any]) -> tuple[Bad, ...]:
    """What no list of content blocks may be."""

    def block(label: str, value: Any, says: str) -> Bad:
        return bad(label, make(value), says)

    return (
        block("None", None, "is a list of blocks"),
        block("empty", [], "is a list of blocks"),
        block("an object", {"text": "a"}, "is a list of blocks"),
        block("a set", {1}, "is a list of blocks"),
        block("a text in it", ["a"], "[0] is an object"),
        block("an empty block", [{}], "[0] has exactly one of text"),
        block("an unknown block", [{"video": {}}], "[0] has exactly one of text"),
        block("two in one", [{"text": "a", "image": {}}], "[0] has exactly one of text"),
        block("a number as text", [{"text": 1}], "[0].text is a text"),
        block("a text as image", [{"image": "a"}], "[0].image is an object"),
        block("NUL", [{"text": "a" * 60 + "\x00"}], "NUL"),
        block("NUL in a key", [{"text": "a" * 60}, {"image": {"\x00": 1}}], "NUL"),
        block("lone surrogate", [{"text": "a" * 60 + "\ud800"}], "lone surrogate"),
        block("NaN", [{"text": "a" * 60}, {"image": {"a": math.nan}}], "finite"),
        block("2^63", [{"text": "a" * 60}, {"image": {"a": 2**63}}], "64 bits"),
        block("10^5000", [{"text": "a" * 60}, {"image": {"a": 10**5000}}], "64 bits"),
        block("a set inside", [{"text": "a" * 60}, {"image": {"a": {1}}}], "JSON cannot say a set"),
        block("bytes inside", [{"text": "a" * 60}, {"image": {"a": b"x"}}], "JSON cannot say a bytes"),
        block("200 levels", [{"text": "a" * 60}, {"image": nested(200)}], "deeper than 100 levels"),
        block("100,000 levels", [{"text": "a" * 60}, {"image": BOTTOMLESS}], "deeper than 100 levels"),
        block("100,000 levels of no kind", [BOTTOMLESS], "[0] has exactly one of text"),
        Bad("70 MB", lambda world: make([{"text": world.huge}]), "at most"),
    )


_OF_SUMMARIES = {"NUL", "NaN", "lone surrogate", "2^63", "200 levels", "70 MB"}
CONTENT = Kind("Content", (*_blocks(lambda content: content), bad("a text", "a", "is a list of blocks")))
SUMMARY = Kind(
    "str | Content",
    (
        *every(["a" * 49, "", None, 1, [], [{}], [{"text": "a"}], ["a"], BOTTOMLESS], "at least 50 characters"),
        *(replace(one, called="content") for one in CONTENT.refused if one.label in _OF_SUMMARIES),
        bad("NUL in a text", "a" * 60 + "\x00", "NUL", called="content"),
        Bad("70 MB in a text", lambda world: world.huge, "at most", called="content"),
    ),
)


def _message(content: Any = None, **others: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"text": "a"}]}, {"role": "user", "content": content, **others}]


MESSAGES = Kind(
    "Sequence[Mapping[str, Any]]",
    (
        *every([None, [], "x", 1, {}, {1}], "is a list that is not empty"),
        bad("a text in it", ["x"], "messages[0] is a mapping with role"),
        bad(
            "another field",
            [{"role": "user", "content": [{"text": "a"}], "id": 1}],
            "messages[0] is a mapping with role",
        ),
        bad("no role", [{"content": [{"text": "a"}]}], "messages[0]: role is one of"),
        bad("unknown role", _message([{"text": "a"}], role="system"), "messages[1]: role is one of"),
        bad(
            "parent 2^63", _message([{"text": "a"}], parent_id=2**63), "messages[1]: parent_id is an int of at most 64"
        ),
        bad("parent 0", _message([{"text": "a"}], parent_id=0), "No message 0", NotFoundError),
        bad("parent 1.5", _message([{"text": "a"}], parent_id=1.5), "messages[1]: parent_id is an int"),
        bad("100,001", _message([{"text": "a"}]) * 50_001, "At most 100,000"),
        *_blocks(_message),
    ),
)

_FIELD: dict[str, Any] = {"model": "us.anthropic.claude-sonnet-4-6", "input_tokens": 1}
ITEMS = Kind(
    "Sequence[Mapping[str, Any]]",
    (
        *every([None, "x", 1, {}, {1}], "is a list of mappings"),
        bad("empty", [], "1 to 100 items, found 0"),
        bad("101", [_FIELD] * 101, "1 to 100 items, found 101"),
        bad("a text in it", ["x"], "items[0]: An item is a mapping"),
        bad("deep in it", [_FIELD, [BOTTOMLESS]], "items[1]: An item is a mapping"),
        bad("another field", [_FIELD, {**_FIELD, "images": 1}], "items[1]: An item has the fields"),
        bad("no model", [_FIELD, {"input_tokens": 1}], "items[1]: model is a text"),
        bad("NUL", [_FIELD, {"model": "\x00"}], "items[1]: model: A text has no NUL"),
        bad("-1", [_FIELD, {**_FIELD, "output_tokens": -1}], "items[1]: output_tokens is 0 or greater, found -1"),
        bad("1.5", [_FIELD, {**_FIELD, "output_tokens": 1.5}], "items[1]: output_tokens is an int"),
        bad(
            "2^63", [_FIELD, {**_FIELD, "output_tokens": 2**63}], "items[1]: output_tokens is an int of at most 64 bits"
        ),
        bad("agent 2^63", [_FIELD, {**_FIELD, "agent_id": 2**63}], "items[1]: agent_id is an int of at most 64 bits"),
        bad("agent 0", [_FIELD, {**_FIELD, "agent_id": 0}], "No agent 0", NotFoundError),
        bad("message 0", [_FIELD, {**_FIELD, "message_id": 0}], "No message 0", NotFoundError),
        bad("unknown model", [_FIELD, {"model": "nobody"}], "No model 'nobody'", NotFoundError),
        bad("convention", [_FIELD, {**_FIELD, "convention": "nobody"}], "items[1]: convention is one of"),
        Bad("70 MB", lambda world: [{**_FIELD, "type": world.huge}], "items[0]: type: A text has at most"),
    ),
)
USED = Kind(
    ITEMS.annotation,
    tuple(replace(one, says=one.says.replace("items[", "usage[")) for one in ITEMS.refused if one.label != "empty"),
)
RESPONSE = Kind(
    "Mapping[str, Any]",
    (
        *every([None, "x", 1, [], {1}], "is a response's usage as a mapping, found"),
        bad("empty", {}, "found nothing"),
        bad("other fields", {"tokens": 1}, "found tokens"),
        bad("-1", {"input_tokens": -1}, "is 0 or greater, found -1"),
        bad("1.5", {"input_tokens": 1.5}, "is an int, found"),
        bad("True", {"input_tokens": True}, "is an int, found"),
        bad("2^63", {"input_tokens": 2**63}, "64 bits"),
        bad("10^5000", {"input_tokens": 10**5000}, "64 bits"),
        bad("deep", {"input_tokens": BOTTOMLESS}, "is an int, found"),
    ),
)


def _price(rate: Bad) -> Callable[[World], Price]:
    return lambda world: Price(output=rate.value(world))


PRICE = Kind(
    "Price",
    (
        *every([None, 1, (0, 0, 0, 0), {}, "1"], "is a Price, found"),
        *(Bad(one.label, _price(one), one.says) for one in MONEY),
    ),
)
TTL = Kind(
    "float",
    every(
        [0, -1, math.nan, math.inf, True, "1", None, Decimal(1), 7 * 24 * 3600 + 1, 10**400, 10**5000, []],
        "is a number of seconds above 0",
    ),
)
SIMILARITY = Kind(
    "float | None", every([1.01, -1.01, math.nan, math.inf, True, "1", 10**400, 10**5000], "from -1 to 1")
)
ZONE = Kind(
    "str",
    (
        *every(
            ["", "Nowhere/Land", "../UTC", "/UTC", "a\x00b", "\ud800", 1, None, b"UTC", ["UTC"], {}], "is an IANA name"
        ),
        Bad("70 MB", lambda world: world.huge, "is an IANA name"),
    ),
)
BY = Kind(
    "Grouping | Sequence[Grouping]",
    (
        *every(
            ["year", "", "\x00", 1, None, True, ["day", "hour"], ["year"], [["day"]], [1], {"day"}, b"day"],
            "grouped by",
        ),
        Bad("70 MB", lambda world: world.huge, "grouped by"),
        bad("deep", [BOTTOMLESS], "grouped by"),
    ),
)
LAST = Kind(
    "int | None",
    (
        *NO_INTS,
        *BEYOND,
        *(bad(str(one), one, "The last message of conversation", ConflictError) for one in (0, -1, 2**63 - 1)),
    ),
)
"""The last message as the caller believes; another one is a conflict."""
