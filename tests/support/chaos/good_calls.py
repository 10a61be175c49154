"""Good live calls, at each door and directly on Kafka, in real time."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from aiokafka import AIOKafkaProducer
from support.chaos.arrivals import CODEC, Sent
from support.live_suite import Said, finals
from support.suite import SAMPLES, SuiteUnderTest, connected

from steno.cli import api
from steno.cli.api import ApiAddress
from steno.cli.clients import audiohook, twilio
from steno.cli.clients.audio import CallAudio, open_call_audio, paced
from steno.cli.clients.audiohook_client import AudioHookClient, Conversation
from steno.cli.clients.stream import CallDescription, StreamClient, StreamPlayer
from steno.cli.clients.twilio import TwilioClient
from steno.events.records import AudioChunk, CallChannel, CallEnded, CallRecord, CallStarted, Role

ROLES = ("agent", "customer")
DOORS = ("stream", "audiohook", "twilio", "kafka")
_CHUNK_MS = 100
_ENDED_SECONDS = 90
_STARTED_APART_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodCall:
    """One call: its recording and its door."""

    call_id: str
    door: str
    sample: Path

    @property
    def kind(self) -> tuple[str, str]:
        """The kind of the call; calls of one kind have the same words at the same times."""
        return self.door, self.sample.stem


Player = Callable[[GoodCall, CallAudio, Sent], Awaitable[None]]


def good_calls(run: str, count: int) -> list[GoodCall]:
    """Makes calls, alternating between doors and recordings."""
    made = []
    for number in range(count):
        door = DOORS[number % len(DOORS)]
        call_id = f"{run}-call-{number}"
        if door == "audiohook":
            call_id = str(uuid5(NAMESPACE_URL, call_id))
        made.append(GoodCall(call_id=call_id, door=door, sample=SAMPLES[number // len(DOORS) % len(SAMPLES)]))
    return made


async def play_good_calls(suite: SuiteUnderTest, calls: list[GoodCall], sent: Sent) -> dict[str, list[Said]]:
    """Plays calls concurrently; returns the final phrases of each. Fails if one does not complete."""
    place = api.find_api(suite.data)
    producer = AIOKafkaProducer(bootstrap_servers=suite.kafka, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        players: dict[str, Player] = {
            "stream": partial(_at_stream, place),
            "audiohook": partial(_at_audiohook, place),
            "twilio": partial(_at_twilio, place),
            "kafka": partial(_onto_kafka, producer),
        }

        async def play(number: int, call: GoodCall) -> None:
            await asyncio.sleep(number * _STARTED_APART_SECONDS)
            await players[call.door](call, open_call_audio(call.sample), sent)

        await asyncio.gather(*(play(number, call) for number, call in enumerate(calls)))
    finally:
        await producer.stop()
    async with connected(suite) as client, asyncio.timeout(_ENDED_SECONDS):
        for call in calls:
            ended = await client.wait_for_call(call.call_id)
            assert (ended["state"], ended["complete"]) == ("completed", True), ended
    return await finals(suite, [call.call_id for call in calls])


def _frames(call: GoodCall, audio: CallAudio, sent: Sent, frame_ms: int) -> AsyncIterator[bytes]:
    frames = paced(audio.frames(frame_ms), seconds=frame_ms / 1000)
    return sent.noting(call.call_id, frames, frame_ms=frame_ms)


async def _at_stream(place: ApiAddress, call: GoodCall, audio: CallAudio, sent: Sent) -> None:
    client = StreamClient(CallDescription(call_id=call.call_id, roles=ROLES), audio)
    await StreamPlayer(client, url=f"{place.url}/v1/stream", key=place.key).play(_frames(call, audio, sent, 20))
    assert client.complete, f"{call.call_id} was not told that it is complete"
    assert client.phrase_count, f"{call.call_id} was told no transcript"


async def _at_audiohook(place: ApiAddress, call: GoodCall, audio: CallAudio, sent: Sent) -> None:
    url = f"{place.url}/v1/audiohook".replace("http", "ws", 1)
    conversation = Conversation(conversation_id=call.call_id)
    headers = audiohook.upgrade_headers(
        url, conversation, api_key=place.audiohook_key, secret=place.audiohook_secret, now=time.time()
    )
    client = AudioHookClient(conversation, offers=audiohook.offers_for(ROLES))
    caller = audiohook.AudioHookPlayer(client, url=url, headers=headers)
    await caller.play(_frames(call, audio, sent, audiohook.FRAME_MS))
    assert client.transcripts, f"{call.call_id} was told no captions"


async def _at_twilio(place: ApiAddress, call: GoodCall, audio: CallAudio, sent: Sent) -> None:
    url = f"{place.url}/v1/twilio".replace("http", "ws", 1)
    client = TwilioClient(CallDescription(call_id=call.call_id, roles=ROLES), audio)
    await twilio.play(client, _frames(call, audio, sent, twilio.FRAME_MS), url=url, token=place.twilio_token)


async def _onto_kafka(producer: AIOKafkaProducer, call: GoodCall, audio: CallAudio, sent: Sent) -> None:
    channels = tuple(CallChannel(channel=number, role=Role(role)) for number, role in enumerate(ROLES))

    async def write(record: CallRecord) -> None:
        await producer.send("steno.call-audio", key=call.call_id.encode(), value=CODEC.encode(record))

    await write(
        CallStarted(
            call_id=call.call_id,
            codec=audio.codec,
            sample_rate=8000,
            channels=channels,
            protocol="upstream",
            started_at=datetime.now(UTC),
        )
    )
    position = sequence = 0
    async for frame in _frames(call, audio, sent, _CHUNK_MS):
        await write(AudioChunk(call_id=call.call_id, sequence=sequence, position=position, audio=frame))
        position += len(frame) // audio.frame_bytes
        sequence += 1
    await write(CallEnded(call_id=call.call_id, position=position, complete=True, ended_at=datetime.now(UTC)))
