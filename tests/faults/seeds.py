"""The seed of one run of faults: another one each time, and told, so that it can be had again."""

from __future__ import annotations

import os
import secrets
from typing import Final

VARIABLE: Final = "AGENTDB_FAULT_SEED"


def fault_seed() -> int:
    """What the variable says, else a number that nobody knows before."""
    return int(os.environ.get(VARIABLE) or secrets.randbelow(2**32))
