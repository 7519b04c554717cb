"""Where secret keys come from: settings, files that they name, and a file beside the database."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from agentdb.config import Secret
from agentdb.errors import ConfigurationError
from agentdb.secrets.keyring import WHERE_KEYS_COME_FROM, Keyring

SETTLED_S: Final = 60.0
"""An open transaction may hold a secret under the old key, which nobody else sees before it ends."""


class Keys(NamedTuple):
    """The key that protects what is new, and those that protected what may still be there."""

    current: Keyring | None
    previous: tuple[Keyring, ...]

    @property
    def all(self) -> tuple[Keyring, ...]:
        """All of them, the current one first."""
        return self.previous if self.current is None else (self.current, *self.previous)


class KeyFile:
    """The key file beside a database. It can be exchanged while services run, who then read it again.

    The old key stays in `<file>.previous` until nothing needs it. At every moment the files hold every key that a
    stored value may need, so that a process which is killed between any two steps leaves nothing unreadable, and the
    next one goes on where it ended.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.previous = path.with_name(f"{path.name}.previous")
        self.next = path.with_name(f"{path.name}.next")
        self._seen: tuple[object, ...] = ()

    @property
    def is_being_exchanged(self) -> bool:
        """Whether an exchange was begun and is not over."""
        return self.previous.exists() or self.next.exists()

    def read(self) -> Keys:
        """The keys as they are now.

        Raises:
            ConfigurationError: A file cannot be read, or its key is too short.
        """
        # Looked at before it is read: what changes in between is noticed the next time.
        self._seen = self._look()
        current = _read_key_file(self.path)
        try:
            return Keys(current, (_read_key_file(self.previous),))
        except ConfigurationError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return Keys(current, ())
            raise

    @property
    def has_changed(self) -> bool:
        """Whether the files are others than those that were read."""
        return self._look() != self._seen

    def exchange(self) -> None:
        """Make a new key the current one and keep the old one, or go on with an exchange that was begun.

        The caller sees to it that nobody else does the same.

        Raises:
            ConfigurationError: The files cannot be made there.
        """
        try:
            if not self.is_being_exchanged:
                _write_once(self.next, secrets.token_urlsafe(32) + "\n")
                _give_to_owner_of(self.path, self.next)
            if not self.previous.exists():
                os.link(self.path, self.previous)
                _sync_directory(self.path.parent)
            if self.next.exists():
                os.utime(self.next)  # for `is_settled`: it may have been made by a run that was killed
                os.replace(self.next, self.path)
                _sync_directory(self.path.parent)
            self.previous.chmod(0o600)
        except OSError as error:
            raise ConfigurationError(
                f"The key file {str(self.path)!r} cannot be exchanged: {error.strerror}. "
                "Make its directory writable, and run the command again."
            ) from error

    @property
    def is_settled(self) -> bool:
        """Whether the current key has been there so long that no transaction began before it."""
        return time.time() - self.path.stat().st_mtime > SETTLED_S

    def forget_previous(self) -> None:
        """Remove the old key: what it protected cannot be read any more.

        Raises:
            ConfigurationError: The file cannot be removed.
        """
        try:
            self.previous.unlink(missing_ok=True)
            _sync_directory(self.path.parent)
        except OSError as error:
            raise ConfigurationError(
                f"The old key {str(self.previous)!r} cannot be removed: {error.strerror}. Remove it by hand."
            ) from error

    def _look(self) -> tuple[object, ...]:
        return tuple(_identity_of(path) for path in (self.path, self.previous))

    def __repr__(self) -> str:
        return f"KeyFile({str(self.path)!r})"


def load_key(*, secret_key: Secret | None, secret_key_file: Path | None) -> Keyring | None:
    """The keyring that the settings name; None when they name none.

    Raises:
        ConfigurationError: Both are set, the file cannot be read, or the key is too short.
    """
    if secret_key and secret_key_file:
        raise ConfigurationError(
            f"AGENTDB_SECRET_KEY and AGENTDB_SECRET_KEY_FILE ({str(secret_key_file)!r}) are both set. Keep one of them."
        )
    if secret_key_file:
        return _read_key_file(secret_key_file)
    return Keyring.from_secret(secret_key, origin="AGENTDB_SECRET_KEY") if secret_key else None


def load_previous_keys(*, secret_key: Secret | None, secret_key_files: Sequence[Path]) -> tuple[Keyring, ...]:
    """The keyrings of earlier keys that the settings name.

    Raises:
        ConfigurationError: A file cannot be read, or a key is too short.
    """
    named = [Keyring.from_secret(secret_key, origin="AGENTDB_SECRET_KEY_PREVIOUS")] if secret_key else []
    return (*named, *(_read_key_file(path, setting="AGENTDB_SECRET_KEY_PREVIOUS_FILE") for path in secret_key_files))


def create_key_file(path: Path) -> Keyring:
    """Make a file with a new random key that only its owner may read; one that is already there is read instead.

    The file appears with its whole content or not at all, also when the process is killed or another one is faster.

    Raises:
        ConfigurationError: The file cannot be made there, or the one found cannot be used.
    """
    try:
        if not path.exists():
            _write_once(path, secrets.token_urlsafe(32) + "\n")
    except OSError as error:
        raise ConfigurationError(
            f"The key file {str(path)!r} cannot be created: {error.strerror}. "
            f"Make its directory writable, or set {WHERE_KEYS_COME_FROM}."
        ) from error
    return _read_key_file(path)


def _read_key_file(path: Path, *, setting: str = "AGENTDB_SECRET_KEY_FILE") -> Keyring:
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise ConfigurationError(
            f"The key file {str(path)!r} cannot be read: {error.strerror}. "
            f"Correct {setting} or the permissions of the file."
        ) from error
    except UnicodeDecodeError:
        # The cause would carry the bytes of the key.
        raise ConfigurationError(f"The key file {str(path)!r} is not UTF-8 text. Encode the key in base64.") from None
    if not text.strip():
        raise ConfigurationError(f"The key file {str(path)!r} is empty. Restore the key, or remove the file.")
    return Keyring.from_secret(text, origin=f"The key in {str(path)!r}")


def _write_once(path: Path, text: str) -> None:
    import tempfile  # with what it imports 3 ms, for a file that is made once

    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, never replaces a file that somebody else made meanwhile.
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        os.unlink(draft)
    _sync_directory(path.parent)


def _give_to_owner_of(file: Path, new: Path) -> None:
    # Root may run the command for a service that has an account of its own, which has to read the new key too.
    owner, maker = file.stat(), new.stat()
    if (owner.st_uid, owner.st_gid) != (maker.st_uid, maker.st_gid) and os.name != "nt":
        os.chown(new, owner.st_uid, owner.st_gid)


def _sync_directory(path: Path) -> None:
    if os.name == "nt":  # directories cannot be opened there, and their entries are journalled
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _identity_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
