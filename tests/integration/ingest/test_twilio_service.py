"""Twilio-shaped streams at ingest: a process of its own, real WebSockets, a real Kafka, signatures."""

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from support.ingest_process import KEY, IngestProcess, eventually
from support.kafka import read_all

from steno.cli.clients import twilio
from steno.cli.clients.audio import open_call_audio, paced
from steno.cli.clients.stream import CallDescription, CallRefused
from steno.cli.clients.twilio import TwilioClient
from steno.events.codec import Codec
from steno.events.records import AudioChunk, AudioCodec, AudioGap, CallEnded, CallStarted, CallUpdated, GapReason, Record, Role
from steno.events.schemas import ShippedSchemaIds

CODEC = Codec(ShippedSchemaIds())
TOKEN = "12345678901234567890123456789012"
SAMPLE = Path(__file__).parents[3] / "samples" / "lost-card.wav"
SECONDS = 5
pytestmark = pytest.mark.timeout(240)


@asynccontextmanager
async def ingest(servers: str, prefix: str, folder: Path, *, rejoin_seconds: int = 0) -> AsyncIterator[IngestProcess]:
    """Ingest that is ready, and knows Twilio's token."""
    (folder / "tokens").write_text(TOKEN + "\n", "utf-8")
    settings = {"twilio_auth_tokens_file": str(folder / "tokens"), "twilio_rejoin_seconds": str(rejoin_seconds)}
    async with IngestProcess(servers, prefix, folder, f"sqlite:///{folder}/ingest.db", **settings) as process:
        await process.ready()
        yield process


async def ended_log(servers: str, prefix: str, call_id: str) -> list[Record]:
    """What stands in the log of a call, once it has ended."""

    async def ended() -> list[Record]:
        messages = await read_all(servers, f"{prefix}call-audio")
        records = [CODEC.decode(message.value) for message in messages if message.key == call_id.encode()]
        return records if any(isinstance(record, CallEnded) for record in records) else []

    found: list[Record] = await eventually(ended)
    return found


def recorded() -> tuple[TwilioClient, list[bytes]]:
    """A call of both tracks, and its frames."""
    audio = open_call_audio(SAMPLE)
    assert (audio.codec, audio.channels) == (AudioCodec.PCMU, 2)
    description = CallDescription(call_id="call-1", roles=("agent", "customer"), properties={"queue": "cards"})
    frames = list(itertools.islice(audio.frames(twilio.FRAME_MS), SECONDS * 1000 // twilio.FRAME_MS))
    return TwilioClient(description, audio), frames


def as_spoken(frames: Iterable[bytes]) -> AsyncIterator[bytes]:
    return paced(frames, seconds=twilio.FRAME_MS / 1000, speed=20)


async def test_a_signed_stream_comes_onto_the_log_as_it_was_spoken(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """Both tracks, interleaved as in the recording, byte for byte; roles and properties from the parameters."""
    client, frames = recorded()
    async with ingest(kafka, topic_prefix, tmp_path) as process:
        url = (await process.url()).replace("http", "ws") + "/v1/twilio"
        await twilio.play(client, as_spoken(frames), url=url, token=TOKEN)
        start, *records = await ended_log(kafka, topic_prefix, "call-1")
    assert isinstance(start, CallStarted)
    assert [channel.role for channel in start.channels] == [Role.AGENT, Role.CUSTOMER]
    assert (start.protocol, start.properties["queue"], start.properties["platform"]) == ("twilio", "cards", "twilio")
    assert b"".join(record.audio for record in records if isinstance(record, AudioChunk)) == b"".join(frames)
    end = records[-1]
    assert isinstance(end, CallEnded)
    assert (end.complete, end.reason, end.position) == (True, "hangup", SECONDS * 8000)


async def test_a_stream_that_is_not_signed_needs_a_key(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """A wrong token is 401, whatever the rest; a key does as well as a signature."""
    async with ingest(kafka, topic_prefix, tmp_path) as process:
        url = (await process.url()).replace("http", "ws") + "/v1/twilio"
        for credentials in ({"token": "another"}, {"key": "another"}):
            client, frames = recorded()
            with pytest.raises(CallRefused, match="401"):
                await twilio.play(client, as_spoken(frames), url=url, **credentials)
        client, frames = recorded()
        await twilio.play(client, as_spoken(frames[:10]), url=url, key=KEY)
        with pytest.raises(CallRefused, match=r"call_id_in_use \(code 1008\)"):
            await twilio.play(client, as_spoken(frames[:10]), url=url, key=KEY)


async def test_a_torn_stream_keeps_all_that_came(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """A frame that waited for the other track is on the log, and the ledger says how the call ended."""
    client, frames = recorded()
    async with ingest(kafka, topic_prefix, tmp_path) as process:
        url = await process.url()
        async with process.session() as session, session.ws_connect(f"{url}/v1/twilio") as socket:
            for message in (*client.connected(), *client.media(frames[0]), client.media(frames[1])[0]):
                await socket.send_str(message)
            await eventually(lambda: _known(process))
        records = await ended_log(kafka, topic_prefix, "call-1")
    heard = b"".join(record.audio for record in records if isinstance(record, AudioChunk))
    half = bytearray(b"\xff" * len(frames[1]))
    half[0::2] = frames[1][0::2]
    assert heard == frames[0] + half
    (updated,) = [record for record in records if isinstance(record, CallUpdated)]
    assert updated.properties == {"missing_ms_outbound": "20"}
    end = records[-1]
    assert isinstance(end, CallEnded)
    assert (end.complete, end.reason) == (False, "torn")


async def _known(process: IngestProcess) -> bool:
    return (await process.request("GET", "/v1/calls/call-1"))[0] == 200


async def test_a_stream_of_another_codec_is_told_what_to_set(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """Telnyx may send Opus: the close says what it should be; the call beside it does not notice."""
    media_format = {"encoding": "OPUS", "sample_rate": 16000, "channels": 1}
    start = {"event": "start", "stream_id": "s", "start": {"call_control_id": "c", "media_format": media_format}}
    client, frames = recorded()
    async with ingest(kafka, topic_prefix, tmp_path) as process:
        url = await process.url()
        beside = asyncio.create_task(twilio.play(client, as_spoken(frames), url=f"{url}/v1/twilio", key=KEY))
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/v1/twilio?api_key={KEY}") as socket:
            await socket.send_str(json.dumps(start))
            closing = await socket.receive(timeout=10)
            assert (closing.type, closing.data) == (aiohttp.WSMsgType.CLOSE, 1008)
            assert "'OPUS' at 16000 Hz" in str(closing.extra)
        await beside


async def test_telnyx_frames_come_onto_the_log_in_order(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """Its own names, and frames that overtake each other."""
    media_format = {"encoding": "PCMU", "sample_rate": 8000, "channels": 1}
    start = {"call_control_id": "v3:abc", "media_format": media_format, "custom_parameters": {"tracks": "inbound"}}
    async with ingest(kafka, topic_prefix, tmp_path) as process:
        url = await process.url()
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/v1/twilio?api_key={KEY}") as socket:
            await socket.send_str(json.dumps({"event": "start", "stream_id": "s", "start": start}))
            for number in (1, 0, 2, 4, 5, 3):
                payload = base64.b64encode(bytes([number + 1]) * 160).decode()
                media = {"track": "inbound", "chunk": number + 1, "timestamp": number * 20, "payload": payload}
                await socket.send_str(json.dumps({"event": "media", "stream_id": "s", "media": media}))
            await socket.send_str(json.dumps({"event": "stop", "stream_id": "s", "stop": {}}))
            closing = await socket.receive(timeout=10)
            assert closing.data == 1000
        records = await ended_log(kafka, topic_prefix, "v3:abc")
    heard = b"".join(record.audio for record in records if isinstance(record, AudioChunk))
    assert heard == b"".join(bytes([number + 1]) * 160 for number in range(6))


async def test_two_streams_one_after_the_other_are_one_call(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """Stopped for a card number and started again: one call on one clock, complete, over once no third stream comes."""
    async with ingest(kafka, topic_prefix, tmp_path, rejoin_seconds=2) as process:
        url = f"{await process.url()}/v1/twilio?api_key={KEY}"
        sent: list[bytes] = []
        for stream in range(2):
            client, frames = recorded()
            sent.append(b"".join(frames[:50]))
            async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
                for message in client.connected():
                    await socket.send_str(message)
                for frame in frames[:50]:
                    for message in client.media(frame):
                        await socket.send_str(message)
                await socket.send_str(client.stop())
                await asyncio.sleep(0.5 * (1 - stream))
        start, *records = await ended_log(kafka, topic_prefix, "call-1")
    assert isinstance(start, CallStarted)
    assert b"".join(record.audio for record in records if isinstance(record, AudioChunk)) == b"".join(sent)
    (gap,) = [record for record in records if isinstance(record, AudioGap)]
    assert gap.reason is GapReason.DISCARDED
    # A service that is behind hears both sooner after one another.
    assert 0 < gap.length < 10 * 8000
    end = records[-1]
    assert isinstance(end, CallEnded)
    assert (end.complete, end.reason, end.position) == (True, "hangup", 2 * 8000 + gap.length)


async def test_two_streams_side_by_side_are_one_call(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """A track each, on sockets of their own: one call of two channels, that ends once."""
    _, frames = recorded()
    async with ingest(kafka, topic_prefix, tmp_path) as process:
        url = f"{await process.url()}/v1/twilio?api_key={KEY}"
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as one, session.ws_connect(url) as other:
            sockets = {"inbound": one, "outbound": other}
            for track, socket in sockets.items():
                told = {"callSid": "call-1", "tracks": [track], "mediaFormat": {"encoding": "audio/x-mulaw"}}
                await socket.send_str(json.dumps({"event": "start", "streamSid": track, "start": told}))
            for number, frame in enumerate(frames[:50]):
                for channel, (track, socket) in enumerate(sockets.items()):
                    payload = base64.b64encode(frame[channel::2]).decode()
                    media = {"track": track, "chunk": number + 1, "timestamp": number * 20, "payload": payload}
                    await socket.send_str(json.dumps({"event": "media", "streamSid": track, "media": media}))
                await asyncio.sleep(0.01)
            for socket in (other, one):
                await socket.send_str(json.dumps({"event": "stop"}))
                assert (await socket.receive(timeout=10)).data == 1000
        start, *records = await ended_log(kafka, topic_prefix, "call-1")
    assert isinstance(start, CallStarted)
    assert [channel.role for channel in start.channels] == [Role.CUSTOMER, Role.AGENT]
    heard = b"".join(record.audio for record in records if isinstance(record, AudioChunk))
    spoken = b"".join(frames[:50])
    assert spoken[0::2] in heard[0::2]
    assert spoken[1::2] in heard[1::2]
    end = records[-1]
    assert isinstance(end, CallEnded)
    assert (end.complete, end.reason) == (True, "hangup")
