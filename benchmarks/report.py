"""What was measured, as rows to be printed and kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from benchmarks.harness import ON_UVLOOP, Section
from benchmarks.measure import Measured
from benchmarks.targets import SLACK, target
from benchmarks.workloads import BY_KEY, Workload

HEAD = (
    "", "floor", "agentdb", "ratio", "(min..max)", "target", "", "x Tortoise", "target", "", "x SQLAlchemy",
    "p99 floor", "p99 agentdb", "p99 Tortoise",
)  # fmt: skip


OURS = "agentdb"


@dataclass(frozen=True, slots=True)
class Summary:
    """One contestant in one workload.

    Attributes:
        values: What counts of each round: seconds, or calls in a second.
        p99: Median of the rounds' p99, in seconds; so is `p50`.
        spread: Greatest less smallest value, as a part of the median.
        calls: Of all rounds.
    """

    values: list[float]
    value: float
    spread: float
    p50: float
    p99: float
    slowest: float
    calls: int
    errors: dict[str, int]


@dataclass(slots=True)
class Row:
    """One workload on one engine.

    Attributes:
        ratios: Of each round: agentdb to the floor; W8 to plain Tortoise, W9 seconds.
        factors: By contestant: how many times faster agentdb is, the median of the rounds.
        verdict: `pass`, `slack` (only with the slack) or `FAIL`; empty for a row without target.
    """

    engine: str
    key: str
    title: str
    kind: str
    contestants: dict[str, Summary]
    ratios: list[float] = field(default_factory=list)
    ratio: float | None = None
    factors: dict[str, float] = field(default_factory=dict)
    floor_target: float | None = None
    tortoise_target: float | None = None
    verdict: str = ""
    tortoise_verdict: str = ""

    @property
    def is_failed(self) -> bool:
        """Whether a target was missed."""
        return "FAIL" in (self.verdict, self.tortoise_verdict)


def rows_of(section: Section) -> list[Row]:
    """A row for each workload."""
    return [_row(section.engine, BY_KEY[key], rounds) for key, rounds in section.rounds.items()]


def uvloop_table(rows: Sequence[Row]) -> str:
    """What uvloop changes: agentdb on it to agentdb on asyncio, and to the floor on uvloop. Empty if it did not run."""
    found = [row for row in rows if OURS + ON_UVLOOP in row.contestants]
    head = ("on uvloop", "floor", "agentdb", "ratio", "x agentdb on asyncio")
    return aligned([head, *map(_uvloop_cells, found)]) if found else ""


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows as JSON can keep them."""
    return [asdict(row) for row in rows]


def table(rows: Sequence[Row]) -> str:
    """Rows as people read them."""
    return aligned([HEAD, *(_cells(row) for row in rows)])


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Cells in columns, the first one to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines)


def duration(seconds: float) -> str:
    """A time with its unit."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f} us"


def _row(engine: str, workload: Workload, rounds: dict[str, list[Measured]]) -> Row:
    row = Row(engine, workload.key, workload.title, workload.kind, _summaries(workload, rounds))
    ours = row.contestants.get(OURS)
    if ours is None:
        return row
    better = _share if workload.kind == "throughput" else _times_less
    for name, other in row.contestants.items():
        if name != OURS:
            row.factors[name] = median(map(better, ours.values, other.values))
    row.ratios = _ratios(workload, row.contestants)
    row.ratio = median(row.ratios) if row.ratios else None
    _judge(row)
    return row


def _summaries(workload: Workload, rounds: dict[str, list[Measured]]) -> dict[str, Summary]:
    return {name: _summary(_VALUE[workload.kind], found) for name, found in rounds.items()}


_VALUE: dict[str, Callable[[Measured], float]] = {
    "latency": lambda one: one.quantile(0.5),
    "throughput": lambda one: one.per_second,
    "bulk": lambda one: one.elapsed,
    "cold": lambda one: one.elapsed,
    "beside": lambda one: one.quantile(0.999),
}


def _summary(value: Callable[[Measured], float], found: list[Measured]) -> Summary:
    values = [value(one) for one in found]
    errors: dict[str, int] = {}
    for one in found:
        for name, times in one.errors.items():
            errors[name] = errors.get(name, 0) + times
    return Summary(
        values=values,
        value=median(values),
        spread=(max(values) - min(values)) / median(values),
        p50=median(one.quantile(0.5) for one in found),
        p99=median(one.quantile(0.99) for one in found),
        slowest=max(max(one.samples) for one in found),
        calls=sum(len(one.samples) for one in found),
        errors=errors,
    )


def _ratios(workload: Workload, contestants: dict[str, Summary]) -> list[float]:
    if workload.kind == "beside":
        return contestants[OURS].values
    other = contestants["tortoise" if workload.kind == "cold" else "floor"]
    return list(map(_share, contestants[OURS].values, other.values))


def _judge(row: Row) -> None:
    wanted = target(row.key, row.engine)
    if wanted is None or row.ratio is None:
        return
    slack = SLACK[row.engine]
    row.floor_target, row.tortoise_target = wanted.floor, wanted.tortoise
    is_throughput = row.kind == "throughput"
    row.verdict = _verdict(row.ratio, wanted.floor, slack, is_at_least=is_throughput)
    if wanted.tortoise is not None:
        row.tortoise_verdict = _verdict(row.factors["tortoise"], wanted.tortoise, slack, is_at_least=True)


def _verdict(found: float, wanted: float, slack: float, *, is_at_least: bool) -> str:
    distance = wanted / found if is_at_least else found / wanted
    if distance <= 1:
        return "pass"
    return "slack" if distance <= slack else "FAIL"


def _share(one: float, other: float) -> float:
    return one / other


def _times_less(one: float, other: float) -> float:
    return other / one


def _value(row: Row, name: str) -> str:
    found = row.contestants.get(name)
    if found is None:
        return ""
    return f"{found.value:,.0f}/s" if row.kind == "throughput" else duration(found.value)


def _uvloop_cells(row: Row) -> tuple[str, ...]:
    ours, floor = row.contestants[OURS + ON_UVLOOP], row.contestants.get("floor" + ON_UVLOOP)
    ratio = f"{median(map(_share, ours.values, floor.values)):.2f}" if floor else ""
    faster = _times_less if row.kind == "throughput" else _share
    gain = median(map(faster, row.contestants[OURS].values, ours.values))
    name = f"{row.key} {row.title}"
    return name, _value(row, "floor" + ON_UVLOOP), _value(row, OURS + ON_UVLOOP), ratio, f"{gain:.2f}"


def _cells(row: Row) -> tuple[str, ...]:
    def p99(name: str) -> str:
        return duration(row.contestants[name].p99) if name in row.contestants else ""

    def ratio(number: float | None) -> str:
        if number is None:
            return ""
        return duration(number) if row.kind == "beside" else f"{number:.2f}"

    def factor(name: str) -> str:
        return f"{row.factors[name]:.1f}" if name in row.factors else ""

    spread = f"({ratio(min(row.ratios))}..{ratio(max(row.ratios))})" if row.ratios else ""
    sign = "" if row.floor_target is None else (">=" if row.kind == "throughput" else "<=")
    wanted = "" if row.tortoise_target is None else f">={row.tortoise_target:g}"
    return (
        f"{row.key} {row.title}",
        _value(row, "floor"),
        _value(row, OURS),
        ratio(row.ratio),
        spread,
        sign + ratio(row.floor_target),
        row.verdict,
        factor("tortoise"),
        wanted,
        row.tortoise_verdict,
        factor("sqlalchemy"),
        p99("floor"),
        p99("agentdb"),
        p99("tortoise"),
    )
