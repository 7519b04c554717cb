"""All contestants on one engine, in turns: one after another runs a round of a workload, never two at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from time import perf_counter

from benchmarks.cold import READY
from benchmarks.data import Size
from benchmarks.measure import Measured
from benchmarks.places import Place, SqlitePlace
from benchmarks.stores import Store
from benchmarks.worker import Worker
from benchmarks.workloads import Workload

CONTESTANTS = ("floor", "agentdb", "tortoise", "sqlalchemy")
ON_UVLOOP = "+uvloop"
FEWEST_CALLS = 20

Progress = Callable[[str], None]


class WrongAnswerError(Exception):
    """A contestant did not answer as the floor did, so its times mean nothing."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run.

    Attributes:
        seconds: Of calls in each round of a workload.
        fewest: Calls of each task in a round, however long they take.
        has_uvloop: Whether agentdb and the floor of PostgreSQL run on uvloop, too.
    """

    workloads: Sequence[Workload]
    size: Size
    rounds: int
    seconds: float
    has_uvloop: bool = False
    fewest: int = FEWEST_CALLS


@dataclass(slots=True)
class Section:
    """What was measured on one engine.

    Attributes:
        rounds: By workload and contestant, each round.
        fallbacks: By contestant: how often agentdb redid a group or batch one by one.
    """

    engine: str
    rounds: dict[str, dict[str, list[Measured]]] = field(default_factory=dict)
    fallbacks: dict[str, int] = field(default_factory=dict)


def run(engine: str, store: Store, plan: Plan, progress: Progress) -> Section:
    """Compare the answers, then measure every workload.

    Raises:
        WrongAnswerError: A contestant did not answer as the floor did; nothing was timed.
        WorkerError: A contestant failed.
    """
    section = Section(engine)
    places = {kind: store.copy(kind) for kind in CONTESTANTS}
    with _workers(places, plan) as workers:
        check_answers([workers[kind] for kind in CONTESTANTS])
        for workload in plan.workloads:
            progress(f"{engine}: {workload.key} {workload.title}")
            section.rounds[workload.key] = dict(_measured(workload, workers, places, plan))
        for name, worker in workers.items():
            if worker.kind == "agentdb":
                section.fallbacks[name] = worker.ask("fallbacks")
    return section


def check_answers(workers: Sequence[Worker]) -> None:
    """Let each do everything once on its own copy, and compare what it said with the first one.

    Raises:
        WrongAnswerError: One differs.
    """
    expected = workers[0].ask("answers")
    for worker in workers[1:]:
        found = worker.ask("answers")
        for key, answer in expected.items():
            if found[key] != answer:
                raise WrongAnswerError(f"{key}: {worker.kind} answers\n{found[key]}\nand the floor\n{answer}")


@contextmanager
def _workers(places: dict[str, Place], plan: Plan) -> Iterator[dict[str, Worker]]:
    """By contestant. Those on uvloop use the same database as those on asyncio."""
    with ExitStack() as stack:

        def worker(kind: str, *, has_uvloop: bool = False) -> Worker:
            made = Worker(kind, places[kind], plan.size, has_uvloop=has_uvloop)
            stack.callback(made.close)
            return made

        workers = {kind: worker(kind) for kind in CONTESTANTS}
        for kind in ("floor", "agentdb") if plan.has_uvloop else ():
            if kind == "agentdb" or not isinstance(places[kind], SqlitePlace):
                workers[kind + ON_UVLOOP] = worker(kind, has_uvloop=True)
        yield workers


def _measured(
    workload: Workload, workers: dict[str, Worker], places: dict[str, Place], plan: Plan
) -> Iterator[tuple[str, list[Measured]]]:
    names = [name for name in workers if _takes_part(name, workload)]
    found: dict[str, list[Measured]] = {name: [] for name in names}
    if workload.kind == "cold":
        for name in names:  # the first one reads the programs from the disk
            _cold(name, places[name], plan.size)
    for number in range(plan.rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            found[name].append(_round(workload, workers[name], places, plan, number))
    yield from found.items()


def _takes_part(name: str, workload: Workload) -> bool:
    if workload.is_floor_only:
        return name == "floor"
    return workload.kind in ("latency", "throughput") or not name.endswith(ON_UVLOOP)


def _round(workload: Workload, worker: Worker, places: dict[str, Place], plan: Plan, number: int) -> Measured:
    if workload.kind == "cold":
        return _cold(worker.kind, places[worker.kind], plan.size)
    first = number * 100_003
    found: Measured = worker.ask(
        "measure", workload=workload.key, first=first, seconds=plan.seconds, fewest=plan.fewest
    )
    return found


def _cold(kind: str, place: Place, size: Size) -> Measured:
    """A new process, until it says that it has its first answer."""
    command = [sys.executable, "-m", "benchmarks.cold", kind, json.dumps(asdict(place)), json.dumps(asdict(size))]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}  # what is installed has bytecode too
    begun = perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        said = process.stdout.readline().strip()
        seconds = perf_counter() - begun
    if said != READY or process.returncode:
        raise RuntimeError(f"A new process of {kind} did not answer; its own output tells why.")
    return Measured([seconds], seconds)
