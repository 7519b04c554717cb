"""Which keys belong to a database."""

from __future__ import annotations

from pathlib import Path

from agentdb.config import Settings
from agentdb.engine import Session
from agentdb.secrets import Keyring, Vault, create_key_file, load_key, new_api_key


def vault_of(session: Session, settings: Settings) -> Vault:
    """The keys that the settings name, else those beside a database in files, if they are there."""
    keyring = load_key(secret_key=settings.secret_key, secret_key_file=settings.secret_key_file)
    key_file = session.target.key_file
    if keyring is None and key_file is not None and key_file.exists():
        keyring = load_key(secret_key=None, secret_key_file=key_file)
    return Vault(keyring, mode=settings.secrets)


def vault_of_owner(session: Session, settings: Settings) -> tuple[Vault, Path | None]:
    """The same, where keys that are missing are made; with the file in which they now lie, if there is one."""
    vault = vault_of(session, settings)
    if vault.keyring is not None or settings.secrets == "plain":
        return vault, None
    if session.target.is_ephemeral:
        # The database ends with this handle, and so may its key.
        return Vault(Keyring.from_secret(new_api_key()), mode=settings.secrets), None
    key_file = session.target.key_file
    if key_file is None:
        return vault, None
    return Vault(create_key_file(key_file), mode=settings.secrets), key_file
