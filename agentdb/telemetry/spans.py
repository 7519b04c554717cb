"""One span for each public call, by the names of OpenTelemetry's conventions for databases where they fit.

A span is named `agentdb.<operation>` and has `db.system.name`, `db.operation.name`, `db.client.connection.pool.name`
(the handle), `agentdb.retries`, and `agentdb.rows` where a call gives records. One that failed has the class of its
error as `error.type` and what the engine called it as `db.response.status_code`. No message of an error, no argument
and no place is in it: those can quote what people wrote, or a secret.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Token
from functools import partial
from typing import TYPE_CHECKING, Final

from opentelemetry import context, trace

from agentdb.errors import AgentDBError

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from agentdb.telemetry.calls import Call

SCOPE: Final = "agentdb"

_FAILED: Final = trace.Status(trace.StatusCode.ERROR)


class Spans:
    """Makes the spans of one handle."""

    def __init__(self, engine: str, handle: str) -> None:
        self._tracer = trace.get_tracer(SCOPE)
        self._attributes = {"db.system.name": engine, "db.client.connection.pool.name": handle}

    def __call__(self, call: Call) -> Callable[[], None]:
        span = self._tracer.start_span(
            f"agentdb.{call.operation}",
            kind=trace.SpanKind.CLIENT,
            attributes={**self._attributes, "db.operation.name": call.operation},
        )
        return partial(_end, call, span, context.attach(trace.set_span_in_context(span)))


def _end(call: Call, span: trace.Span, token: Token[Context]) -> None:
    context.detach(token)
    if span.is_recording():
        span.set_attribute("agentdb.retries", call.retries)
        if call.error is not None:
            _say_why(call, call.error, span)
        else:
            span.set_attributes({**call.attributes, **({} if call.rows is None else {"agentdb.rows": call.rows})})
    span.end()


def _say_why(call: Call, error: BaseException, span: trace.Span) -> None:
    span.set_status(_FAILED)
    span.set_attribute("error.type", call.error_type or "")
    if isinstance(error, AgentDBError) and error.engine_code:
        span.set_attribute("db.response.status_code", error.engine_code)
