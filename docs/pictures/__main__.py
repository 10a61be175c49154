"""Makes `docs/images/*.png` and the trace of `watching.md` anew, from a suite that works for a few minutes.

make pictures
"""

import asyncio
import json
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

from support.collector import collecting
from support.live_suite import play
from support.prometheus import SERVICES, scraping
from support.suite import SAMPLES, SuiteUnderTest, connected, running_suite
from support.trace_tree import branches_below, lines
from support.watching import DASHBOARDS

from pictures.drawing import Span, draw
from steno.cli.api import Api
from steno.cli.recordings import sidecar
from steno.cli.webhook_receiver import WebhookReceiver

DOCS = Path(__file__).parents[1]
SECONDS = 240.0
_LIVE_CALLS = 2
_RECORDING_EVERY_SECONDS = 10.0
_BEGIN, _END = "<!-- trace -->\n```text\n", "\n```\n"


async def main() -> None:
    """Runs a suite with Whisper under recordings and live calls, and draws what Prometheus knows of it."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        collector = await stack.enter_async_context(collecting())
        receiver = await stack.enter_async_context(WebhookReceiver())
        suite = await stack.enter_async_context(running_suite(folder / "data", {"STENO_OTLP_ENDPOINT": collector.url}))
        targets = {service: suite.url(service) for service in SERVICES}
        prometheus = await stack.enter_async_context(scraping(folder / "prometheus", targets, every="5s"))
        api = await stack.enter_async_context(connected(suite))
        receiver.secret = (await api.register_webhook(receiver.url))["secret"]
        started = time.time()
        try:
            async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as load:
                load.create_task(_submit(api))
                for line in range(_LIVE_CALLS):
                    load.create_task(_call(suite, line))
        except TimeoutError:
            pass
        for dashboard in DASHBOARDS:
            span = Span(start=started, end=time.time(), step=5)
            picture = await draw(json.loads(dashboard.read_text("utf-8")), prometheus, span)
            (DOCS / "images" / f"{dashboard.stem}.png").write_bytes(picture)
        await suite.stop()
    first = next(span for span in collector.spans if span.name == "POST /v1/recordings" and not span.parent_id)
    tree = lines(branches_below(collector.of_trace(first.trace_id), [""]))
    page = DOCS / "watching.md"
    before, _, rest = page.read_text("utf-8").partition(_BEGIN)
    page.write_text(before + _BEGIN + "\n".join(tree) + _END + rest.partition(_END)[2], "utf-8")


async def _submit(api: Api) -> None:
    for number in count():
        sample = SAMPLES[number % len(SAMPLES)]
        await api.submit(sample, sidecar(sample) | {"call_id": f"recording-{number}"})
        await asyncio.sleep(_RECORDING_EVERY_SECONDS)


async def _call(suite: SuiteUnderTest, line: int) -> None:
    for number in count(line):
        await play(suite, SAMPLES[number % len(SAMPLES)], f"call-{line}-{number}", speed=1)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
