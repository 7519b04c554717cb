"""Digests of API keys and sealed columns: what the database keeps in place of a secret.

A user's API key is kept as a keyed digest, which its unique index can look up and nobody can turn back. What has to be
read again (the key of a provider, the credential of a tool) is sealed with AES-256-GCM and bound to its table, column
and row, so that a value copied to another place does not open there. Both begin with `agd1$<key id>$`: a reader can
tell them from plain text and knows which key they need.

While a key is exchanged for another one, both are at hand: what is new is made with the current one, and what stands
under an earlier one still opens and is still found.
"""

from __future__ import annotations

from agentdb.config import Secret
from agentdb.secrets.key_files import KeyFile, create_key_file, load_key, load_previous_keys
from agentdb.secrets.keyring import PREFIX, Keyring, is_sealed, key_id_of, new_api_key, place_of
from agentdb.secrets.vault import Vault
from agentdb.secrets.wrapping import unwrapped, wrapped

__all__ = [
    "PREFIX",
    "KeyFile",
    "Keyring",
    "Secret",
    "Vault",
    "create_key_file",
    "is_sealed",
    "key_id_of",
    "load_key",
    "load_previous_keys",
    "new_api_key",
    "place_of",
    "unwrapped",
    "wrapped",
]
