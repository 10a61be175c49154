"""The demo of `steno up --demo`: submits sample calls, and shows all results as they arrive."""

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer
from rich.text import Text

import steno
from steno.cli import api
from steno.cli.api import Api, ApiError
from steno.cli.recordings import phrase_line, sidecar
from steno.cli.suite import Suite
from steno.cli.terminal import out, styled
from steno.cli.webhook_receiver import ReceivedEvent, WebhookReceiver
from steno.events.catalogue import INSIGHTS
from steno.events.codec import Codec
from steno.events.records import Insight
from steno.events.schemas import ShippedSchemaIds
from steno.kafka import client_options, topic_name
from steno.settings import KafkaSettings, TopicSettings

_PATIENCE_SECONDS = 180
_NEUTRAL = 0.05


@dataclass
class _SampleCall:
    """The results of one sample call that have arrived."""

    file: Path
    submitted_at: float
    insights: dict[int, Insight] = field(default_factory=dict)
    transcript: dict[str, Any] | None = None
    summary: ReceivedEvent | None = None

    @property
    def is_complete(self) -> bool:
        """Whether its transcript, its summary and every insight arrived."""
        return (
            self.transcript is not None and self.summary is not None and len(self.insights) == len(self.transcript["phrases"])
        )


async def run(suite: Suite) -> bool:
    """Submits the samples and shows the results; returns True once those of every sample have arrived and are verified."""
    samples = sorted((Path(steno.__file__).parents[1] / "samples").glob("*.wav"))
    if not samples:
        out.print_line(styled("red", "the sample calls are not there"), ": run the demo from a checkout of the repository")
        return False
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(api.connect_api(api.api_of(suite.data)))
        receiver = await stack.enter_async_context(WebhookReceiver())
        webhook = await client.register_webhook(receiver.url)
        stack.push_async_callback(client.delete_webhook, webhook["webhook_id"])
        receiver.secret = webhook["secret"]
        out.print_line(
            styled("dim", "webhook"), f"   {receiver.url} registered for every event, signed with a secret of its own"
        )
        insights = await _open_insights(suite, stack)
        calls = await _submit(client, samples)
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await _collect(client, receiver, insights, calls)
        except TimeoutError:
            missing = ", ".join(call.file.name for call in calls.values() if not call.is_complete)
            out.print_line(
                styled("red", f"not back after {_PATIENCE_SECONDS} s:"), f" {missing}; the logs are in {suite.data / 'logs'}"
            )
            return False
        balance = await client.ledger()
        out.print_line()
        out.print_line(
            styled("bold green", f"{len(calls)} of {len(calls)} samples came all the way back"),
            f": {receiver.verified} webhooks verified, {receiver.rejected} rejected; ledger: {balance['accepted']} accepted, "
            f"{balance['completed']} completed, balanced: {str(balance['balanced']).lower()}",
        )
        return bool(balance["balanced"]) and receiver.rejected == 0


async def _submit(client: Api, samples: list[Path]) -> dict[str, _SampleCall]:
    run_id = time.strftime("%H%M%S")
    calls = {}
    for sample in samples:
        # A call id of this run: the same audio of the same call would be the same recording, and long done.
        accepted = await client.submit(sample, sidecar(sample) | {"call_id": f"{sample.stem}-{run_id}"})
        calls[accepted["recording_id"]] = _SampleCall(sample, time.monotonic())
        ids = f"call {accepted['call_id']}, recording {accepted['recording_id']}"
        out.print_line(styled("dim", "accepted"), f"  {sample.name} as {ids}")
    return calls


async def _open_insights(suite: Suite, stack: AsyncExitStack) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(
        topic_name(TopicSettings(), INSIGHTS),
        **client_options(KafkaSettings(bootstrap_servers=suite.kafka)),
        auto_offset_reset="latest",
    )
    await consumer.start()
    stack.push_async_callback(consumer.stop)
    # "Latest" is decided when the position is first asked for: ask before anything is submitted.
    for partition in consumer.assignment():
        await consumer.position(partition)
    return consumer


async def _collect(client: Api, receiver: WebhookReceiver, insights: AIOKafkaConsumer, calls: dict[str, _SampleCall]) -> None:
    codec = Codec(ShippedSchemaIds())
    waiting = set(calls)
    while waiting:
        for messages in (await insights.getmany(timeout_ms=100)).values():
            for message in messages:
                insight = codec.decode(message.value)
                if isinstance(insight, Insight) and insight.recording_id in calls:
                    calls[insight.recording_id].insights[insight.sequence] = insight
        for event in receiver.pop_events():
            if event.recording_id in calls:
                await _add_event(client, event, calls[event.recording_id])
        for recording_id in [waited for waited in waiting if calls[waited].is_complete]:
            waiting.remove(recording_id)
            _print_call(calls[recording_id])


async def _add_event(client: Api, event: ReceivedEvent, call: _SampleCall) -> None:
    seconds = event.received_at - call.submitted_at
    what = f"{event.type} of {call.file.name}, {seconds:.1f} s after it was submitted, signature verified"
    out.print_line(styled("dim", "webhook"), f"   {what}")
    if event.type == "transcript.completed":
        await client.wait_for_recording(event.recording_id)  # the notifier may have heard of it before the ledger has
        call.transcript = await client.transcript(event.recording_id)
    elif event.type == "call.summarised":
        call.summary = event
    elif event.type == "transcript.failed":
        raise ApiError(f"{call.file.name} failed: {event.data.get('reason')}")


def _print_call(call: _SampleCall) -> None:
    assert call.transcript is not None
    assert call.summary is not None
    out.print_line()
    out.print_line(styled("bold", call.file.name))
    for sequence, phrase in enumerate(call.transcript["phrases"]):
        insight = call.insights[sequence]
        topics = styled("dim", f"  {', '.join(insight.key_phrases)}") if insight.key_phrases else ""
        out.print_line(_sentiment_text(insight.sentiment), phrase_line(phrase), topics)
    summary = call.summary.data
    for speaker in summary["speakers"]:
        out.print_line(
            f"  {speaker['role']}: {speaker['talk_ms'] / 1000:.1f} s of talk, {speaker['phrase_count']} phrases, "
            f"sentiment {speaker['sentiment']:+.2f}, trend {speaker['sentiment_trend']:+.2f}"
        )
    out.print_line(f"  silence {summary['silence_ms'] / 1000:.1f} s, overlap {summary['overlap_ms'] / 1000:.1f} s")
    out.print_line(f"  about: {', '.join(summary['key_phrases'])}")


def _sentiment_text(sentiment: float) -> Text:
    if abs(sentiment) < _NEUTRAL:
        return styled("dim", "·")
    return styled("green", "+") if sentiment > 0 else styled("red", "-")
