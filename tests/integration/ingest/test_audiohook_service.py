"""Calls from Genesys: a process of ingest, real WebSockets, a real Kafka."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.audiohook_peer import API_KEY, SECRET, AudioHookPeer, audiohook_peer, write_keys
from support.ingest_process import PARTITIONS, IngestProcess, eventually
from support.kafka import read_all

from steno.cli.clients.audiohook import AudioHookPlayer, offers_for, upgrade_headers
from steno.cli.clients.audiohook_client import AudioHookClient, Conversation
from steno.cli.clients.stream import CallRefused
from steno.events import ids
from steno.events.catalogue import HYPOTHESES, PHRASES, TRANSCRIPTS
from steno.events.codec import Codec
from steno.events.records import (
    AudioChunk,
    AudioGap,
    CallEnded,
    CallPaused,
    CallResumed,
    CallStarted,
    CallUpdated,
    GapReason,
    Hypothesis,
    Phrase,
    Record,
    Role,
    TranscriptCompleted,
    Word,
)
from steno.events.schemas import ShippedSchemaIds
from steno.kafka.producer import Producer
from steno.settings import KafkaSettings, TopicSettings

CODEC = Codec(ShippedSchemaIds())
pytestmark = pytest.mark.timeout(240)


def speech(samples: int, *, seed: int = 7) -> bytes:
    """Audio of two channels in which every place can be told from its neighbours."""
    return bytes(number * seed % 251 for number in range(2 * samples))


@pytest.fixture
async def process(kafka: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[IngestProcess]:
    """Ingest that is ready, with an AudioHook integration."""
    settings = {"audiohook_keys_file": write_keys(tmp_path), "resume_seconds": "3"}
    async with IngestProcess(kafka, topic_prefix, tmp_path, f"sqlite:///{tmp_path}/ingest.db", **settings) as process:
        await process.ready()
        yield process


async def log_of(servers: str, prefix: str, call_id: str) -> list[Record]:
    """What stands in the log of a call that has ended, in order."""

    async def ended() -> list[Record]:
        messages = await read_all(servers, f"{prefix}call-audio")
        records = [CODEC.decode(message.value) for message in messages if message.key == call_id.encode()]
        return records if records and isinstance(records[-1], CallEnded) else []

    found: list[Record] = await eventually(ended)
    return found


def audio_of(records: list[Record]) -> dict[int, bytes]:
    """The audio of a log by the position at which each unbroken span of it begins."""
    spans: dict[int, bytes] = {}
    begin = expected = -1
    for record in records:
        if isinstance(record, AudioChunk):
            if record.position != expected:
                begin = record.position
                spans[begin] = b""
            spans[begin] += record.audio
            expected = record.position + len(record.audio) // 2
    return spans


async def tell(servers: str, prefix: str, call_id: str, *texts: str) -> None:
    """What a transcriber would say of a call: a hypothesis, a phrase for each text, and that it is complete."""
    live = ids.live_pass_id(call_id)
    topics = TopicSettings(prefix=prefix, partitions=PARTITIONS)
    producer = Producer(KafkaSettings(bootstrap_servers=servers), topics, CODEC, source="test")
    try:
        for number, text in enumerate(texts):
            about: dict[str, Any] = {
                "call_id": call_id,
                "recording_id": live,
                "phrase_id": ids.phrase_id(call_id, live, 0, number * 1000),
                "channel": 0,
                "start_ms": number * 1000,
                "duration_ms": 400,
                "text": text,
            }
            words = (Word(text=text, start_ms=number * 1000, duration_ms=400, confidence=0.5),)
            await producer.send(HYPOTHESES, Hypothesis(**about, revision=1))
            await producer.send(PHRASES, Phrase(**about, sequence=number, confidence=0.9, words=words))
        completed = TranscriptCompleted(
            call_id=call_id,
            recording_id=live,
            result_url="",
            phrase_count=len(texts),
            channel_count=2,
            duration_ms=1000,
            completed_at=datetime.now(UTC),
        )
        await producer.send(TRANSCRIPTS, completed)
    finally:
        await producer.stop()


async def test_a_call_comes_in_from_genesys_and_captions_go_back(process: IngestProcess, kafka: str, topic_prefix: str) -> None:
    """Audio, pauses of both sides, what was discarded, a change of language: all is on the log at its place, and no more."""
    audio = speech(16_000)
    conversation = Conversation(language="en-gb", custom_config={"queue": "sales"})
    async with audiohook_peer(await process.url(), conversation) as peer:
        await peer.open()
        await peer.speak(audio[:8000])
        await peer.say(peer.client.pause())
        await peer.speak(speech(800, seed=3))
        await peer.say(peer.client.resume())
        await peer.speak(audio[8000:16_000])
        await peer.say(peer.client.discard(1000))
        await peer.say(peer.client.message("update", {"language": "de-de"}))
        await peer.speak(audio[16_000:24_000])
        await _pause_by_api(process, peer)
        await peer.speak(audio[24_000:])
        await peer.say(peer.client.close())
        await tell(kafka, topic_prefix, peer.call_id, "good morning", "goodbye")
        await peer.hear("closed")
        finals = [entity for entity in peer.client.transcripts if entity["isFinal"]]
        assert [_text(entity) for entity in finals] == ["good morning", "goodbye"]
        assert [(entity["offset"], entity["channelId"]) for entity in finals] == [("PT0S", 0), ("PT1S", 0)]
    records = await log_of(kafka, topic_prefix, conversation.conversation_id)
    started = records[0]
    assert isinstance(started, CallStarted)
    assert (started.protocol, started.locale) == ("audiohook", "en-GB")
    assert [channel.role for channel in started.channels] == [Role.CUSTOMER, Role.AGENT]
    assert started.properties["custom.queue"] == "sales"
    assert audio_of(records) == {
        0: audio[:8000],
        4800: audio[8000:16_000],
        9800: audio[16_000:24_000],
        14_600: audio[24_000:],
    }
    others = [record for record in records[1:] if not isinstance(record, AudioChunk)]
    assert [type(record) for record in others] == [
        CallPaused, CallResumed, AudioGap, CallUpdated, CallPaused, CallResumed, CallEnded,
    ]  # fmt: skip
    gap, end = others[2], others[-1]
    assert isinstance(gap, AudioGap)
    assert (gap.position, gap.length, gap.reason) == (8800, 1000, GapReason.DISCARDED)
    assert isinstance(end, CallEnded)
    assert (end.position, end.complete, end.reason) == (18_600, True, "hangup")


async def _pause_by_api(process: IngestProcess, peer: AudioHookPeer) -> None:
    """A pause asked for by the API: the client is asked to stop, 800 samples pass by, and it is asked to go on."""
    assert (await process.request("POST", f"/v1/calls/{peer.call_id}/pause", json={"reason": "card"}))[0] == 200
    await peer.hear("pause")
    await peer.speak(speech(800, seed=3))
    # Accepted: it goes on once the client has answered.
    assert (await process.request("POST", f"/v1/calls/{peer.call_id}/resume"))[0] == 202
    await peer.hear("resume")


def _text(entity: Any) -> str:
    return str(entity["alternatives"][0]["interpretations"][0]["transcript"])


async def test_only_genesys_is_let_in(process: IngestProcess) -> None:
    """Another signature, or the same request twice: 401, half a second late, and no hint at what was wrong."""
    url = await process.url()
    conversation = Conversation()
    target = f"{url}/v1/audiohook".replace("http", "ws", 1)
    headers = upgrade_headers(target, conversation, api_key=API_KEY, secret=SECRET, now=time.time())
    async with audiohook_peer(url, conversation, headers):
        pass
    wrong = [
        headers,
        upgrade_headers(target, conversation, api_key=API_KEY, secret="AAAA", now=time.time()),
        upgrade_headers(target, conversation, api_key=API_KEY, secret=SECRET, now=time.time() - 60),
        upgrade_headers(target, conversation, api_key="another", secret=SECRET, now=time.time()),
        upgrade_headers(target, conversation, api_key=API_KEY, now=0),
    ]
    for refused in wrong:
        began = time.monotonic()
        with pytest.raises(aiohttp.WSServerHandshakeError) as error:
            async with audiohook_peer(url, conversation, refused):
                pass
        assert error.value.status == 401
        assert time.monotonic() - began >= 0.5


async def test_a_probe_leaves_no_trace(process: IngestProcess, kafka: str, topic_prefix: str) -> None:
    """What Genesys tries when an integration is saved is answered, and is no call."""
    async with audiohook_peer(await process.url(), Conversation.probe()) as peer:
        await peer.open()
        await peer.say(peer.client.close())
        await peer.hear("closed")
    status, answer = await process.request("GET", "/v1/calls")
    assert (status, answer["items"]) == (200, [])
    assert await read_all(kafka, f"{topic_prefix}call-audio") == []


async def test_what_goes_wrong_in_one_call_is_told_and_harms_no_other(
    process: IngestProcess, kafka: str, topic_prefix: str
) -> None:
    """A wrong seq, half a sample, a lost connection, a twin: each ends with its reason, and others go on."""
    url = await process.url()
    audio = speech(8000)
    async with audiohook_peer(url) as good:
        await good.open()
        await good.speak(audio[:8000])
        async with audiohook_peer(url) as peer:
            await peer.open()
            peer.client.sequence += 1
            await peer.say(peer.client.ping())
            said = await peer.hear("disconnect")
            assert said.parameters == {"reason": "error", "info": "seq is 4, but should be 3"}
            await peer.hear("closed")
            end = await _end(kafka, topic_prefix, peer)
            assert (end.complete, end.reason, end.error) == (False, "protocol_error", "seq is 4, but should be 3")
        async with audiohook_peer(url) as peer:
            await peer.open()
            await peer.socket.send_bytes(b"\xff" * 3)
            await peer.hear("disconnect")
            assert (await _end(kafka, topic_prefix, peer)).reason == "protocol_error"
        async with audiohook_peer(url) as peer:
            await peer.open()
        assert (await _end(kafka, topic_prefix, peer)).reason == "torn"
        twin = Conversation(conversation_id=good.call_id)
        async with audiohook_peer(url, twin) as peer:
            await peer.open()
            await peer.speak(speech(800, seed=3))
            await peer.say(peer.client.close())
            own = f"{twin.conversation_id}.{twin.session_id}"
            assert audio_of(await log_of(kafka, topic_prefix, own)) == {0: speech(800, seed=3)}
        await good.speak(audio[8000:])
        await good.say(good.client.close())
        await tell(kafka, topic_prefix, good.call_id)
        await good.hear("closed")
    assert audio_of(await log_of(kafka, topic_prefix, good.call_id)) == {0: audio}


async def test_a_session_that_comes_again_goes_on_with_the_call(process: IngestProcess, kafka: str, topic_prefix: str) -> None:
    """One is lost, the next closed for an error: one call, with what came of it at its time, and captions at that of their
    session."""
    url = await process.url()
    first = Conversation()
    async with audiohook_peer(url, first) as peer:
        await peer.open()
        await peer.speak(speech(8000))
    for _ in range(2):
        again = replace(first, session_id=Conversation().session_id)
        async with audiohook_peer(url, again) as peer:
            await peer.open()
            await peer.speak(speech(8000))
            await peer.say(peer.client.close("error"))
            await peer.hear("closed")
    async with audiohook_peer(url, replace(first, session_id=Conversation().session_id)) as peer:
        await peer.open()
        await peer.say(peer.client.close())
        await tell(kafka, topic_prefix, first.conversation_id, "good morning")
        await peer.hear("closed")
        assert peer.client.transcripts == []
    records = await log_of(kafka, topic_prefix, first.conversation_id)
    assert [bytes(audio) for audio in audio_of(records).values()] == [speech(8000)] * 3
    assert [record.reason for record in records if isinstance(record, AudioGap)] == [GapReason.LOST] * 3
    end = records[-1]
    assert isinstance(end, CallEnded)
    assert (end.complete, end.reason) == (False, "hangup")
    status, listed = await process.request("GET", "/v1/calls")
    assert (status, len(listed["items"])) == (200, 1)


async def _end(servers: str, prefix: str, peer: AudioHookPeer) -> CallEnded:
    end = (await log_of(servers, prefix, peer.call_id))[-1]
    assert isinstance(end, CallEnded)
    return end


async def test_the_caller_plays_a_call(process: IngestProcess, kafka: str, topic_prefix: str) -> None:
    """Our own Genesys plays its frames, hears what is understood, and learns that the same session is not taken again: not as
    the conversation's call, nor as one of its own."""
    audio = speech(8000)
    conversation = Conversation()
    url = f"{await process.url()}/v1/audiohook".replace("http", "ws", 1)
    captions: list[Any] = []

    async def frames() -> AsyncIterator[bytes]:
        for start in range(0, len(audio), 3200):
            yield audio[start : start + 3200]
        await tell(kafka, topic_prefix, conversation.conversation_id, "good morning")

    def caller() -> AudioHookPlayer:
        headers = upgrade_headers(url, conversation, api_key=API_KEY, secret=SECRET, now=time.time())
        client = AudioHookClient(conversation, offers=offers_for(["agent", "customer"]))
        return AudioHookPlayer(client, url=url, headers=headers, on_caption=captions.append, speed=50)

    await caller().play(frames())
    assert [caption["text"] for caption in captions if caption["type"] == "phrase"] == ["good morning"]
    records = await log_of(kafka, topic_prefix, conversation.conversation_id)
    assert audio_of(records) == {0: audio}
    started = records[0]
    assert isinstance(started, CallStarted)
    assert [channel.role for channel in started.channels] == [Role.AGENT, Role.CUSTOMER]
    await caller().play(frames())
    with pytest.raises(CallRefused, match="call_id_in_use"):
        await caller().play(frames())


async def test_a_service_that_stops_says_so(process: IngestProcess, kafka: str, topic_prefix: str) -> None:
    """The client is asked to close and is answered; its call ends with all that came, and says that it is not all."""
    audio = speech(4000)
    async with audiohook_peer(await process.url()) as peer:
        await peer.open()
        await peer.speak(audio)
        stopping = asyncio.create_task(process.stop())
        said = await peer.hear("disconnect")
        assert said.parameters == {"reason": "completed", "info": "service_stopping"}
        await peer.hear("closed")
        await peer.socket.close()
        await stopping
    records = await log_of(kafka, topic_prefix, peer.call_id)
    end = records[-1]
    assert isinstance(end, CallEnded)
    assert (end.complete, end.reason) == (False, "service_stopping")
    assert audio_of(records) == {0: audio}
