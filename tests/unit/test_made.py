"""Sequences whose records are made when somebody asks for them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

from agentdb.services._made import Made


def letters_of(text: str) -> Callable[[range], list[str]]:
    """What makes the letters of a text."""
    return lambda positions: [text[position] for position in positions]


@pytest.fixture
def letters() -> Made[str]:
    """Five of them."""
    return Made(5, letters_of("abcde"))


def test_it_is_read_as_a_tuple(letters: Made[str]) -> None:
    """From either end, in parts, and as a whole."""
    whole = tuple("abcde")

    assert (len(letters), letters[0], letters[-1], letters[1:-1], letters[::-2]) == (
        5,
        "a",
        "e",
        whole[1:-1],
        whole[::-2],
    )
    assert (tuple(letters), tuple(reversed(letters)), "c" in letters) == (whole, whole[::-1], True)
    assert list(map(bool, (letters, Made(0, letters_of(""))))) == [True, False]
    for position in (5, -6):
        with pytest.raises(IndexError):
            letters[position]


def test_it_equals_what_has_the_same_records(letters: Made[str]) -> None:
    """Also a tuple or a list, and what is pickled or copied comes back as a tuple."""
    equal = (tuple("abcde"), list("abcde"), Made(5, letters_of("abcdef")))

    assert all(letters == other and other == letters for other in equal)
    assert all(letters != other for other in (tuple("abcdf"), tuple("abcd"), "abcde", 5))
    assert pickle.loads(pickle.dumps(letters)) == copy.deepcopy(letters) == tuple("abcde")


def test_many_are_read_as_a_tuple_too() -> None:
    """However they are made together."""
    whole = tuple(range(1_000))
    made = Made(1_000, list)

    assert (tuple(made), made[990:], made[7:900:31], made[::-7]) == (whole, whole[990:], whole[7:900:31], whole[::-7])
    assert made == whole


def test_nothing_is_made_before_it_is_asked_for() -> None:
    """And only what is, or little more."""
    asked: list[int] = []

    def make(positions: range) -> list[int]:
        asked.extend(positions)
        return list(positions)

    made = Made(1_000_000, make)

    assert (len(made), repr(made), made[3], made[-1], made[5:999_999:500_000], asked) == (
        1_000_000,
        "<1000000 records, made when asked for>",
        3,
        999_999,
        (5, 500_005),
        [3, 999_999, 5, 500_005],
    )
    assert next(iter(made)) == 0
    assert len(asked) < 100
