"""Traces: OpenTelemetry by hand at the seams (job, phrase, insight, delivery), carried over every topic by `traceparent`.

Spans leave the process only where a collector is set; the trace ids are made and carried in any case.
Source: W3C Trace Context; OpenTelemetry semantic conventions for messaging.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache

from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from steno.settings import TelemetrySettings

_PROPAGATOR = TraceContextTextMapPropagator()
_FIELDS = ("traceparent", "tracestate")


def configure(settings: TelemetrySettings, service: str) -> None:
    """Makes the process's tracer; its spans go to the collector of the settings, if one is set."""
    provider = TracerProvider(resource=Resource.create({"service.name": f"steno-{service}"}))
    if settings.otlp_endpoint:
        exporter = OTLPSpanExporter(endpoint=f"{settings.otlp_endpoint.rstrip('/')}/v1/traces")
        provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


def inject() -> dict[str, bytes]:
    """The headers that carry the current span to whoever reads the message."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return {name: value.encode("ascii") for name, value in carrier.items()}


@contextmanager
def continued(
    headers: Mapping[str, bytes | str], name: str, *, kind: SpanKind = SpanKind.CONSUMER, **attributes: AttributeValue
) -> Iterator[Span]:
    """A span that continues the trace in the headers of a message or request, current inside the block."""
    carrier = {
        field: value.decode("ascii", "replace") if isinstance(value, bytes) else value
        for field in _FIELDS
        if (value := headers.get(field)) is not None
    }
    parent = _PROPAGATOR.extract(carrier, context=context.Context()) if carrier else context.Context()
    span = _tracer().start_span(name, context=parent, kind=kind, attributes=attributes)
    with trace.use_span(span, end_on_exit=True):
        yield span


@contextmanager
def span(name: str, *, kind: SpanKind = SpanKind.INTERNAL, **attributes: AttributeValue) -> Iterator[Span]:
    """A span under the current one, current inside the block."""
    with _tracer().start_as_current_span(name, kind=kind, attributes=attributes) as current:
        yield current


def _tracer() -> trace.Tracer:
    return _tracer_of(trace.get_tracer_provider())


@lru_cache(maxsize=2)
def _tracer_of(provider: trace.TracerProvider) -> trace.Tracer:
    # Made once: making one costs as much as ten spans.
    return provider.get_tracer("steno")
