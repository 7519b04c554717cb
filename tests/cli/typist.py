"""Somebody who types at a terminal: a process at the other end of a pseudo-terminal."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

PATIENCE_S: Final = 60.0

# The terminal has to be the process's own for Ctrl-C to reach it.
_PROGRAM: Final = """
import fcntl, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from agentdb.cli import main
main()
"""


class Typist:
    """The keyboard and the screen of one process."""

    def __init__(self, terminal: int, process: subprocess.Popen[bytes]) -> None:
        self._terminal = terminal
        self._process = process
        self._screen = ""

    def reads(self, text: str) -> str:
        """Wait until `text` is on the screen; what was there before it, since the last time."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in self._screen:
            assert time.monotonic() < deadline, f"{text!r} did not come, but: {self._screen!r}"
            if select.select([self._terminal], [], [], 0.1)[0]:
                self._screen += self._read()
        before, _, self._screen = self._screen.partition(text)
        return before

    def types(self, text: str) -> None:
        """Press these keys."""
        os.write(self._terminal, text.encode())

    def ends_with(self) -> int:
        """Wait for the end; the exit status."""
        deadline = time.monotonic() + PATIENCE_S
        while self._process.poll() is None:  # who writes to a full terminal waits for a reader
            assert time.monotonic() < deadline, f"it did not end, but: {self._screen!r}"
            if select.select([self._terminal], [], [], 0.1)[0]:
                self._screen += self._read()
        return self._process.wait()

    def _read(self) -> str:
        try:
            return os.read(self._terminal, 65536).decode()
        except OSError:  # on Linux, when the process has gone
            return ""


@contextmanager
def terminal_of(*arguments: str) -> Iterator[Typist]:
    """Run the command line with a terminal of its own."""
    terminal, inner = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *arguments],
        stdin=inner,
        stdout=inner,
        stderr=inner,
        start_new_session=True,
        env={**os.environ, "TERM": "dumb"},
    )
    os.close(inner)
    try:
        yield Typist(terminal, process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(terminal)
