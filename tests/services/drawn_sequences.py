"""Sequences of operations, as hypothesis draws them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from hypothesis import strategies as st

from tests.services.drawn_calls import CALLS
from tests.services.drawn_values import weighted
from tests.services.operations import Again, Block, Call, NextPage, Operation, Wait

# What makes other calls interesting comes more often.
_OFTEN: Final[Mapping[str, int]] = {
    "conversations.append": 10,
    "conversations.append_many": 4,
    "conversations.start": 4,
    "conversations.search": 4,
    "conversations.summarise": 3,
    "conversations.delete": 2,
    "usage.record": 8,
    "usage.record_many": 4,
    "usage.reserve": 4,
    "usage.settle": 4,
    "usage.report": 4,
    "knowledge.store": 4,
    "knowledge.similar": 3,
    "knowledge.search_chunks": 2,
    "agents.create": 3,
    "agents.share": 2,
    "access.users": 3,
    "access.update_user": 3,
}  # fmt: skip


@st.composite
def _calls(draw: st.DrawFn) -> Operation:
    method = draw(st.sampled_from([method for method in CALLS for _ in range(_OFTEN.get(method, 1))]))
    kinds = list(zip(CALLS[method][::2], CALLS[method][1::2], strict=True))
    required, optional = draw(st.sampled_from(kinds))
    return Call(method, draw(st.fixed_dictionaries(required, optional=optional)))


_again: Final[st.SearchStrategy[Operation]] = st.builds(
    Again,
    st.integers(-4, 2),
    st.sampled_from([True, True, False]),
    st.sampled_from(["unchanged", "changed", "reworded"]),
)
_next_pages: Final[st.SearchStrategy[Operation]] = st.builds(NextPage, st.integers(-2, 1))
_waits: Final[st.SearchStrategy[Operation]] = st.builds(
    Wait,
    st.sampled_from(
        [
            timedelta(),
            timedelta(microseconds=1),
            timedelta(milliseconds=1),
            timedelta(seconds=1),
            timedelta(minutes=11),
            timedelta(hours=1),
            timedelta(hours=5),
            timedelta(days=1, hours=3),
            timedelta(days=31),
        ]
    ),
)
_steps: Final[st.SearchStrategy[Operation]] = weighted([(2, _waits), (24, _calls()), (3, _again), (2, _next_pages)])


def _blocks(inner: st.SearchStrategy[Operation]) -> st.SearchStrategy[Operation]:
    return st.builds(
        Block,
        st.lists(inner, min_size=1, max_size=5).map(tuple),
        st.sampled_from(["commit", "roll back", "first error"]),
    )


_operations: Final = weighted([(12, _steps), (1, _blocks(weighted([(8, _steps), (1, _blocks(_steps))])))])


def sequences(length: int) -> st.SearchStrategy[list[Operation]]:
    """Sequences of so many operations, in which the shortest is to wait for no time at all."""
    return st.lists(_operations, min_size=length, max_size=length)
