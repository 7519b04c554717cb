"""An account without rights, for tests that root runs: root may read and write whatever the modes say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_STRANGER: Final = 65534
"""The number of `nobody` wherever there is one; where not, nobody has it either."""


@contextmanager
def without_rights(*owned: Path) -> Iterator[None]:
    """Inside the block this process is an ordinary one, to which `owned` belongs. For an ordinary user it is already.

    Whatever has to be imported has been, because the account may not be able to read it.
    """
    if os.geteuid() != 0:
        yield
        return
    for path in owned:
        os.chown(path, _STRANGER, _STRANGER)
    os.seteuid(_STRANGER)  # of all threads, with glibc
    try:
        yield
    finally:
        os.seteuid(0)
