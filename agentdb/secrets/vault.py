"""How the secrets of one database are stored, looked up and read."""

from __future__ import annotations

from collections.abc import Sequence

from agentdb.config import Secret, SecretsMode
from agentdb.errors import ConfigurationError, InvalidInputError
from agentdb.secrets.key_files import KeyFile, Keys
from agentdb.secrets.keyring import PREFIX, WHERE_KEYS_COME_FROM, Keyring, corrupt, is_sealed, key_id_of, place_of


class Vault:
    """How secrets are stored in one database: protected by a keyring, or plain where the setting says so.

    Args:
        keyring: None where no key is configured and none lies in a file; then only plain values can be read, and
            written in the mode "plain".
        previous: Keyrings of earlier keys: what they protected is still opened and found, and nothing new is made.
        mode: "plain" writes and accepts text as it is in all three columns that hold secrets (`User.apiKey`,
            `Provider.apiKey`, `UserTool.credential`). Protected values that are already there are read in both modes.
        key_file: Where the keys lie beside the database, in place of `keyring`: read again when it was exchanged.

    Raises:
        ConfigurationError: The key file cannot be used.
    """

    def __init__(
        self,
        keyring: Keyring | None,
        *,
        previous: Sequence[Keyring] = (),
        mode: SecretsMode = "sealed",
        key_file: KeyFile | None = None,
    ) -> None:
        self.mode = mode
        self.key_file = key_file
        self._more = tuple(previous)
        self._keys = self._arranged(key_file.read() if key_file else Keys(keyring, ()))

    @property
    def keyring(self) -> Keyring | None:
        """What protects new secrets."""
        return self._keys.current

    @property
    def previous(self) -> tuple[Keyring, ...]:
        """What protected secrets that may still be there, each once and none of them the current one."""
        return self._keys.previous

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Of the keys that it has, the current one first."""
        return tuple(one.key_id for one in (self.keyring, *self.previous) if one is not None)

    def __repr__(self) -> str:
        return f"Vault({self.keyring!r}, mode={self.mode!r})"

    def renew(self) -> bool:
        """Read the key file again if it was exchanged since; whether it was."""
        try:
            return self._reloaded()
        except ConfigurationError:  # what is at hand is still good for what it protected
            return False

    def _reloaded(self) -> bool:
        if self.key_file is None or not self.key_file.has_changed:
            return False
        self.reload()
        return True

    def reload(self) -> None:
        """Read the key file again.

        Raises:
            ConfigurationError: It cannot be used.
        """
        if self.key_file is not None:
            self._keys = self._arranged(self.key_file.read())

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
        self._reloaded()  # a key that was exchanged and cannot be read must not protect anything new
        return self._need_keyring("An API key cannot be stored or looked up").digest_api_key(api_key)

    def lookup_values(self, api_key: str) -> tuple[str, ...]:
        """What may stand in `User.apiKey` for this key, the likeliest first; empty when nothing can.

        Raises:
            ConfigurationError: There is no key to digest it with, and plain text is not accepted.
        """
        if self.mode == "sealed" and not self.previous:
            return (self._need_keyring("An API key cannot be looked up").digest_api_key(api_key),)
        digests = tuple(one.digest_api_key(api_key) for one in self._keys.all)
        if self.mode == "sealed":
            return digests
        # A digest read from the database must not work as the key it stands for.
        return digests if is_sealed(api_key) else (*digests, api_key)

    def protect(self, text: str, *, table: str, column: str, row_id: int) -> str:
        """What stands in that place for this text.

        Raises:
            ConfigurationError: There is no key to seal it with.
            InvalidInputError: Not valid Unicode, or stored plain it would be taken for a protected value.
        """
        place = place_of(table, column, row_id)
        if self.mode == "plain":
            return _plain(text, f"The secret for {place}")
        self._reloaded()  # a key that was exchanged and cannot be read must not protect anything new
        keyring = self._need_keyring(f"{place} cannot be sealed")
        return keyring.seal(text, table=table, column=column, row_id=row_id)

    def reveal(self, stored: str, *, table: str, column: str, row_id: int) -> Secret:
        """The secret that stands in that place.

        Raises:
            ConfigurationError: It is sealed and there is no key or another one, or it is plain where that is not
                accepted.
            StorageError: It was changed or comes from another place.
        """
        place = place_of(table, column, row_id)
        if not isinstance(stored, str):  # SQLite keeps bytes in a column of texts too, if somebody puts them there
            raise corrupt(place)
        if is_sealed(stored):
            keyring = self._keyring_for(stored) or self._need_keyring(f"{place} is sealed and cannot be opened")
            return Secret(keyring.open(stored, table=table, column=column, row_id=row_id))
        if self.mode == "sealed":
            raise ConfigurationError(
                f"{place} holds plain text where a sealed value is expected. "
                "Store it again to seal it, or set AGENTDB_SECRETS=plain to accept plain text."
            )
        return Secret(stored)

    def _keyring_for(self, stored: str) -> Keyring | None:
        """The keyring that a value names, if it is at hand now."""
        key_id = key_id_of(stored)
        found = next((one for one in self._keys.all if one.key_id == key_id), None)
        return self._keyring_for(stored) if found is None and self.renew() else found

    def _arranged(self, keys: Keys) -> Keys:
        """With the earlier keys of the settings, and each key once."""
        earlier = (*keys.previous, *self._more)
        if not earlier:
            return keys  # ids are derived with a library that takes a while to import
        known = {one.key_id: one for one in reversed((*([keys.current] if keys.current else []), *earlier))}
        current = keys.current and known.pop(keys.current.key_id)
        return Keys(current, tuple(reversed(known.values())))

    def _need_keyring(self, problem: str) -> Keyring:
        if self.keyring is None:
            raise ConfigurationError(f"{problem}: there is no secret key. Set {WHERE_KEYS_COME_FROM}.")
        return self.keyring


def _plain(text: str, what: str) -> str:
    if is_sealed(text):
        raise InvalidInputError(f"{what} begins with {PREFIX!r}, which marks protected values. Choose another one.")
    return text
