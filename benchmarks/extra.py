"""What has no target and is reported beside the table: where time goes, several processes, a slow network, memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import Any

from benchmarks.data import Size
from benchmarks.harness import FEWEST_CALLS
from benchmarks.measure import Measured
from benchmarks.places import Place, PostgresPlace
from benchmarks.proxy import DELAY_S, delayed
from benchmarks.report import aligned, duration
from benchmarks.stages import ALONE, TOGETHER
from benchmarks.worker import Worker
from benchmarks.workloads import MIXED

_PROCESSES = (1, 2, 4)
_ROUND_TRIPS = ("W1", "W2", "W3", "W4", "W5", "W7")
_HANDLES = 20


def processes(place: Place, size: Size, *, seconds: float) -> list[dict[str, Any]]:
    """Services of several processes that append and record in one SQLite file at the same time, 4 tasks in each."""
    return [_together(kind, number, place, size, seconds) for kind in ("floor", "agentdb") for number in _PROCESSES]


def slow_network(place: PostgresPlace, size: Size, *, seconds: float, rounds: int) -> list[dict[str, Any]]:
    """One caller whose every message to PostgreSQL, and back, takes `DELAY_S` longer."""
    kinds = ("floor", "agentdb", "tortoise")
    with delayed(place) as far, _opened(kinds, far, size) as workers:
        found: dict[tuple[str, str], list[Measured]] = {}
        for number in range(rounds):
            for key in _ROUND_TRIPS:
                for worker in workers:
                    first = 5_000_000 + number * 100_003
                    one = worker.ask("measure", workload=key, first=first, seconds=seconds, fewest=FEWEST_CALLS)
                    found.setdefault((key, worker.kind), []).append(one)
    return [
        {"workload": key, "delay_s": DELAY_S, **{kind: _median_call(found[key, kind]) for kind in kinds}}
        for key in _ROUND_TRIPS
    ]


def memory(place: Place, size: Size) -> dict[str, Any]:
    """Bytes of an open handle of agentdb that was used once, the mean of `_HANDLES` beside a first one."""
    with _opened(("agentdb",), place, size) as (worker,):
        found: dict[str, Any] = worker.ask("memory", handles=_HANDLES)
    return found


def stages(place: Place, size: Size) -> list[tuple[str, str, dict[str, float]]]:
    """Where the time of a lone write on SQLite goes, by workload and contestant."""
    return _looked_at("stages", ALONE, place, size)


def processors(place: Place, size: Size) -> list[tuple[str, str, dict[str, float]]]:
    """What a write of 16 tasks takes of the processor, by workload and contestant."""
    return _looked_at("processors", TOGETHER, place, size)


def _looked_at(command: str, keys: Sequence[str], place: Place, size: Size) -> list[tuple[str, str, dict[str, float]]]:
    with _opened(("floor", "agentdb"), place, size) as workers:
        return [
            (key, worker.kind, worker.ask(command, workload=key, first=9_000_000)) for key in keys for worker in workers
        ]


def processes_table(found: Sequence[dict[str, Any]]) -> str:
    """As people read it."""
    head = ("W1 and W3 on one file", "processes", "calls/s", "p50", "p99", "slowest", "errors")
    lines = [
        (
            str(one["contestant"]),
            str(one["processes"]),
            f"{one['per_second']:,.0f}",
            *(duration(one[name]) for name in ("p50", "p99", "slowest")),
            str(sum(one["errors"].values())),
        )
        for one in found
    ]
    return aligned([head, *lines])


def slow_network_table(found: Sequence[dict[str, Any]]) -> str:
    """As people read it."""
    head = (f"PostgreSQL {DELAY_S * 1e3:g} ms away", "floor", "agentdb", "Tortoise", "ratio")
    lines = [
        (
            one["workload"],
            *(duration(one[kind]) for kind in ("floor", "agentdb", "tortoise")),
            f"{one['agentdb'] / one['floor']:.2f}",
        )
        for one in found
    ]
    return aligned([head, *lines])


def _together(kind: str, number: int, place: Place, size: Size, seconds: float) -> dict[str, Any]:
    with _opened((kind,) * number, place, size) as workers:
        for position, worker in enumerate(workers):
            first = 9_000_000 + position * 1_000_003
            worker.tell("measure", workload=MIXED.key, first=first, seconds=seconds, fewest=FEWEST_CALLS)
        found: list[Measured] = [worker.receive() for worker in workers]
    whole = Measured([sample for one in found for sample in one.samples])
    return {
        "contestant": kind,
        "processes": number,
        "per_second": sum(one.per_second for one in found),
        "p50": whole.quantile(0.5),
        "p99": whole.quantile(0.99),
        "slowest": max(whole.samples),
        "errors": {name: times for one in found for name, times in one.errors.items()},
    }


@contextmanager
def _opened(kinds: Sequence[str], place: Place, size: Size) -> Iterator[list[Worker]]:
    with ExitStack() as stack:
        workers = []
        for kind in kinds:
            worker = Worker(kind, place, size)
            stack.callback(worker.close)
            workers.append(worker)
        yield workers


def _median_call(found: Sequence[Measured]) -> float:
    return median(one.quantile(0.5) for one in found)
