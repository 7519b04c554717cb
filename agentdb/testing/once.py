"""What is made at most once in a run, also when it fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Once(Generic[K, V]):
    """Values by key, made when they are first asked for.

    One that could not be made raises the same error again: a server that does not start is waited for once, not for
    each test.
    """

    def __init__(self, make: Callable[[K], V]) -> None:
        self._make = make
        self._values: dict[K, V] = {}
        self._errors: dict[K, Exception] = {}

    def get(self, key: K) -> V:
        """The value of `key`."""
        if key in self._errors:
            raise self._errors[key].with_traceback(None)
        if key not in self._values:
            try:
                self._values[key] = self._make(key)
            except Exception as error:
                self._errors[key] = error
                raise
        return self._values[key]
