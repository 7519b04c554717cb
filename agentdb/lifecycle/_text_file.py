"""Regular files of UTF-8 text: bounded, and confined to a directory.

A refusal is an InvalidInputError that reads as the end of a sentence about the file, because the caller knows what
the file is called and who referred to it.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

from agentdb.errors import InvalidInputError


def inside(base: Path, name: str) -> Path:
    """The file that `name` means, all links followed; refused before anything outside `base` is looked at."""
    if not name:
        raise InvalidInputError("names no file")
    if PurePosixPath(name).is_absolute() or PureWindowsPath(name).anchor:  # a seed directory is moved between systems
        raise InvalidInputError("is an absolute path")
    try:
        target = (base / name).resolve()
    except (OSError, RuntimeError):  # a circle of links: RuntimeError up to Python 3.12
        raise InvalidInputError("is a circle of links") from None
    if not target.is_relative_to(base):
        raise InvalidInputError("lies outside the seed directory")
    return target


def content(path: Path, limit: int) -> bytes:
    """The bytes of a regular file; a refusal reads as the end of a sentence about the file."""
    try:
        if not path.exists():
            raise InvalidInputError("does not exist")
        if not path.is_file():  # a directory, or a pipe or device, which would block or never end
            raise InvalidInputError("is not a regular file")
        if (size := path.stat().st_size) > limit:
            raise InvalidInputError(f"has {size} bytes, at most {limit} are read")
        return path.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"cannot be read: {error.strerror}") from None


def bad_byte(data: bytes) -> int | None:
    """Offset of the first byte that no text column of every engine can keep."""
    nul = data.find(b"\0")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start if nul < 0 else min(nul, error.start)
    return None if nul < 0 else nul
