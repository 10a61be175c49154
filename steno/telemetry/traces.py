"""Tracing: OpenTelemetry spans for jobs, phrases, insights and deliveries, linked over topics by `traceparent`.

Spans are recorded and sent only where a collector is set; trace ids are made and passed on in any case.
Source: W3C Trace Context; OpenTelemetry semantic conventions for messaging.
"""

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache

from opentelemetry import context, trace
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from steno.settings import TelemetrySettings

_PROPAGATOR = TraceContextTextMapPropagator()
_FIELDS = ("traceparent", "tracestate")
_SHUTDOWN_SECONDS = 3.0

#: Ends what sends spans; None where nothing does.
_end: Callable[[], None] | None = None


def configure(settings: TelemetrySettings, service: str) -> None:
    """Sends the process's spans to the collector of the settings, if one is set; ended by `shutdown`."""
    global _end
    if not settings.otlp_endpoint:
        # Nothing is recorded, and what came with a trace passes it on unchanged. Left unset, it would cost twice as much.
        trace.set_tracer_provider(trace.NoOpTracerProvider())
        return
    # Imported here: it takes a third of a second, most installations start without it, and captions wait for a worker's start.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": f"steno-{service}"}), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"{settings.otlp_endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    _end = provider.shutdown


def shutdown() -> None:
    """Sends the remaining spans; waits for a collector that does not answer for seconds at most."""
    if _end is not None:
        # In a thread, since it takes up to half a minute and no limit can be set to it.
        sending = threading.Thread(target=_end, daemon=True)
        sending.start()
        sending.join(_SHUTDOWN_SECONDS)


def inject() -> dict[str, bytes]:
    """The headers that pass the current span on to the reader of a message."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return {name: value.encode("ascii") for name, value in carrier.items()}


@contextmanager
def continue_trace(
    headers: Mapping[str, bytes | str], name: str, *, kind: SpanKind = SpanKind.CONSUMER, **attributes: AttributeValue
) -> Iterator[Span]:
    """Starts a span that continues the trace in the headers of a message or request, current inside the block."""
    carrier = {
        field: value.decode("ascii", "replace") if isinstance(value, bytes) else value
        for field in _FIELDS
        if (value := headers.get(field)) is not None
    }
    parent = _PROPAGATOR.extract(carrier, context=context.Context()) if carrier else context.Context()
    span = _tracer().start_span(name, context=parent, kind=kind, attributes=attributes)
    if not span.get_span_context().is_valid:
        span = _beginning()
    with trace.use_span(span, end_on_exit=True):
        yield span


@contextmanager
def span(name: str, *, kind: SpanKind = SpanKind.INTERNAL, **attributes: AttributeValue) -> Iterator[Span]:
    """Starts a span under the current one, current inside the block."""
    with _tracer().start_as_current_span(name, kind=kind, attributes=attributes) as current:
        yield current


def _beginning() -> Span:
    """The root span of a trace that is not recorded here, with flags that say so."""
    return NonRecordingSpan(SpanContext(_random_id(128), _random_id(64), is_remote=False))


def _random_id(bits: int) -> int:
    # Told apart by it, not kept secret; zero is no id (W3C Trace Context, 3.2.2).
    return random.getrandbits(bits) or 1


def _tracer() -> trace.Tracer:
    return _tracer_of(trace.get_tracer_provider())


@lru_cache(maxsize=2)
def _tracer_of(provider: trace.TracerProvider) -> trace.Tracer:
    # Made once: making one costs as much as ten spans.
    return provider.get_tracer("steno")
