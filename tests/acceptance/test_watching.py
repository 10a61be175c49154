"""A suite that is watched: one trace through all services, dashboards with data, and no alert while all is well."""

import json
import math
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from pictures.drawing import Span, draw
from PIL import Image
from support.collector import CollectedSpan, collecting
from support.live_suite import play
from support.prometheus import SERVICES, NoPrometheus, Prometheus, Series, scraping
from support.suite import SAMPLES, running_suite
from support.trace_tree import branches_below, lines, paths, paths_of_lines
from support.watching import DASHBOARDS, Query, increases, queries_of, rules
from support.webhooks import SECRET, Received, receiving

from steno.cli import api
from steno.cli.api import ApiAddress

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
TRACED = "traced"
EVENTS = {"transcript.completed", "call.summarised"}
PAGE = Path(__file__).parents[2] / "docs" / "watching.md"

#: Panels that may have nothing to show while nothing is wrong, and those of what this suite does not do.
EMPTY = {
    "overview": {"Who is refused at the HTTP ports?", "Which connections does Steno close?"},
    "live": {
        "Whose messages are faulty?",
        "What happens to calls?",
    },
    "batch": {"Why do recordings fail?", "How do jobs at Azure end?", "What does Azure refuse?", "What does Azure cost?"},
    "kafka": {
        "What fails?",
        "What is retried?",
        "Where do dead letters come from?",
        "Which records cannot be read?",
        "Do partitions move?",
    },
}
#: Panels that show 0 while all is well.
ZERO = {
    "overview: Is the ledger unbalanced?",
    "overview: Dead letters",
    "overview: Records held back",
}
#: Panels that show a number after recordings and a live call.
MEASURED = {
    "overview: Which processes do not answer?",
    "overview: Age of the outbox",
    "overview: Deliveries overdue",
    "overview: Spoken to text",
    "overview: Lag of recordings",
    "overview: Who is behind?",
    "live: How long from spoken to text?",
    "batch: How long does a recording take?",
    "batch: How fast is a recording decoded?",
    "path: 2. Kafka's acknowledgement",
    "path: 7. Waiting for insights",
    "webhooks: How old are results when they arrive?",
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """What was seen of one suite, which has ended."""

    received: list[Received]
    spans: list[CollectedSpan]
    #: The answers to each query; None where there is no Prometheus.
    answers: list[tuple[Query, list[Series]]] | None
    #: Counters whose increase an alert asks for, and that were not there before there was anything to count.
    late_counters: list[str] = field(default_factory=list)
    alerts: set[str] = field(default_factory=set)
    picture: bytes = b""


async def submit(place: ApiAddress, call_id: str, **headers: str) -> None:
    """Submits a sample."""
    form = aiohttp.FormData()
    form.add_field("metadata", json.dumps({"call_id": call_id}), content_type="application/json")
    form.add_field("file", SAMPLES[0].read_bytes(), filename=SAMPLES[0].name)
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {place.key}"}, raise_for_status=True) as session,
        session.post(f"{place.url}/v1/recordings", data=form, headers=headers),
    ):
        pass


async def register(place: ApiAddress, url: str) -> None:
    """Registers a webhook, in a trace of its own."""
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {place.key}"}, raise_for_status=True) as session,
        session.post(f"{place.url}/v1/webhooks", json={"url": url, "secret": SECRET}),
    ):
        pass


async def ask_everything(prometheus: Prometheus, span: Span) -> list[tuple[Query, list[Series]]]:
    """The answers to all queries of all panels, over all the time: on a busy machine a single scrape may fail."""
    queries = [query for dashboard in DASHBOARDS for query in queries_of(dashboard)]
    times = {"start": span.start, "end": span.end, "step": span.step}
    return [(query, await prometheus.ask_range(query.over("10m"), **times)) for query in queries]


async def absent_counters(prometheus: Prometheus) -> list[str]:
    """Counters whose increase an alert asks for, and that Prometheus does not know once it has scraped all services."""
    await prometheus.until('count(up{job=~"steno-.+"} == 1) == 4')
    counters = [counter for rule in rules() for counter in increases(rule)]
    return [counter for counter in counters if not await prometheus.ask(f"last_over_time({counter}[1m])")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def run(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    """A suite that transcribed a traced recording, a live call, and another recording, with what was seen of it."""
    folder = tmp_path_factory.mktemp("watched")
    async with AsyncExitStack() as stack:
        collector = await stack.enter_async_context(collecting())
        receiver = await stack.enter_async_context(receiving())
        environment = {"STENO_OTLP_ENDPOINT": collector.url, "STENO_TRANSCRIBER_ENGINE": "scripted"}
        suite = await stack.enter_async_context(running_suite(folder / "data", environment))
        targets = {service: suite.url(service) for service in SERVICES}
        prometheus: Prometheus | None = None
        try:
            prometheus = await stack.enter_async_context(scraping(folder / "prometheus", targets))
        except NoPrometheus as error:
            print(error)
        place = api.find_api(suite.data)
        await register(place, receiver.url)
        started = time.time()
        late_counters = [] if prometheus is None else await absent_counters(prometheus)
        await submit(place, TRACED, traceparent=f"00-{TRACE_ID}-{CALLER}-01")
        received = await receiver.has(len(EVENTS))
        answers, alerts, picture = None, set[str](), b""
        if prometheus is not None:
            # Each is seen before the next, so that there is an increase from one to the other.
            await prometheus.until("sum(steno_notifier_deliveries_total) >= 2")
            await play(suite, SAMPLES[1], "live", speed=20)
            await prometheus.until('sum(steno_transcriber_live_calls_total{state="completed"}) >= 1')
            await submit(place, "another")
            await prometheus.until('sum(steno_ingest_states_total{state="completed"}) >= 2')
            await prometheus.until("sum(steno_notifier_deliveries_total) >= 5")
            await prometheus.until("steno_kafka_dead_letters_kept")
            # A step beyond the present, so that the newest scrape is within.
            span = Span(start=started, end=time.time() + 1, step=1)
            answers, alerts = await ask_everything(prometheus, span), await prometheus.firing()
            board = json.loads(DASHBOARDS[0].read_text())
            picture = await draw(board, prometheus, span)
        assert await suite.stop() == 0
        yield Run(
            received=received[: len(EVENTS)],
            spans=collector.of_trace(TRACE_ID),
            answers=answers,
            late_counters=late_counters,
            alerts=alerts,
            picture=picture,
        )


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


pytestmark = [pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]


async def test_one_trace_from_the_post_to_the_webhook(run: Run) -> None:
    """Spans of all four services come of the caller's, without a break, and the webhooks carry on with the trace."""
    chain = descendants(run.spans, CALLER)
    assert len(chain) == len(run.spans) > 0
    assert {span.service.removeprefix("steno-") for span in chain} == set(SERVICES)
    assert [span.name for span in chain if span.parent_id == CALLER] == ["POST /v1/recordings"]
    assert {request.body["type"] for request in run.received} == EVENTS
    deliveries = {span.span_id for span in chain if span.name == "delivery"}
    assert {request.traceparent for request in run.received} == {f"00-{TRACE_ID}-{span_id}-01" for span_id in deliveries}


async def test_spans_tell_their_call(run: Run) -> None:
    """The trace of a call is found by its id, in each service that handles its records."""
    found = {span.service for span in run.spans if span.attributes.get("messaging.kafka.message.key") == TRACED}
    assert found == {"steno-ingest", "steno-transcriber", "steno-enricher", "steno-notifier"}


async def test_the_trace_in_the_documentation_is_a_real_one(run: Run) -> None:
    """It has the same spans; times are another run's, and so is the record at which the summary was made, the last one."""
    shown = PAGE.read_text("utf-8").split("<!-- trace -->\n```text\n", 1)[1].split("\n```", 1)[0].splitlines()
    real = branches_below(run.spans, [CALLER])
    assert paths_of_lines(lines(real)) == paths(real)
    assert {path[-1] for path in paths_of_lines(shown)} == {path[-1] for path in paths(real)}


async def test_dashboards_have_data(run: Run) -> None:
    """A real Prometheus answers every panel; only those are empty that show what is wrong."""
    if run.answers is None:
        pytest.skip("there is no prometheus (Debian package prometheus)")
    shown = {query.where for query, answer in run.answers if answer}
    empty = {query.where for query, _ in run.answers} - shown
    assert empty <= {f"{board}: {question}" for board, questions in EMPTY.items() for question in questions}
    values = defaultdict[str, set[float]](set)
    for query, answer in run.answers:
        values[query.where] |= {value for series in answer for _, value in series.points}
    assert {where: values[where] for where in ZERO} == {where: {0} for where in ZERO}
    assert {where for where in MEASURED if not any(map(math.isfinite, values[where]))} == set()


async def test_the_first_fault_is_an_increase(run: Run) -> None:
    """What alerts count is there at 0 from the start, for a counter that first shows at 1 has not increased."""
    if run.answers is None:
        pytest.skip("there is no prometheus (Debian package prometheus)")
    assert run.late_counters == []


async def test_no_alert_while_all_is_well(run: Run) -> None:
    """None of the rules fires in a suite that does its work."""
    if run.answers is None:
        pytest.skip("there is no prometheus (Debian package prometheus)")
    assert run.alerts == set()


async def test_a_dashboard_is_drawn(run: Run, tmp_path: Path) -> None:
    """The pictures of the documentation are made of what Prometheus answers."""
    if run.answers is None:
        pytest.skip("there is no prometheus (Debian package prometheus)")
    path = tmp_path / "picture.png"
    path.write_bytes(run.picture)
    with Image.open(path) as image:
        assert len(image.convert("RGB").getcolors(1 << 20) or []) > 5
