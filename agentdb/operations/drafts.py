"""Files that are not finished yet, in a hidden private directory beside the place where they are to appear."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Final

from agentdb.errors import StorageError, StorageReason

if sys.platform != "win32":
    import fcntl

_SUFFIX: Final = ".agentdb-draft"
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def draft_directory(beside: Path) -> Iterator[Path]:
    """A directory for the drafts of the file `beside`. It goes with the block.

    What a process that was killed has left there goes as well.

    Raises:
        StorageError: It cannot be made.
    """
    prefix = f".{beside.name}."
    with writing(beside):
        for left in beside.parent.glob(f"{escape(prefix)}*{_SUFFIX}"):
            _remove_abandoned(left)
        made = Path(tempfile.mkdtemp(prefix=prefix, suffix=_SUFFIX, dir=beside.parent))
    try:
        with _held(made):
            yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Tell in our words that a file cannot be written."""
    try:
        yield
    except (TimeoutError, ConnectionError):  # that is none of a file
        raise
    except OSError as error:
        reason: StorageReason = "full" if error.errno in _FULL else "read-only"
        advice = "Free some space" if reason == "full" else "Name a file in a directory that this user may write to"
        told = error.strerror or type(error).__name__
        raise StorageError(f"{path} cannot be written: {told}. {advice}.", reason=reason) from error


@contextmanager
def _held(directory: Path) -> Iterator[None]:
    """As long as its maker lives, the operating system keeps others from taking it for abandoned."""
    if sys.platform == "win32":
        yield
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _remove_abandoned(directory: Path) -> None:
    if sys.platform == "win32":  # nobody tells there whether its maker lives
        return
    with suppress(OSError):  # it is somebody else's, or gone
        descriptor = os.open(directory, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(directory, ignore_errors=True)
        finally:
            os.close(descriptor)
