"""Digests of API keys and sealed columns: what the database keeps in place of a secret.

A user's API key is kept as a keyed digest, which its unique index can look up and nobody can turn back. What has to be
read again (the key of a provider, the credential of a tool) is sealed with AES-256-GCM and bound to its table, column
and row, so that a value copied to another place does not open there. Both begin with `agd1$<key id>$`: a reader can
tell them from plain text and knows which key they need.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NoReturn

from agentdb.config import Secret, SecretsMode
from agentdb.errors import ConfigurationError, InvalidInputError, StorageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["Keyring", "Secret", "Vault", "create_key_file", "is_sealed", "load_key", "new_api_key"]

MIN_KEY_LENGTH: Final = 16

_PREFIX: Final = "agd1$"
_SEALED: Final = re.compile(r"agd1\$(?P<key_id>[0-9a-f]{8})\$(?P<payload>[A-Za-z0-9_-]+)")
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_WHERE_KEYS_COME_FROM: Final = "AGENTDB_SECRET_KEY or AGENTDB_SECRET_KEY_FILE"


class Keyring:
    """The keys derived from one secret text: one that seals, one that digests, and an id that gives neither away.

    The text is not stretched, so it should be random, as `create_key_file` makes it, not a sentence to remember. A key
    is derived when it is first needed, because `cryptography` takes 7 ms to import.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @classmethod
    def from_secret(cls, text: str | Secret, *, origin: str = "The secret key") -> Keyring:
        """The keys of a text; white space around the text, like the newline of a file, does not count.

        Args:
            origin: Where the text came from, for the message.

        Raises:
            ConfigurationError: Fewer than 16 characters.
        """
        text = (text.reveal() if isinstance(text, Secret) else text).strip()
        if len(text) < MIN_KEY_LENGTH:
            raise ConfigurationError(
                f"{origin} has {len(text)} characters, at least {MIN_KEY_LENGTH} are needed. "
                "Use a random text, for example 32 random bytes in base64."
            )
        return cls(text.encode("utf-8", "surrogatepass"))

    @cached_property
    def key_id(self) -> str:
        """Which secret text the keys derive from."""
        return _derive(self._secret, purpose="key id", length=4).hex()

    @cached_property
    def _pepper(self) -> bytes:
        return _derive(self._secret, purpose="pepper", length=32)

    @cached_property
    def _aead(self) -> AESGCM:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(_derive(self._secret, purpose="encryption", length=32))

    def digest_api_key(self, api_key: str) -> str:
        """The same key always gives the same digest, so that an index can find it."""
        # Any text has a digest, so that a malformed key is an unknown one rather than an error of its own.
        digest = hmac.digest(self._pepper, api_key.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return self._labelled(digest)

    def seal(self, text: str, *, table: str, column: str, row_id: int) -> str:
        """Encrypt a text for one place. Sealing it again gives another value.

        Raises:
            InvalidInputError: The text has lone surrogates.
        """
        place = _place(table, column, row_id)
        try:
            plain = text.encode()
        except UnicodeEncodeError:
            # Neither the text nor the cause, which holds it, may be seen.
            raise InvalidInputError(f"The secret for {place} has a lone surrogate. Give it as valid Unicode.") from None
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return self._labelled(nonce + self._aead.encrypt(nonce, plain, _bound_to(table, column, row_id)))

    def open(self, sealed: str, *, table: str, column: str, row_id: int) -> str:
        """Decrypt what `seal` made for the same place.

        Raises:
            ConfigurationError: It was sealed with another key.
            StorageError: It was changed, cut off, or sealed for another place; its reason is "corrupt".
        """
        place = _place(table, column, row_id)
        parts = _SEALED.fullmatch(sealed)
        if parts is None:
            raise _corrupt(place)
        if parts["key_id"] != self.key_id:
            raise ConfigurationError(
                f"{place} is sealed with key {parts['key_id']}, the key at hand is {self.key_id}. "
                f"Set {_WHERE_KEYS_COME_FROM} to the key it was sealed with."
            )
        data = _decoded(parts["payload"])
        if data is None or len(data) < _NONCE_BYTES + _TAG_BYTES:
            raise _corrupt(place)
        from cryptography.exceptions import InvalidTag

        try:
            plain = self._aead.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], _bound_to(table, column, row_id))
        except InvalidTag as error:
            raise _corrupt(place) from error
        return plain.decode()

    def _labelled(self, data: bytes) -> str:
        return f"{_PREFIX}{self.key_id}${_encoded(data)}"

    def __repr__(self) -> str:
        return f"Keyring(key_id={self.key_id!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A Keyring is not pickled, so that keys do not travel by accident. Load it where it is needed.")


def is_sealed(text: str) -> bool:
    """Whether the text claims to be a digest or a sealed value, by its prefix."""
    return text.startswith(_PREFIX)


class Vault:
    """How secrets are stored in one database: protected by a keyring, or plain where the setting says so.

    Args:
        keyring: None where no key is configured; then only plain values can be read, and written in the mode "plain".
        mode: "plain" writes and accepts text as it is in all three columns that hold secrets (`User.apiKey`,
            `Provider.apiKey`, `UserTool.credential`). Protected values that are already there are read in both modes.
    """

    def __init__(self, keyring: Keyring | None, *, mode: SecretsMode = "sealed") -> None:
        self.keyring = keyring
        self.mode = mode

    def __repr__(self) -> str:
        return f"Vault({self.keyring!r}, mode={self.mode!r})"

    @property
    def is_able(self) -> bool:
        """Whether a secret can be written."""
        return self.mode == "plain" or self.keyring is not None

    def protect_api_key(self, api_key: str) -> str:
        """What stands in `User.apiKey` for this key.

        Raises:
            ConfigurationError: There is no key to protect it with.
            InvalidInputError: Stored plain, it would be taken for a protected value.
        """
        if self.mode == "plain":
            return _plain(api_key, "The API key")
        return self._need_keyring("An API key cannot be stored or looked up").digest_api_key(api_key)

    def lookup_values(self, api_key: str) -> tuple[str, ...]:
        """What may stand in `User.apiKey` for this key; empty when nothing can.

        Raises:
            ConfigurationError: There is no key to digest it with, and plain text is not accepted.
        """
        if self.mode == "sealed":
            return (self.protect_api_key(api_key),)
        digests = (self.keyring.digest_api_key(api_key),) if self.keyring else ()
        # A digest read from the database must not work as the key it stands for.
        return digests if is_sealed(api_key) else (*digests, api_key)

    def protect(self, text: str, *, table: str, column: str, row_id: int) -> str:
        """What stands in that place for this text.

        Raises:
            ConfigurationError: There is no key to seal it with.
            InvalidInputError: Not valid Unicode, or stored plain it would be taken for a protected value.
        """
        place = _place(table, column, row_id)
        if self.mode == "plain":
            return _plain(text, f"The secret for {place}")
        keyring = self._need_keyring(f"{place} cannot be sealed")
        return keyring.seal(text, table=table, column=column, row_id=row_id)

    def reveal(self, stored: str, *, table: str, column: str, row_id: int) -> Secret:
        """The secret that stands in that place.

        Raises:
            ConfigurationError: It is sealed and there is no key or another one, or it is plain where that is not
                accepted.
            StorageError: It was changed or comes from another place.
        """
        place = _place(table, column, row_id)
        if is_sealed(stored):
            keyring = self._need_keyring(f"{place} is sealed and cannot be opened")
            return Secret(keyring.open(stored, table=table, column=column, row_id=row_id))
        if self.mode == "sealed":
            raise ConfigurationError(
                f"{place} holds plain text where a sealed value is expected. "
                "Store it again to seal it, or set AGENTDB_SECRETS=plain to accept plain text."
            )
        return Secret(stored)

    def _need_keyring(self, problem: str) -> Keyring:
        if self.keyring is None:
            raise ConfigurationError(f"{problem}: there is no secret key. Set {_WHERE_KEYS_COME_FROM}.")
        return self.keyring


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
            f"Make its directory writable, or set {_WHERE_KEYS_COME_FROM}."
        ) from error
    return _read_key_file(path)


def new_api_key() -> Secret:
    """A random API key, 256 bits behind `agk_`. It is shown once; the database keeps only its digest."""
    return Secret("agk_" + secrets.token_urlsafe(32))


def _derive(secret: bytes, *, purpose: Literal["encryption", "pepper", "key id"], length: int) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), length=length, salt=None, info=f"agentdb 1 {purpose}".encode()).derive(secret)


def _bound_to(table: str, column: str, row_id: int) -> bytes:
    # JSON keeps the parts apart: ("a", "bc") and ("ab", "c") differ.
    return json.dumps([table, column, row_id]).encode()


def _place(table: str, column: str, row_id: int) -> str:
    return f"{table}.{column} of row {row_id}"


def _corrupt(place: str) -> StorageError:
    return StorageError(
        f"{place} holds a sealed value that does not open: it was changed, cut off or copied from another place. "
        "Store the secret again, or restore the row from a backup.",
        reason="corrupt",
    )


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes | None:
    """None for text that `_encoded` does not make; base64 would let the unused bits of the last letter vary."""
    if len(text) % 4 == 1:
        return None
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return data if _encoded(data) == text else None


def _plain(text: str, what: str) -> str:
    if is_sealed(text):
        raise InvalidInputError(f"{what} begins with {_PREFIX!r}, which marks protected values. Choose another one.")
    return text


def _read_key_file(path: Path) -> Keyring:
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise ConfigurationError(
            f"The key file {str(path)!r} cannot be read: {error.strerror}. "
            "Correct AGENTDB_SECRET_KEY_FILE or the permissions of the file."
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


def _sync_directory(path: Path) -> None:
    if os.name == "nt":  # directories cannot be opened there, and their entries are journalled
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
