"""Values as callers pass them, most of them good and some of them bad, chosen where two engines might disagree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Final, TypeAlias

from hypothesis import strategies as st

from agentdb.types import Price
from tests.services.operations import Seen

Values: TypeAlias = st.SearchStrategy[Any]

START: Final = datetime(2019, 3, 30, 22, 30, tzinfo=UTC)
"""When every sequence begins: hours before a night of 23 hours in Europe, days after a month's end may come."""

# Case pairs and folds, marks, scripts without spaces or case, what SQL or LIKE would take for more than text.
_TEXTS: Final = (
    "Ada", "ada", "ADA", "é", "e\u0301", "É", "ß", "SS", "ss", "İ", "i\u0307", "\u0131", "I", "ﬁ", "fi", "Σ", "\u03c3",
    "ς", "中文", "日本語", "ไทย", "🙂", "👩‍👩‍👧", "𐐀", "𐐨", " ", "  padded  ", "\t", "a\nb", "100%_\\", 'it\'s "x"',
    "'; DROP TABLE --", "\u200b",
    "null", "\\u0000", "{}", "Z" * 300, "memories/a", "memories/B", "Memories/a", "user", "admin",
)  # fmt: skip
_WORDS: Final = (
    "cat", "Cat", "CAFÉ", "café", "cafe\u0301", "cafes", "straße", "STRASSE", "naïve", "中文", "中", "🙂", "don't",
    "x1", "dog", "ǆ", "Ǆ", "ﬁn", "FIN", "Ωμέγα", "ωμεγα", "x" * 70, "user_1", "1", "1.0",
)  # fmt: skip
_UNKEEPABLE: Final = ("a\x00b", "\ud800")


@st.composite
def weighted(draw: st.DrawFn, choices: Sequence[tuple[int, Values]]) -> Any:
    """A value of one of the strategies, each taken as often as its number says."""
    numbers = [number for number, (weight, _) in enumerate(choices) for _ in range(weight)]
    return draw(choices[draw(st.sampled_from(numbers))][1])


def mostly(good: Values, bad: Sequence[Any]) -> Values:
    """A good value, and one of the bad ones once in a while."""
    return weighted([(60, good), (1, st.sampled_from(bad))])


def maybe(values: Values) -> Values:
    """A value, or more often None."""
    return weighted([(2, st.none()), (1, values)])


def some(kind: str, *, numbers: Sequence[int] = (0, 0, 0, -1, -1, 1, -2, 2, 3)) -> Values:
    """The id of something that was seen, hardly ever of nothing or of no possible row."""
    seen = st.builds(Seen, st.just(kind), st.sampled_from(numbers), st.sampled_from([True] * 9 + [False]))
    return mostly(seen, [404, 0, -1, 2**63, True, "1", None])


def users() -> Values:
    """Mostly one of the few who were there from the beginning, so that what they do meets."""
    known = st.sampled_from([0, 0, 0, 0, 0, 1, 1, 2, 2, 3]).map(lambda number: Seen("user", number))
    return weighted([(30, known), (1, some("user"))])


flags: Final[Values] = mostly(st.booleans(), [None, 1])
names: Final[Values] = mostly(st.sampled_from(_TEXTS) | st.text(min_size=1, max_size=6), ["", None, 1, *_UNKEEPABLE])
texts: Final[Values] = mostly(st.sampled_from((*_TEXTS, "")) | st.text(max_size=6), [1, *_UNKEEPABLE])
phrases: Final[Values] = st.lists(st.sampled_from(_WORDS), min_size=1, max_size=5).map(" ".join)
queries: Final[Values] = mostly(st.lists(st.sampled_from(_WORDS), min_size=1, max_size=2).map(", ".join), ["", "--", 1])
keys: Final[Values] = mostly(st.sampled_from(["k1", "k2", "K1", "é", "e\u0301", "k" * 200]), ["", "k" * 201, 1])
"""A few only, so that different calls share them."""

emails: Final[Values] = mostly(
    st.sampled_from(
        [
            "ada@example.org", " ADA@Example.org ", "new@example.org", "NEW@EXAMPLE.ORG", "straße@example.org",
            "STRASSE@example.org", "İ@example.org", "i\u0307@example.org", "é@x", "e\u0301@x", "\u00a0new@example.org",
            "zoë+tag@example.org", "ﬁ@x", "Zebra@example.org", "中@x",
        ]
    ),
    ["", "nobody", "a b@x", None, "a" * 330 + "@x", *_UNKEEPABLE],
)  # fmt: skip

money: Final[Values] = mostly(
    st.sampled_from([Decimal(0), Decimal(1), Decimal("0.0000000001"), Decimal("10.50"), 3, "2.5", Decimal("1E+2")])
    | st.decimals(0, 20, places=10)
    | st.sampled_from([Decimal(900_000_000), Decimal("899999999.9999999999")]),
    [Decimal(-1), Decimal("0.00000000001"), 1.5, Decimal("NaN"), Decimal(900_000_001), "x", True],
)
prices: Final[Values] = st.builds(
    Price,
    *[
        mostly(
            st.sampled_from([Decimal(one) for one in ("0", "1", "0.003", "0.0000000007", "0.0000000001")]),
            [Decimal(-1), Decimal(900_000_000)],
        )
    ]
    * 4,
)  # fmt: skip
tokens: Final[Values] = mostly(
    st.sampled_from([0, 1, 5, 999, 1000, 1001, 123_456]) | st.integers(0, 3000), [-1, 2**31, 2**62, 2**63, 1.0, None]
)
small_numbers: Final[Values] = mostly(st.integers(0, 5), [2**40, -1, 2**63, "1", None])
limits: Final[Values] = mostly(st.sampled_from([1, 1, 2, 3, 50]), [0, 1001, 2**63, None, True])
lost_cursors: Final[Values] = weighted([(9, st.none()), (1, st.sampled_from(["", "x", "W10", "WzEsIngiLDFd", 1]))])

_ZONES: Final = (UTC, timezone(timedelta(hours=-5, minutes=-30)), timezone(timedelta(hours=14)))


def _moments(*hours: int) -> Values:
    return mostly(
        st.builds(
            lambda hour, microseconds, zone: (START + timedelta(hours=hour, microseconds=microseconds)).astimezone(
                zone
            ),
            st.sampled_from(hours),
            st.sampled_from([0, 0, 1, 999_999]),
            st.sampled_from(_ZONES),
        ),
        [datetime(2019, 3, 31), datetime.min.replace(tzinfo=UTC), "2019-03-31"],  # noqa: DTZ001 - refused for that
    )


early: Final[Values] = _moments(0, -1, -30, -24 * 40, 5, 60)
late: Final[Values] = _moments(1, 6, 36, 24 * 40, 24 * 400, 24 * 4000, -1)

_numbers: Final[Values] = st.integers(-3, 3) | st.sampled_from(
    [2**53 + 1, 2**63 - 1, -(2**63), 0.0, -0.0, 1.0, 0.1, 1e16, 1e22, 1e300, 5e-324, 1.5, 123456789.987654321]
)
json_values: Final[Values] = st.recursive(
    st.none() | st.booleans() | _numbers | st.sampled_from(_TEXTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_TEXTS), inner, max_size=3),
    max_leaves=5,
)
json_objects: Final[Values] = mostly(
    st.dictionaries(st.sampled_from(("a", "b", *_TEXTS)), json_values, max_size=3),
    [[], "x", {"a": math.nan}, {"a": 2**63}, {1: 2}, {"a": "\x00"}, {"\ud800": 1}],
)

_plain: Final[Values] = st.builds(lambda text: {"text": text}, phrases | texts.filter(lambda text: text != 1))
_blocks: Final[Values] = weighted(
    [
        (6, _plain),
        (
            2,
            st.builds(
                lambda kind, value: {kind: value},
                st.sampled_from(["image", "document", "reasoningContent", "toolUse", "toolResult"]),
                st.dictionaries(st.sampled_from(_TEXTS), json_values, max_size=2),
            ),
        ),
        (1, st.builds(lambda text: {"text": text, "cachePoint": {"n": 1.0}}, phrases)),
    ]
)
contents: Final[Values] = mostly(
    st.lists(_blocks, min_size=1, max_size=2),
    [[], None, "text", [{"text": 1}], [{"text": "a", "image": {}}], [{"other": 1}], [1], [{"image": {"n": math.inf}}]],
)
speakers: Final[Values] = mostly(st.sampled_from(["user", "assistant"]), ["system", None])
messages: Final[Values] = mostly(
    st.lists(
        st.fixed_dictionaries({"role": speakers, "content": contents}, optional={"parent_id": maybe(some("message"))}),
        min_size=1,
        max_size=3,
    ),
    [[], None, [1], [{"role": "user", "content": [{"text": "a"}], "more": 1}]],
)
summaries: Final[Values] = mostly(
    st.sampled_from(["All of it was about cats, cafés and 中文, and nobody disagreed.", "é" * 50]) | contents,
    ["short", ""],
)

embeddings: Final[Values] = mostly(
    st.lists(st.sampled_from([-1, 0, 0.1, 1, 2.5, 1e-3, 1 / 3]), min_size=2, max_size=2).filter(any),
    [[], [0, 0], [1, 2, 3], [math.nan, 1], [1e39, 1], "x", [True, 1]],
)
chunks: Final[Values] = mostly(
    st.lists(
        st.fixed_dictionaries({"content": phrases | names}, optional={"embedding": maybe(embeddings)}), max_size=4
    ),
    [None, [{"embedding": [1]}], [{"content": "a", "more": 1}], [{"content": ""}]],
)
