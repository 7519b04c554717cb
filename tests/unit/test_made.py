"""Sequences whose records are made when somebody asks for them."""

from __future__ import annotations

import copy
import pickle

import pytest

from agentdb.services._made import Made


@pytest.fixture
def letters() -> Made[str]:
    """Five of them."""
    return Made(5, "abcde".__getitem__)


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
    assert list(map(bool, (letters, Made(0, whole.__getitem__)))) == [True, False]
    for position in (5, -6):
        with pytest.raises(IndexError):
            letters[position]


def test_it_equals_what_has_the_same_records(letters: Made[str]) -> None:
    """Also a tuple or a list, and what is pickled or copied comes back as a tuple."""
    equal = (tuple("abcde"), list("abcde"), Made(5, "abcdef".__getitem__))

    assert all(letters == other and other == letters for other in equal)
    assert all(letters != other for other in (tuple("abcdf"), tuple("abcd"), "abcde", 5))
    assert pickle.loads(pickle.dumps(letters)) == copy.deepcopy(letters) == tuple("abcde")


def test_nothing_is_made_before_it_is_asked_for() -> None:
    """And only what is."""
    asked: list[int] = []

    def make(position: int) -> int:
        asked.append(position)
        return position

    made = Made(1_000_000, make)

    assert (len(made), repr(made), made[3], made[-1], asked) == (
        1_000_000,
        "<1000000 records, made when asked for>",
        3,
        999_999,
        [3, 999_999],
    )
