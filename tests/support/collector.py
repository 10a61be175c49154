"""An OpenTelemetry collector on loopback that keeps received spans (OTLP over HTTP, protobuf)."""

import gzip
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse


@dataclass(frozen=True, kw_only=True)
class CollectedSpan:
    """One span; ids in hexadecimal, an empty parent for a root, times in seconds since 1970."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    start: float
    end: float
    #: Attributes that are texts.
    attributes: Mapping[str, str]


@dataclass
class Collector:
    """The received spans, in order of arrival."""

    url: str = ""
    spans: list[CollectedSpan] = field(default_factory=list)

    def of_trace(self, trace_id: str) -> list[CollectedSpan]:
        """The spans of one trace."""
        return [span for span in self.spans if span.trace_id == trace_id]

    async def handle(self, request: web.Request) -> web.Response:
        """Handles `POST /v1/traces`."""
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip" and body.startswith(b"\x1f\x8b"):
            body = gzip.decompress(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            attributes = {attribute.key: attribute.value.string_value for attribute in resource.resource.attributes}
            self.spans += [
                CollectedSpan(
                    service=attributes["service.name"],
                    name=span.name,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    start=span.start_time_unix_nano / 1e9,
                    end=span.end_time_unix_nano / 1e9,
                    attributes={entry.key: entry.value.string_value for entry in span.attributes},
                )
                for scope in resource.scope_spans
                for span in scope.spans
            ]
        return web.Response(body=ExportTraceServiceResponse().SerializeToString(), content_type="application/x-protobuf")


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Runs a collector on a free port."""
    collector = Collector()
    application = web.Application(client_max_size=1 << 26)
    application.router.add_post("/v1/traces", collector.handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        collector.url = f"http://{host}:{port}"
        yield collector
    finally:
        await runner.cleanup()
