"""How long public calls take, and how full the connections and queues of all open handles are.

`db.client.operation.duration`, `db.client.connection.count` by state, and `db.client.connection.max` are those of
OpenTelemetry's conventions; `agentdb.writes.waiting`, `agentdb.retries`, `agentdb.fallbacks` and `agentdb.checkpoints`
are ours. What they count is told at `Occupancy`. A reader collects them from a thread of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from typing import Final, NamedTuple, Protocol, TypeAlias
from weakref import WeakValueDictionary

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Counter, Histogram, MeterProvider, Observation

from agentdb.telemetry.calls import Call, Watch
from agentdb.telemetry.occupancy import Occupancy
from agentdb.telemetry.spans import SCOPE

# In seconds, as the conventions ask for.
_BUCKETS_S: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
_STATE: Final = "db.client.connection.state"


class Source(Protocol):
    """Something open that knows how busy it is."""

    def occupancy(self) -> Occupancy | None:
        """Just now; None while it is not connected."""


class Gauges:
    """One handle as the gauges show it, while it is connected."""

    def __init__(self, engine: str, handle: str) -> None:
        self.attributes = {"db.system.name": engine, "db.client.connection.pool.name": handle}
        self.source: Source | None = None
        self._handle = handle
        _instruments(metrics.get_meter_provider())

    def show(self, source: Source) -> None:
        """From now on they show what `source` says."""
        self.source = source
        _SHOWN[self._handle] = self


# Instruments belong to the process and keep their callbacks for ever, so it is here that handles come and go.
_SHOWN: Final[WeakValueDictionary[str, Gauges]] = WeakValueDictionary()


def durations(engine: str) -> Watch:
    """Measures the calls of a handle."""
    return partial(_measured, _instruments(metrics.get_meter_provider()), engine)


def _measured(instruments: _Instruments, engine: str, call: Call) -> Callable[[], None]:
    return partial(_measure, instruments, engine, call)


def _measure(instruments: _Instruments, engine: str, call: Call) -> None:
    attributes = {"db.system.name": engine, "db.operation.name": call.operation}
    if call.retries:
        instruments.retries.add(call.retries, attributes)
    if call.error_type is not None:
        attributes["error.type"] = call.error_type
    instruments.duration.record(call.duration_s, attributes)


class _Instruments(NamedTuple):
    """What calls are measured by; the others ask for themselves."""

    duration: Histogram
    retries: Counter


@lru_cache(maxsize=8)
def _instruments(provider: MeterProvider) -> _Instruments:
    """Those of the process, made once."""
    meter = provider.get_meter(SCOPE)
    for name, (read, unit, meaning) in _LEVELS.items():
        meter.create_observable_up_down_counter(name, [partial(_observed, read)], unit, meaning)
    for name, (read, unit, meaning) in _TOTALS.items():
        meter.create_observable_counter(name, [partial(_observed, read)], unit, meaning)
    return _Instruments(
        meter.create_histogram(
            "db.client.operation.duration",
            "s",
            "How long public calls take.",
            explicit_bucket_boundaries_advisory=_BUCKETS_S,
        ),
        meter.create_counter("agentdb.retries", "{retry}", "How often public calls were begun again."),
    )


_Reading: TypeAlias = Callable[[Occupancy], Iterable[tuple[int, dict[str, str]]]]


def _observed(read: _Reading, options: CallbackOptions) -> Iterator[Observation]:
    for reference in _SHOWN.valuerefs():
        shown = reference()
        now = shown.source.occupancy() if shown is not None and shown.source is not None else None
        if shown is not None and now is not None:
            for value, attributes in read(now):
                yield Observation(value, {**shown.attributes, **attributes})


_LEVELS: Final[dict[str, tuple[_Reading, str, str]]] = {
    "db.client.connection.count": (
        lambda now: ((now.idle, {_STATE: "idle"}), (now.used, {_STATE: "used"})),
        "{connection}",
        "Connections that are open.",
    ),
    "db.client.connection.max": (
        lambda now: ((now.most, {}),),
        "{connection}",
        "How many connections there may be.",
    ),
    "agentdb.writes.waiting": (
        lambda now: ((now.waiting, {}),),
        "{write}",
        "Writes that wait for their turn.",
    ),
}
_TOTALS: Final[dict[str, tuple[_Reading, str, str]]] = {
    "agentdb.fallbacks": (
        lambda now: ((now.fallbacks, {}),),
        "{group}",
        "Groups or batches of writes that failed as a whole.",
    ),
    "agentdb.checkpoints": (
        lambda now: ((now.checkpoints, {}),),
        "{checkpoint}",
        "Checkpoints of SQLite's log that were finished.",
    ),
}
