"""Secrets that are easy to find again, and a watch over everything that is said."""

from __future__ import annotations

import base64
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

PLANTED: Final = {
    "API key": "kestrel-APIKEY-quartz-0001",
    "provider key": "marmot-PROVIDER-basalt-0002",
    "credential": "osprey-CREDENTIAL-gneiss-0003",
    "message": "badger-MESSAGE-granite-0004 that nobody else is to read, long enough for a summary",
    "password": "falcon-PASSWORD-schist-0005",
    "secret key": "lemming-SECRETKEY-slate-0006",
}
API_KEY, PROVIDER_KEY, CREDENTIAL, MESSAGE, PASSWORD, SECRET_KEY = PLANTED.values()


KNOWN: Final = (
    *PLANTED.values(),
    "the secret key of these tests",
    "a secret key of the tests",
    "an old secret key of the tests",
    "a new secret key of the tests",
    "a key of the tests",
    "agk_swordfish",
)
"""Secrets that tests of the whole suite use."""


def forms(text: str) -> tuple[str, ...]:
    """The text, its beginning, and what the usual encodings make of it."""
    data = text[:24].encode()
    return text[:12], data.hex(), *(base64.b64encode(b"x" * pad + data).decode()[4:28] for pad in range(3))


def found_in(text: str) -> set[str]:
    """The planted secrets that show in a text."""
    return {name for name, secret in PLANTED.items() if any(form in text for form in forms(secret))}


def known_in(text: str) -> set[str]:
    """The secrets of the whole suite that stand in a text as they are."""
    return {secret for secret in KNOWN if secret in text}


class Watch(logging.Handler):
    """Every log record of the process, formatted, and whatever else is told to it: each leak with where it was."""

    def __init__(self, find: Callable[[str], set[str]] = found_in) -> None:
        super().__init__(logging.DEBUG)
        self._find = find
        self.seen = 0
        self.leaks: list[tuple[str, str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        parts = (record.getMessage(), record.exc_text or "", str(record.args))
        shown = logging.Formatter("%(name)s %(message)s").format(record)
        self.see(f"log of {record.name}", "\n".join((*parts, shown)))

    def see(self, where: str, text: str) -> None:
        """Look at something that was said."""
        self.seen += 1
        self.leaks += [(where, name, text[:300]) for name in sorted(self._find(text))]

    def see_object(self, where: str, value: object) -> None:
        """What an object says of itself."""
        self.see(where, f"{value!r} {value}")

    def see_error(self, where: str, error: BaseException | None) -> None:
        """All that an error may say, with its causes, and what travels to another process."""
        if error is None:
            return
        self.see(where, "".join(traceback.format_exception(error)))
        self.see(where, pickle.dumps(error).decode("latin-1"))
        seen: set[int] = set()
        each: BaseException | None = error
        while each is not None and id(each) not in seen:
            seen.add(id(each))
            said: list[Any] = [repr(each), str(each), each.args, vars(each), getattr(each, "__notes__", ())]
            self.see(f"{where}: {type(each).__name__}", repr(said))
            each = each.__cause__ or each.__context__


@contextmanager
def watching(find: Callable[[str], set[str]] = found_in) -> Iterator[Watch]:
    """Every logger at DEBUG inside the block."""
    watch, root = Watch(find), logging.getLogger()
    levels = {
        name: one.level for name, one in logging.root.manager.loggerDict.items() if isinstance(one, logging.Logger)
    }
    before = root.level
    root.addHandler(watch)
    root.setLevel(logging.DEBUG)
    for name in levels:
        logging.getLogger(name).setLevel(logging.NOTSET)
    try:
        yield watch
    finally:
        root.removeHandler(watch)
        root.setLevel(before)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
