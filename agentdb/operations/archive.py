"""The file of a backup: a ZIP with `manifest.json`, and either the engine's own copy or a file of lines for each table.

Any unzip opens it. Its comment is the SHA-256 of all that stands before, so that a change of any bit is found, also in
what unzip does not look at. That finds damage; who can write to the file can also write another digest.
"""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from agentdb.engine.threads import Told
from agentdb.errors import InvalidInputError, StorageError, excerpt
from agentdb.operations.manifest import CopyFacts, Manifest, manifest_text, read_manifest

MANIFEST: Final = "manifest.json"
COPY: Final = "database"
LINES: Final = "tables/{}.jsonl"

_LABEL: Final = b"agentdb sha256 "
_DIGEST_LENGTH: Final = 64
_SEAL_LENGTH: Final = len(_LABEL) + _DIGEST_LENGTH
_BLOCK: Final = 1024 * 1024
_LARGEST_MANIFEST: Final = 16 * 1024 * 1024
_FILE_MODE: Final = 0o600


def archive_path(given: object) -> Path:
    """Where a backup is, or is to be, as a caller names it.

    Raises:
        InvalidInputError: No file can have that name.
    """
    if not isinstance(given, (str, os.PathLike)) or not isinstance(named := os.fspath(given), str):
        raise InvalidInputError(f"A backup's file is a path, found {type(given).__name__} {excerpt(given)}.")
    if "\0" in named or not _is_text(named):
        raise InvalidInputError(f"A backup's file has a name of Unicode characters without NUL, found {named!a:.80}.")
    return Path(named)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def copy_name(kind: str) -> str:
    """How the engine's own copy is called inside."""
    return f"{COPY}.{kind}"


class ArchiveWriter:
    """Writes one, member after member. Blocks: call it in a thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._zip = zipfile.ZipFile(path, "w", allowZip64=True)

    @contextmanager
    def member(self, name: str, *, is_compressed: bool = False) -> Iterator[IO[bytes]]:
        """A file in it, to be written."""
        found = zipfile.ZipInfo(name)
        found.external_attr = _FILE_MODE << 16
        found.compress_type = zipfile.ZIP_STORED if is_compressed else zipfile.ZIP_DEFLATED
        with self._zip.open(found, "w", force_zip64=True) as file:
            yield file

    def add_copy(self, kind: str, file: Path, *, is_compressed: bool, told: Told) -> tuple[int, str]:
        """Take a file in; how many bytes it has, and their SHA-256."""
        digest, done, total = hashlib.sha256(), 0, file.stat().st_size
        with open(file, "rb") as source, self.member(copy_name(kind), is_compressed=is_compressed) as member:
            while block := source.read(_BLOCK):
                member.write(block)
                digest.update(block)
                done += len(block)
                told(done, total)
        return done, digest.hexdigest()

    def finish(self, manifest: Manifest, *, told: Told) -> None:
        """Write the manifest and the seal."""
        with self.member(MANIFEST) as member:
            member.write(manifest_text(manifest))
        self._zip.comment = _LABEL + b"0" * _DIGEST_LENGTH
        self._zip.close()
        with open(self._path, "r+b") as file:
            length = file.seek(0, 2) - _DIGEST_LENGTH
            digest = _digest(file, length, told)
            file.seek(length)
            file.write(digest)

    def close(self) -> None:
        """Leave it as it is. After `finish` it does nothing."""
        self._zip.close()


class Archive:
    """One that is whole: its seal has been compared with all that it holds. Blocks: call it in a thread.

    Raises:
        StorageError: It is no backup, cut off, or damaged.
        UnsupportedError: It is of a format that came later.
    """

    def __init__(self, path: Path, *, told: Told) -> None:
        self.path = path.absolute()
        try:
            # To open a pipe may wait for ever, and a device may have no end.
            if not stat.S_ISREG(path.stat().st_mode):
                raise StorageError(f"{path} cannot be read: it is no ordinary file.", reason="unreadable")
            self._file = open(path, "rb")  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {error.strerror}.", reason="unreadable") from error
        try:
            with reading_archive(path):
                self.size = _check_seal(self._file, path, told)
                self._zip = zipfile.ZipFile(self._file)
                self.manifest = read_manifest(self._bytes(MANIFEST))
                self._check_members()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Closing twice is harmless."""
        self._file.close()

    @contextmanager
    def member(self, name: str) -> Iterator[IO[bytes]]:
        """A file in it, to be read."""
        with reading_archive(self.path), self._zip.open(name) as file:
            yield file

    def extract_copy(self, place: Path, *, told: Told) -> None:
        """Write the engine's own copy into the empty file `place`.

        Raises:
            StorageError: It is not what the manifest says.
        """
        expected = self.copy_facts
        digest, done = hashlib.sha256(), 0
        with self.member(copy_name(self.manifest.kind)) as member, open(place, "wb") as file:
            while block := member.read(_BLOCK):
                digest.update(block)
                file.write(block)
                done += len(block)
                told(done, expected.bytes)
        if (done, digest.hexdigest()) != (expected.bytes, expected.sha256):
            raise damaged(self.path, "the copy in it is not the one that its manifest tells of")

    @property
    def copy_facts(self) -> CopyFacts:
        """Of a backup that is not portable."""
        if self.manifest.copy_facts is None:
            raise damaged(self.path, "its manifest tells of no copy")
        return self.manifest.copy_facts

    def _bytes(self, name: str) -> bytes:
        with self._zip.open(name) as file:
            return file.read(_LARGEST_MANIFEST)

    def _check_members(self) -> None:
        manifest = self.manifest
        names = map(LINES.format, manifest.tables) if manifest.is_portable else [copy_name(manifest.kind)]
        if sorted([MANIFEST, *names]) != sorted(self._zip.namelist()):
            raise damaged(self.path, "it does not hold what its manifest tells of")


@contextmanager
def reading_archive(path: Path) -> Iterator[None]:
    """Tell in our words that the ZIP cannot be read."""
    try:
        yield
    except (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, KeyError, EOFError, NotImplementedError) as error:
        raise damaged(path, "it cannot be read as a ZIP") from error
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}.", reason="failing") from error


def damaged(path: Path, what: str) -> StorageError:
    """What is told of a backup that is not to be used."""
    return StorageError(f"The backup {path} is damaged: {what}. Take another backup.", reason="corrupt")


def _check_seal(file: IO[bytes], path: Path, told: Told) -> int:
    size = file.seek(0, 2)
    file.seek(max(0, size - _SEAL_LENGTH))
    seal = file.read()
    if not seal.startswith(_LABEL):
        raise StorageError(
            f"{path} is no backup of agentdb, or a part of one: its end is not that of a backup. Nothing was changed.",
            reason="corrupt",
        )
    if _digest(file, size - _DIGEST_LENGTH, told) != seal.removeprefix(_LABEL):
        raise damaged(path, "its content does not fit its SHA-256")
    return size


def _digest(file: IO[bytes], length: int, told: Told) -> bytes:
    digest, done = hashlib.sha256(), 0
    file.seek(0)
    while done < length:
        block = file.read(min(_BLOCK, length - done))
        digest.update(block)
        done += len(block)
        told(done, length)
    return digest.hexdigest().encode()
