"""One trace leads from the POST of a recording through all four services to its webhooks."""

import json
from collections import deque
from pathlib import Path

import aiohttp
import pytest
from support.collector import CollectedSpan, Collector, collecting
from support.suite import SAMPLES, running_suite
from support.webhooks import SECRET, Received, receiving

from steno.cli import api
from steno.cli.api import ApiAddress

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
SERVICES = {"steno-ingest", "steno-transcriber", "steno-enricher", "steno-notifier"}
EVENTS = {"transcript.completed", "call.summarised"}


async def post(place: ApiAddress, url: str, *, traceparent: str) -> None:
    """Registers a webhook in a trace of its own, then submits a sample in the given one."""
    headers = {"Authorization": f"Bearer {place.key}"}
    form = aiohttp.FormData()
    form.add_field("metadata", json.dumps({"call_id": "traced"}), content_type="application/json")
    form.add_field("file", SAMPLES[0].read_bytes(), filename=SAMPLES[0].name)
    async with aiohttp.ClientSession(headers=headers, raise_for_status=True) as session:
        async with session.post(f"{place.url}/v1/webhooks", json={"url": url, "secret": SECRET}):
            pass
        async with session.post(f"{place.url}/v1/recordings", data=form, headers={"traceparent": traceparent}):
            pass


def descendants(spans: list[CollectedSpan], ancestor: str) -> list[CollectedSpan]:
    """The spans that come of one, however far down."""
    found: list[CollectedSpan] = []
    parents = deque([ancestor])
    while parents:
        parent = parents.popleft()
        children = [span for span in spans if span.parent_id == parent]
        found += children
        parents += [child.span_id for child in children]
    return found


async def traced(data: Path, collector: Collector, *, traceparent: str) -> list[Received]:
    """What the webhook got for one submission; when this returns the suite has ended, and with it every span."""
    environment = {"STENO_OTLP_ENDPOINT": collector.url, "STENO_TRANSCRIBER_ENGINE": "scripted"}
    async with receiving() as receiver, running_suite(data, environment) as suite:
        await post(api.find_api(suite.data), receiver.url, traceparent=traceparent)
        received = await receiver.has(len(EVENTS))
        assert await suite.stop() == 0
        return received


@pytest.mark.timeout(180)
async def test_one_trace_from_the_post_to_the_webhook(tmp_path: Path) -> None:
    """Spans of all four services come of the caller's, without a break, and the webhooks carry on with the trace."""
    async with collecting() as collector:
        received = await traced(tmp_path / "data", collector, traceparent=f"00-{TRACE_ID}-{CALLER}-01")
    spans = collector.of_trace(TRACE_ID)
    chain = descendants(spans, CALLER)
    assert len(chain) == len(spans) > 0
    assert {span.service for span in chain} == SERVICES
    assert [span.name for span in chain if span.parent_id == CALLER] == ["POST /v1/recordings"]
    assert {request.body["type"] for request in received} == EVENTS
    deliveries = {span.span_id for span in chain if span.name == "delivery"}
    assert {request.traceparent for request in received} == {f"00-{TRACE_ID}-{span_id}-01" for span_id in deliveries}
