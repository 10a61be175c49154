"""The doors of live calls: whole conversations, most of them nearly right."""

import json
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from fuzz.inputs import INTEGERS, TEXTS, changed, json_text, sometimes, text
from fuzz.target import Target
from fuzz.targets.door_stand import Ask, Binary, Stand, Step, Text, Wait
from steno_ingest.calls.doors.audiohook import AudioHookDoor, AudioHookOptions
from steno_ingest.calls.doors.speech_sdk import SpeechSdkDoor
from steno_ingest.calls.doors.speech_sdk_options import SdkOptions
from steno_ingest.calls.doors.stream import StreamDoor
from steno_ingest.calls.doors.twilio import TwilioDoor
from support.speech_sdk_peer import NATIVE_CONFIG, RELIABLE, audio_message, riff, text_message

from steno.cli.clients.audio import CallAudio
from steno.cli.clients.audiohook_client import AudioHookClient, Conversation
from steno.cli.clients.stream import CallDescription
from steno.cli.clients.twilio import TwilioClient
from steno.events.records import AudioCodec

ORGANIZATION, SESSION = "d7934305-0972-4844-938e-9060eef73d05", "30b0e395-84d3-4570-ac13-9a62d8f514c0"
_ASKED = ("pause", "resume", "leave", "settled", "transcribed", "acknowledged", "reached", "phrase")


def _message(chance: Random, message: Any, *, share: float = 0.25) -> Text:
    """A message of the peer, that share of the time not as it should be."""
    if chance.random() >= share:
        return Text(json.dumps(message))
    return Text(json_text(chance, sometimes(chance, 0.8, changed, message)))


def _between(chance: Random) -> list[Step]:
    """What happens between two messages, mostly nothing."""
    match chance.randrange(12):
        case 0:
            return [Wait(chance.choice((0.01, 0.6, 5.0, 31.0, 100_000.0)))]
        case 1:
            return [Ask(chance.choice(_ASKED))]
        case 2:
            return [Binary(chance.randbytes(chance.choice((0, 1, 160, 320, 321, 3200))))]
        case 3:
            return [Text(chance.choice(TEXTS))]
        case _:
            return []


def stream_script(chance: Random) -> list[Step]:
    """A conversation at Steno's own door."""
    start: dict[str, Any] = {
        "type": "start",
        "call_id": "call-1",
        "codec": chance.choice(("PCMU", "PCMA", "S16LE")),
        "sample_rate": chance.choice((8000, 16000)),
        "channels": [{"role": "agent", "participant": "Ann"}, {"channel": 1, "role": "customer"}],
        "locale": "en-GB",
        "properties": {"queue": "sales"},
        "paused": chance.random() < 0.1,
    }
    if chance.random() < 0.2:
        start["resume"] = {"sequence": abs(chance.choice(INTEGERS)), "position": abs(chance.choice(INTEGERS))}
    running: list[dict[str, Any]] = [
        {"type": "pause"},
        {"type": "resume", "skipped_ms": chance.choice((0, 20, 86_400_000))},
        {"type": "gap", "length_ms": chance.choice((0, 20, 86_400_000)), "reason": "late"},
        {"type": "dtmf", "digit": "5", "channel": 1},
        {"type": "update", "properties": {"a": "b"}, "locale": "de-DE", "channels": [{"channel": 1, "role": "ivr"}]},
        {"type": "ping"},
    ]
    steps: list[Step] = [_message(chance, start)]
    for _ in range(chance.randrange(12)):
        steps += [*_between(chance), _message(chance, chance.choice(running)), Binary(chance.randbytes(640))]
    return [*steps, _message(chance, {"type": "end"}), *_between(chance), *_between(chance)]


def audiohook_script(chance: Random) -> list[Step]:
    """A session of AudioHook."""
    conversation = Conversation(
        conversation_id=str(UUID(int=chance.getrandbits(128))),
        organization_id=ORGANIZATION,
        session_id=SESSION,
        participant_id=str(UUID(int=chance.getrandbits(128))),
        custom_config={"a": {"b": [1, 2]}},
    )
    client = AudioHookClient(conversation)

    def said(written: str) -> Text:
        return _message(chance, json.loads(written), share=0.15)

    steps: list[Step] = [said(client.open())]
    client.state, client.channels = "open", ("external", "internal")
    for _ in range(chance.randrange(12)):
        steps += _between(chance)
        match chance.randrange(9):
            case 0:
                steps.append(said(client.pause()))
            case 1:
                client.position += chance.choice((0, 160, 8000, 10**9))
                steps.append(said(client.resume()))
            case 2:
                steps.append(said(client.discard(chance.choice((0, 160, 8000, 10**8)))))
            case 3:
                steps.append(said(client.message("dtmf", {"digit": chance.choice("5#A!")})))
            case 4:
                steps.append(said(client.message("update", {"language": chance.choice(("de-de", "", None))})))
            case 5:
                code = chance.choice((400, 429))
                steps.append(said(client.message("error", {"code": code, "message": text(chance), "retryAfter": "PT3S"})))
            case 6:
                steps.append(said(client.message("ping")))
            case _:
                frame = client.audio(chance.randbytes(chance.choice((320, 3200))))
                steps += [] if frame is None else [Binary(frame)]
    return [*steps, said(client.close(chance.choice(("end", "error", "reconnect", "x")))), *_between(chance)]


def twilio_script(chance: Random) -> list[Step]:
    """A stream of Twilio's shape."""
    channels = chance.choice((1, 2))
    audio = CallAudio(path=Path("a.wav"), codec=AudioCodec.PCMU, sample_rate=8000, channels=channels)
    roles = ("customer", "agent")[:channels]
    client = TwilioClient(CallDescription(call_id="call-1", roles=roles, properties={"queue": "sales"}), audio)
    written = list(client.connected())
    for _ in range(chance.randrange(12)):
        written += client.media(chance.randbytes(160 * channels))
    written.append(client.stop())
    if chance.random() < 0.7:
        words = chance.choice(_WORDS)
        written = [_in_words(message, words) for message in written]
    if chance.random() < 0.1:
        chance.shuffle(written)
    steps: list[Step] = []
    for message in written:
        steps += [*_between(chance), _message(chance, json.loads(message), share=0.12)]
    return [*steps, *_between(chance)]


_SNAKE = (("customParameters", "custom_parameters"), ("mediaFormat", "media_format"), ("sampleRate", "sample_rate"))
_LINEAR = (("audio/x-mulaw", "audio/l16"),)
_WORDS = (
    (("streamSid", "stream_id"), ("sequenceNumber", "sequence_number"), ("callSid", "call_control_id"), *_SNAKE),
    (("streamSid", "stream_sid"), ("sequenceNumber", "sequence_number"), ("callSid", "call_sid"), *_SNAKE, *_LINEAR),
    (("streamSid", "streamId"), ("callSid", "callId"), *_LINEAR),
    (("event", "eventType"), ('"start":', '"metadata":'), ("streamSid", "streamId"), ("callSid", "callId")),
    _LINEAR,
)
"""What other platforms than Twilio call things."""


def _in_words(message: str, words: Iterable[tuple[str, str]]) -> str:
    for twilio, other in words:
        message = message.replace(twilio, other)
    return message


def _audiohook_door() -> AudioHookDoor:
    return AudioHookDoor(session_id=SESSION, organization_id=ORGANIZATION, options=AudioHookOptions())


def speech_sdk_script(chance: Random) -> list[Step]:
    """Turns of a Speech SDK client."""
    steps: list[Step] = [Text(_sdk_text(chance, "speech.config", NATIVE_CONFIG))]
    for number in range(chance.randrange(1, 4)):
        turn = f"{number:032x}" if chance.random() < 0.9 else chance.choice(TEXTS)
        context: dict[str, Any] = {
            **(RELIABLE if chance.random() < 0.7 else {}),
            "phraseDetection": {"language": "en-us", "mode": chance.choice(("Interactive", "CONVERSATION"))},
            "dgi": {"groups": [{"type": "Generic", "items": [{"text": "Contoso"}]}]},
        }
        if chance.random() < 0.5:
            ticks = str(abs(chance.choice((*INTEGERS, 10_000_000 * number))))
            context["continuation"] = {"token": f"{number}.{ticks}.c1", "audio": {"streams": {"1": {"offset": ticks}}}}
        steps.append(Text(_sdk_text(chance, "speech.context", context, turn)))
        header = riff(rate=chance.choice((8000, 16_000, 44_100)), bits=chance.choice((8, 16)))
        if chance.random() < 0.1:
            header = bytes(chance.choice(header) for _ in header)
        payloads = [header, *[chance.randbytes(1600) for _ in range(chance.randrange(8))], b""]
        for payload in payloads:
            steps += [Binary(audio_message(payload, turn)), *_between(chance)]
    return steps


def _sdk_text(chance: Random, path: str, body: Any, turn: str = "") -> str:
    said = json.dumps(body) if chance.random() < 0.8 else json_text(chance, sometimes(chance, 0.8, changed, body))
    return text_message(path, said, turn)


def _speech_sdk_door() -> SpeechSdkDoor:
    return SpeechSdkDoor(SdkOptions(), connection_id="c1", other_call_id="c1-other")


_START = {"type": "start", "call_id": "c", "codec": "PCMU", "sample_rate": 8000}
_FAR: list[Step] = [
    Text(json.dumps(_START | {"resume": {"sequence": 2**31 - 1, "position": 65_535}})),
    *[Binary(bytes(1600))] * 3,
]
"""It goes on where no number comes after."""

TARGETS = (
    Target(name="stream_door", make=stream_script, put=lambda script: Stand(StreamDoor()).play(script), known=(_FAR,)),
    Target(name="audiohook_door", make=audiohook_script, put=lambda script: Stand(_audiohook_door()).play(script)),
    Target(name="speech_sdk_door", make=speech_sdk_script, put=lambda script: Stand(_speech_sdk_door()).play(script)),
    Target(name="twilio_door", make=twilio_script, put=lambda script: Stand(TwilioDoor()).play(script)),
)
