"""Each platform's conversation, as its documentation has it, becomes the call it tells of: a row a platform."""

import base64
import json
import struct
from dataclasses import dataclass
from typing import Any

import pytest
from steno_ingest.calls.doors.actions import Action, Audio, Dtmf, Ended, Offered, ResumePoint, Unusable
from steno_ingest.calls.doors.audio_format import AudioFormat
from steno_ingest.calls.doors.twilio import TwilioDoor
from steno_ingest.calls.doors.twilio_dialects import DIALECTS

from steno.events.records import AudioCodec

MULAW, LINEAR = AudioCodec.PCMU, AudioCodec.S16LE
WAVE = struct.pack("<160h", *(1_000 + 37 * number for number in range(160)))
"""Twenty milliseconds of linear audio at 8 kHz, each sample another one."""
FRAME = bytes(range(1, 161))
"""The same of G.711."""
UUID = "7a0c3f5e-0001-4e5f-9ac8-0242ac110002"


def b64(audio: bytes) -> str:
    return base64.b64encode(audio).decode("ascii")


@dataclass(frozen=True)
class Conversation:
    """What a platform sends, and the call it is."""

    messages: tuple[dict[str, Any], ...]
    call_id: str
    tracks: int
    codec: AudioCodec
    properties: dict[str, str]
    audio: bytes
    sample_rate: int = 8000
    digit: str = ""
    stops: bool = True


TWILIO_START = {
    "accountSid": "AC" + "0" * 32,
    "streamSid": "MZ1",
    "callSid": "CA1",
    "tracks": ["inbound"],
    "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
    "customParameters": {"FirstName": "Jane"},
}
TWILIO = (
    {"event": "connected", "protocol": "Call", "version": "1.0.0"},
    {"event": "start", "sequenceNumber": "1", "start": TWILIO_START, "streamSid": "MZ1"},
    {
        "event": "media",
        "sequenceNumber": "2",
        "media": {"track": "inbound", "chunk": "1", "timestamp": "5", "payload": b64(FRAME)},
        "streamSid": "MZ1",
    },
    {"event": "dtmf", "streamSid": "MZ1", "sequenceNumber": "3", "dtmf": {"track": "inbound_track", "digit": "1"}},
    {"event": "stop", "sequenceNumber": "4", "stop": {"accountSid": "AC", "callSid": "CA1"}, "streamSid": "MZ1"},
)

CONVERSATIONS = {
    "twilio": Conversation(
        messages=TWILIO,
        call_id="CA1",
        tracks=1,
        codec=MULAW,
        properties={"stream_id": "MZ1", "call_sid": "CA1", "account_sid": "AC" + "0" * 32, "FirstName": "Jane"},
        audio=FRAME,
        digit="1",
    ),
    "signalwire": Conversation(
        messages=(
            {"event": "connected", "protocol": "Call", "version": "0.2.0"},
            {
                "event": "start",
                "sequenceNumber": "1",
                "start": {
                    "streamSid": "s-1",
                    "accountSid": UUID,
                    "callSid": "c-1",
                    "tracks": ["inbound"],
                    "mediaFormat": {"encoding": "L16", "sampleRate": 16000, "channels": 1},
                    "customParameters": {},
                },
                "streamSid": "s-1",
            },
            {
                "event": "media",
                "sequenceNumber": "2",
                "media": {"track": "inbound", "chunk": "1", "timestamp": "0", "payload": b64(WAVE * 2)},
                "streamSid": "s-1",
            },
            {"event": "stop", "sequenceNumber": "3", "stop": {"accountSid": UUID, "callSid": "c-1"}, "streamSid": "s-1"},
        ),
        call_id="c-1",
        tracks=1,
        codec=LINEAR,
        sample_rate=16_000,
        properties={"stream_id": "s-1", "call_sid": "c-1", "account_sid": UUID},
        audio=WAVE * 2,
    ),
    "telnyx": Conversation(
        messages=(
            {"event": "connected", "version": "1.0.0"},
            {
                "event": "start",
                "sequence_number": "1",
                "start": {
                    "user_id": "u",
                    "call_control_id": "v2:T02",
                    "call_session_id": "ff55",
                    "from": "+13122010094",
                    "to": "+13122123456",
                    "client_state": "aGF2ZQ==",
                    "custom_parameters": {"tracks": "inbound"},
                    "media_format": {"encoding": "L16", "sample_rate": 16000, "channels": 1},
                },
                "stream_id": "32DE",
            },
            *(
                {
                    "event": "media",
                    "sequence_number": str(number + 2),
                    "media": {"track": "inbound", "chunk": str(number), "timestamp": str(number * 20), "payload": payload},
                    "stream_id": "32DE",
                }
                for number, payload in ((2, b64(WAVE[:320][::-1] * 2)), (1, b64(WAVE[:320][::-1] * 2)))
            ),
            {
                "event": "dtmf",
                "stream_id": "32DE",
                "occurred_at": "2026-01-01T00:00:00Z",
                "sequence_number": "5",
                "dtmf": {"digit": "1"},
            },
            {
                "event": "stop",
                "sequence_number": "6",
                "stop": {"user_id": "u", "call_control_id": "v2:T02"},
                "stream_id": "32DE",
            },
        ),
        call_id="v2:T02",
        tracks=1,
        codec=LINEAR,
        sample_rate=16_000,
        properties={
            "stream_id": "32DE",
            "call_control_id": "v2:T02",
            "call_session_id": "ff55",
            "from": "+13122010094",
            "to": "+13122123456",
            "client_state": "aGF2ZQ==",
        },
        # Most significant byte first on the wire: reversed bytes are the samples backwards, each the other way round.
        audio=struct.pack("<160h", *(1_000 + 37 * number for number in reversed(range(160)))) * 4,
        digit="1",
    ),
    "plivo": Conversation(
        messages=(
            {
                "event": "start",
                "sequenceNumber": 1,
                "start": {
                    "callId": UUID,
                    "streamId": "stream-1",
                    "accountId": "MA1",
                    "tracks": ["inbound"],
                    "mediaFormat": {"encoding": "audio/x-l16", "sampleRate": 8000},
                },
                "extra_headers": "userId=12345;sessionId=abc-xyz",
            },
            {
                "event": "media",
                "sequenceNumber": 2,
                "streamId": "stream-1",
                "media": {"track": "inbound", "timestamp": "1705312200000", "chunk": 1, "payload": b64(WAVE)},
                "extra_headers": "userId=12345;sessionId=abc-xyz",
            },
            {
                "event": "dtmf",
                "sequenceNumber": 3,
                "streamId": "stream-1",
                "dtmf": {"track": "inbound", "digit": "5", "timestamp": "1705312200100"},
            },
            {
                "event": "media",
                "sequenceNumber": 4,
                "streamId": "stream-1",
                "media": {"track": "inbound", "timestamp": "1705312200020", "chunk": 2, "payload": b64(WAVE)},
            },
        ),
        call_id=UUID,
        tracks=1,
        codec=LINEAR,
        properties={"stream_id": "stream-1", "account_id": "MA1", "userId": "12345", "sessionId": "abc-xyz"},
        audio=WAVE * 2,
        digit="5",
        stops=False,
    ),
    "smartflo": Conversation(
        messages=(
            {"event": "connected"},
            {
                "event": "start",
                "sequenceNumber": "1",
                "start": {
                    "streamSid": "MZ1",
                    "accountSid": "AC1",
                    "callSid": "CA1",
                    "from": "911",
                    "to": "912",
                    "direction": "inbound",
                    "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "bitRate": 64, "bitDepth": 8},
                    "customParameters": {"FirstName": "Jane"},
                },
                "streamSid": "MZ1",
            },
            {
                "event": "media",
                "sequenceNumber": "2",
                "media": {"chunk": "1", "timestamp": "5", "payload": b64(FRAME * 5)},
                "streamSid": "MZ1",
            },
            {"event": "dtmf", "sequenceNumber": "3", "dtmf": {"digit": "9"}},
            {
                "event": "stop",
                "sequenceNumber": "4",
                "stop": {"accountSid": "AC1", "callSid": "CA1", "reason": "The caller hung up"},
            },
        ),
        call_id="CA1",
        tracks=1,
        codec=MULAW,
        properties={
            "stream_id": "MZ1",
            "call_sid": "CA1",
            "account_sid": "AC1",
            "from": "911",
            "to": "912",
            "direction": "inbound",
            "FirstName": "Jane",
        },
        audio=FRAME * 5,
        digit="9",
    ),
    "exotel": Conversation(
        messages=(
            {"event": "connected"},
            {
                "event": "start",
                "sequence_number": "1",
                "stream_sid": "MZ1",
                "start": {
                    "stream_sid": "MZ1",
                    "call_sid": "CA1",
                    "account_sid": "AC1",
                    "from": "+919876543210",
                    "to": "+918047491899",
                    "custom_parameters": {"key1": "value1"},
                    "media_format": {"encoding": "audio/x-raw", "sample_rate": "8000", "bit_rate": "16"},
                },
            },
            {
                "event": "media",
                "sequence_number": "2",
                "stream_sid": "MZ1",
                "media": {"chunk": "1", "timestamp": "100", "payload": b64(WAVE * 5)},
            },
            {
                "event": "media",
                "sequence_number": "3",
                "stream_sid": "MZ1",
                "media": {"chunk": "2", "timestamp": "200", "payload": b64(WAVE * 5)},
            },
            {"event": "dtmf", "sequence_number": "7", "stream_sid": "MZ1", "dtmf": {"digit": "5", "duration": "100"}},
            {
                "event": "stop",
                "sequence_number": "10",
                "stream_sid": "MZ1",
                "stop": {"call_sid": "CA1", "account_sid": "AC1", "reason": "callended"},
            },
        ),
        call_id="CA1",
        tracks=1,
        codec=LINEAR,
        properties={
            "stream_id": "MZ1",
            "call_sid": "CA1",
            "account_sid": "AC1",
            "from": "+919876543210",
            "to": "+918047491899",
            "key1": "value1",
        },
        audio=WAVE * 10,
        digit="5",
    ),
    "bandwidth": Conversation(
        messages=(
            {
                "eventType": "start",
                "metadata": {
                    "accountId": "920012",
                    "callId": "c-95ac8d6e",
                    "streamId": "s-95ac8e24",
                    "streamName": "live",
                    "tracks": [
                        {"name": "inbound", "mediaFormat": {"encoding": "PCMU", "sampleRate": 8000}},
                        {"name": "outbound", "mediaFormat": {"encoding": "PCMU", "sampleRate": 8000}},
                    ],
                },
                "streamParams": {"queue": "billing"},
            },
            {"eventType": "media", "track": "inbound", "payload": b64(FRAME), "sequenceNumber": "1"},
            {"eventType": "media", "track": "outbound", "payload": b64(FRAME), "sequenceNumber": "2"},
            {"eventType": "media", "track": "outbound", "payload": b64(FRAME), "sequenceNumber": "2"},
            {"eventType": "stop", "metadata": {"callId": "c-95ac8d6e", "streamId": "s-95ac8e24"}},
        ),
        call_id="c-95ac8d6e",
        tracks=2,
        codec=MULAW,
        properties={"stream_id": "s-95ac8e24", "account_id": "920012", "stream_name": "live", "queue": "billing"},
        audio=bytes(byte for pair in zip(FRAME, FRAME, strict=True) for byte in pair),
    ),
}


def said(*messages: dict[str, Any]) -> list[Action]:
    """What a door makes of a conversation whose socket is lost afterwards."""
    door = TwilioDoor()
    actions: list[Action] = []
    for message in messages:
        for action in door.receive_text(json.dumps(message), now=0):
            actions.append(action)
            if isinstance(action, Offered):
                actions += door.accept(at=ResumePoint(sequence=0, position=0), now=0)
    return [*actions, *door.lose_connection()]


def audio_of(actions: list[Action]) -> bytes:
    return b"".join(action.data for action in actions if isinstance(action, Audio))


def offered_of(actions: list[Action]) -> Offered:
    (offered,) = [action for action in actions if isinstance(action, Offered)]
    return offered


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_a_conversation_becomes_the_call_it_tells_of(dialect: Any) -> None:
    """Id, tracks, format, properties, keys, audio and end, as the platform has them; nothing of it is unusable."""
    talk = CONVERSATIONS[dialect.name]
    actions = said(*talk.messages)
    offered = offered_of(actions)
    assert (offered.call_id, len(offered.channels)) == (talk.call_id, talk.tracks)
    assert offered.format == AudioFormat(talk.codec, talk.sample_rate)
    assert offered.properties == {"platform": dialect.name, **talk.properties}
    assert audio_of(actions) == talk.audio
    assert [action.digit for action in actions if isinstance(action, Dtmf)] == ([talk.digit] if talk.digit else [])
    assert not [action for action in actions if isinstance(action, Unusable)]
    (ended,) = [action for action in actions if isinstance(action, Ended)]
    assert ended.complete is talk.stops


def twilio(**start: Any) -> dict[str, Any]:
    return {"event": "start", "streamSid": "MZ1", "start": TWILIO_START | start}


def media(**content: Any) -> dict[str, Any]:
    return {"event": "media", "streamSid": "MZ1", "media": {"payload": b64(FRAME)} | content}


@pytest.mark.parametrize("encoding", ["mulaw", "MULAW", "ulaw", "pcmu", "audio/pcmu", "audio/x-mulaw;rate=8000", "", None])
def test_mulaw_has_many_names(encoding: str | None) -> None:
    """Whatever it is called, or where a platform of µ-law does not say."""
    offered = offered_of(said(twilio(mediaFormat={"encoding": encoding, "sampleRate": "8000.0"})))
    assert offered.format == AudioFormat(MULAW, 8000)


@pytest.mark.parametrize("encoding", ["L16", "audio/l16", "audio/x-l16;rate=16000", "raw/slin", "pcm16", "linear16"])
def test_linear_audio_has_many_names(encoding: str) -> None:
    """So has linear audio of 16 bits; a rate may stand behind its name."""
    rate = {} if "rate" in encoding else {"sampleRate": 16000}
    offered = offered_of(said(twilio(mediaFormat={"encoding": encoding, **rate})))
    assert offered.format == AudioFormat(LINEAR, 16_000)


def test_a_start_may_leave_out_the_format() -> None:
    """Then it is as the platform has it."""
    start = {name: value for name, value in TWILIO_START.items() if name != "mediaFormat"}
    assert offered_of(said({"event": "start", "streamSid": "MZ1", "start": start})).format.codec is MULAW
    exotel = {"event": "start", "stream_sid": "s", "start": {"call_sid": "c", "media_format": {"encoding": "base64"}}}
    assert offered_of(said(exotel)).format.codec is LINEAR


def test_a_stream_may_be_named_in_its_start_alone() -> None:
    """And messages that name none are of the one stream there is."""
    actions = said(
        {"event": "start", "start": TWILIO_START},
        {"event": "media", "media": {"payload": b64(FRAME)}},
        {"event": "dtmf", "dtmf": {"digit": "#"}},
        {"event": "stop"},
    )
    assert offered_of(actions).properties["stream_id"] == "MZ1"
    assert audio_of(actions) == FRAME
    assert actions[-1] == Ended(complete=True, reason="hangup")


def test_timestamps_may_have_fractions() -> None:
    """Frames stand where they should, to the sample."""
    frames = [media(track="inbound", chunk=number + 1, timestamp=str(number * 20 + 0.125)) for number in range(5)]
    late = media(track="inbound", chunk=6, timestamp=300.5)
    actions = said(twilio(), *frames, late, media(track="inbound", chunk=7, timestamp="320.5"), {"event": "stop"})
    assert audio_of(actions) == FRAME * 7


@pytest.mark.parametrize("order", ["<", ">"])
def test_linear_audio_tells_its_order_of_bytes(order: str) -> None:
    """Silence and clicks tell nothing; speech does, and from there on all of it comes out right."""
    quiet = bytes(320)
    clicks = struct.pack(f"{order}160h", *([0] * 80 + [32_767, -32_767] * 40))
    speech = [int(9_000 * ((number * 7) % 50 - 25) / 25) + number for number in range(160)]
    payloads = [quiet, struct.pack(f"{order}160h", *speech), clicks]
    start = twilio(mediaFormat={"encoding": "L16", "sampleRate": 8000})
    actions = said(start, *(media(chunk=number, payload=b64(audio)) for number, audio in enumerate(payloads)))
    heard = struct.unpack("<480h", audio_of(actions))
    assert heard[160:320] == tuple(speech)
    assert set(heard[320:]) == {0, 32_767, -32_767}


def test_half_a_sample_is_unusable() -> None:
    """Linear audio comes in whole samples; a payload that does not is passed over."""
    start = twilio(mediaFormat={"encoding": "L16", "sampleRate": 8000})
    actions = said(start, media(chunk=1, payload=b64(WAVE[:-1])), media(chunk=2, payload=b64(WAVE)), {"event": "stop"})
    assert [action.reason for action in actions if isinstance(action, Unusable)] == ["payload"]
    assert audio_of(actions) == WAVE
