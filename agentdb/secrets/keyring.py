"""What one secret text gives: a key that seals, one that digests, and an id that tells which text it was."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal, NoReturn

from agentdb.config import Secret
from agentdb.errors import ConfigurationError, InvalidInputError, StorageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MIN_KEY_LENGTH: Final = 16

PREFIX: Final = "agd1$"
_SEALED: Final = re.compile(r"agd1\$(?P<key_id>[0-9a-f]{8})\$(?P<payload>[A-Za-z0-9_-]+)")
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
WHERE_KEYS_COME_FROM: Final = "AGENTDB_SECRET_KEY or AGENTDB_SECRET_KEY_FILE"


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
        place = place_of(table, column, row_id)
        plain = _utf8(text)
        if plain is None:
            raise InvalidInputError(f"The secret for {place} has a lone surrogate. Give it as valid Unicode.")
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return self._labelled(nonce + self._aead.encrypt(nonce, plain, _bound_to(table, column, row_id)))

    def open(self, sealed: str, *, table: str, column: str, row_id: int) -> str:
        """Decrypt what `seal` made for the same place.

        Raises:
            ConfigurationError: It was sealed with another key.
            StorageError: It was changed, cut off, or sealed for another place; its reason is "corrupt".
        """
        place = place_of(table, column, row_id)
        parts = _SEALED.fullmatch(sealed)
        if parts is None:
            raise corrupt(place)
        if parts["key_id"] != self.key_id:
            raise ConfigurationError(
                f"{place} is sealed with key {parts['key_id']}, the key at hand is {self.key_id}. "
                f"Set {WHERE_KEYS_COME_FROM} to the key it was sealed with."
            )
        data = _decoded(parts["payload"])
        if data is None or len(data) < _NONCE_BYTES + _TAG_BYTES:
            raise corrupt(place)
        from cryptography.exceptions import InvalidTag

        try:
            plain = self._aead.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], _bound_to(table, column, row_id))
        except InvalidTag as error:
            raise corrupt(place) from error
        return plain.decode()

    def _labelled(self, data: bytes) -> str:
        return f"{PREFIX}{self.key_id}${_encoded(data)}"

    def __repr__(self) -> str:
        return f"Keyring(key_id={self.key_id!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A Keyring is not pickled, so that keys do not travel by accident. Load it where it is needed.")


def is_sealed(text: str) -> bool:
    """Whether the text claims to be a digest or a sealed value, by its prefix."""
    return text.startswith(PREFIX)


def key_id_of(text: str) -> str | None:
    """Which key a digest or a sealed value was made with; None if it is neither, or too damaged to tell."""
    parts = _SEALED.fullmatch(text)
    return parts["key_id"] if parts else None


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


def place_of(table: str, column: str, row_id: int) -> str:
    """A stored secret as messages name it."""
    return f"{table}.{column} of row {row_id}"


def corrupt(place: str) -> StorageError:
    """What is said about a value that does not open."""
    return StorageError(
        f"{place} holds a sealed value that does not open: it was changed, cut off or copied from another place. "
        "Store the secret again, or restore the row from a backup.",
        reason="corrupt",
    )


def _utf8(text: str) -> bytes | None:
    """None for a lone surrogate. The error that says so holds the text, and must not travel along with ours."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return None


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes | None:
    """None for text that `_encoded` does not make; base64 would let the unused bits of the last letter vary."""
    if len(text) % 4 == 1:
        return None
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return data if _encoded(data) == text else None
