"""Which keys belong to a database."""

from __future__ import annotations

from pathlib import Path

from agentdb.config import Settings
from agentdb.engine import Session
from agentdb.secrets import KeyFile, Keyring, Vault, create_key_file, load_key, load_previous_keys, new_api_key


def vault_of(session: Session, settings: Settings) -> Vault:
    """The keys that the settings name, else those beside a database in files, if they are there."""
    keyring = load_key(secret_key=settings.secret_key, secret_key_file=settings.secret_key_file)
    path = session.target.key_file
    if keyring is None and path is not None and path.exists():
        return _vault_in(path, settings)
    return Vault(keyring, previous=_previous(settings), mode=settings.secrets)


def vault_of_owner(session: Session, settings: Settings) -> tuple[Vault, Path | None]:
    """The same, where keys that are missing are made; with the file in which they now lie, if there is one."""
    vault = vault_of(session, settings)
    if vault.keyring is not None or settings.secrets == "plain":
        return vault, None
    if session.target.is_ephemeral:
        # The database ends with this handle, and so may its key.
        return Vault(Keyring.from_secret(new_api_key()), mode=settings.secrets), None
    path = session.target.key_file
    if path is None:
        return vault, None
    create_key_file(path)
    return _vault_in(path, settings), path


def _vault_in(path: Path, settings: Settings) -> Vault:
    return Vault(None, previous=_previous(settings), mode=settings.secrets, key_file=KeyFile(path))


def _previous(settings: Settings) -> tuple[Keyring, ...]:
    return load_previous_keys(
        secret_key=settings.secret_key_previous, secret_key_files=settings.secret_key_previous_files
    )
