"""Traces where no collector is set: nothing is recorded, and every trace goes on."""

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanContext
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from steno.telemetry import traces

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def current() -> SpanContext:
    """The span that is current."""
    return trace.get_current_span().get_span_context()


@pytest.mark.parametrize("flags", ["00", "01"])
def test_a_foreign_trace_passes_unchanged(flags: str) -> None:
    """Whether somebody records a trace is not ours to change, nor what its vendor wrote."""
    headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-{flags}".encode(), "tracestate": b"vendor=value"}
    with traces.continue_trace(headers, "process"), traces.span("inside"):
        assert traces.inject() == headers


@pytest.mark.parametrize("headers", [{}, {"traceparent": b"not one"}, {"traceparent": b"\xff"}])
def test_a_trace_begins_where_none_came(headers: dict[str, bytes]) -> None:
    """What belongs together has one valid trace id, and two things have two."""
    ids = []
    for _ in range(2):
        with traces.continue_trace(headers, "process"):
            assert current().is_valid
            ids.append(current().trace_id)
            with traces.span("inside"):
                assert current().trace_id == ids[-1]
            carried = TraceContextTextMapPropagator().extract({name: value.decode() for name, value in traces.inject().items()})
            assert trace.get_current_span(carried).get_span_context().trace_id == ids[-1]
    assert ids[0] != ids[1]
