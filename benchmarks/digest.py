"""What stands in `User.apiKey` for an API key, by hand: the contestants without agentdb look users up by it too."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable


def digester(secret_key: str) -> Callable[[str], str]:
    """The digest of API keys under a secret key, as `agentdb.secrets.Keyring` makes it."""
    pepper = _derived(secret_key, b"agentdb 1 pepper", 32)
    prefix = f"agd1${_derived(secret_key, b'agentdb 1 key id', 4).hex()}$"

    def digest(api_key: str) -> str:
        mac = hmac.digest(pepper, api_key.encode(), "sha256")
        return prefix + base64.urlsafe_b64encode(mac).rstrip(b"=").decode()

    return digest


def _derived(secret_key: str, info: bytes, length: int) -> bytes:
    # HKDF with SHA-256 and no salt; one block is enough.
    key = hmac.digest(bytes(32), secret_key.encode(), hashlib.sha256)
    return hmac.digest(key, info + b"\x01", hashlib.sha256)[:length]
