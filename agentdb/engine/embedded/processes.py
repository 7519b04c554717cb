"""The processes of this machine, as far as one must know them to tell ours from another that got the same number."""

from __future__ import annotations

from typing import NamedTuple


class Process(NamedTuple):
    name: str
    arguments: tuple[str, ...]
    started_s: float  # after boot, which no change of the clock moves


def find_process(pid: int) -> Process | None:
    """The process, unless it has ended; one that its parent has not yet buried has ended too."""
    import psutil  # type: ignore[import-untyped]  # psutil has no type hints; imported here as only the wheel brings it

    # The boot time first: some versions of psutil keep it for the start times that follow.
    boot_time = psutil.boot_time()
    try:
        facts = psutil.Process(pid).as_dict(["name", "cmdline", "create_time", "status"])
    except psutil.NoSuchProcess:
        return None
    if facts["status"] == psutil.STATUS_ZOMBIE:
        return None
    return Process(facts["name"] or "", tuple(facts["cmdline"] or ()), round(facts["create_time"] - boot_time, 2))
