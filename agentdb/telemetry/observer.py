"""Whether the calls of a database handle are watched, and by whom."""

from __future__ import annotations

import inspect
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import wraps
from itertools import count
from types import MethodType
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from agentdb.config import Settings
from agentdb.errors import ConfigurationError
from agentdb.telemetry.call_log import CallLog
from agentdb.telemetry.calls import Call, Describe, Watch, is_part, rows_of

if TYPE_CHECKING:
    from agentdb.telemetry.metrics import Gauges, Source

P = ParamSpec("P")
T = TypeVar("T")

_NUMBERS: Final = count(1)


def observer_of(settings: Settings, *, engine: str) -> Observer | None:
    """Who watches a handle that is being opened; None if nobody does.

    Raises:
        ConfigurationError: OpenTelemetry is asked for by name and not installed.
    """
    is_traced = settings.telemetry == "on" or (settings.telemetry == "auto" and _is_configured())
    if not is_traced and settings.slow_call_s is None:
        return None
    handle = f"agentdb-{next(_NUMBERS)}"
    watches: tuple[Watch, ...] = (CallLog(engine, handle, slow_s=settings.slow_call_s),)
    if not is_traced:
        return Observer(watches)
    try:
        from agentdb.telemetry.metrics import Gauges, durations
        from agentdb.telemetry.spans import Spans
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "AGENTDB_TELEMETRY is on, and the package opentelemetry-api is not installed. "
            'Install it with: pip install "agentdb[otel]"'
        ) from error
    # The last one ends first, so what is logged or measured belongs to the span.
    return Observer((Spans(engine, handle), durations(engine), *watches), Gauges(engine, handle))


def _is_configured() -> bool:
    """Whether the program has given OpenTelemetry something to do. One that never imported it cannot have."""
    trace, metrics = sys.modules.get("opentelemetry.trace"), sys.modules.get("opentelemetry.metrics")
    providers = (trace and trace.get_tracer_provider(), metrics and metrics.get_meter_provider())
    # Until a program sets its own one there is one called proxy, which for metrics has no public name.
    return any(found and not type(found).__name__.startswith(("Proxy", "_Proxy", "NoOp")) for found in providers)


class Observer:
    """Watches the public calls of one handle.

    Args:
        gauges: Show its connections and queues while it is open.
    """

    def __init__(self, watches: tuple[Watch, ...], gauges: Gauges | None = None) -> None:
        self._watches = watches
        self._gauges = gauges

    def opened(self, source: Source) -> None:
        """From now on the gauges show what `source` says of itself, while it is connected."""
        if self._gauges is not None:
            self._gauges.show(source)

    def watch(self, place: object, domain: str | None = None) -> None:
        """Put a watched method before each public method of `place` that is awaited.

        Args:
            domain: Of a service, whose calls give records.
        """
        described: Mapping[str, Describe] = getattr(type(place), "described", {})
        for name, function in inspect.getmembers(type(place), inspect.iscoroutinefunction):
            if not name.startswith("_"):
                operation = name if domain is None else f"{domain}.{name}"
                watched = self.watched(
                    operation, function, is_of_service=domain is not None, describe=described.get(name)
                )
                vars(place)[name] = MethodType(watched, place)

    def watched(
        self,
        operation: str,
        function: Callable[P, Awaitable[T]],
        *,
        is_of_service: bool = False,
        describe: Describe | None = None,
    ) -> Callable[P, Awaitable[T]]:
        """The same function, watched."""

        @wraps(function)
        async def called(*args: P.args, **kwargs: P.kwargs) -> T:
            if is_of_service and is_part():
                return await function(*args, **kwargs)
            with Call(operation, self._watches, is_of_service=is_of_service) as call:
                result = await function(*args, **kwargs)
                if is_of_service:
                    call.rows = rows_of(result)
                if describe is not None:
                    call.attributes = describe(kwargs)
                return result

        return called

    @asynccontextmanager
    async def around(self, operation: str, block: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
        """The same block, watched."""
        with Call(operation, self._watches):
            async with block as opened:
                yield opened
