"""The client of Steno's own door loses no audio, wherever its connection is cut, and knows when not to come back."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steno.cli.clients.audio import CallAudio
from steno.cli.clients.stream import CallDescription, CallRefused, State, StreamClient
from steno.events.records import AudioCodec

DESCRIPTION = CallDescription(call_id="call-1", roles=("agent", "customer"), properties={"queue": "billing"})
AUDIO = CallAudio(path=Path("a.wav"), codec=AudioCodec.PCMU, sample_rate=8000, channels=2)
STEPS = ("speak", "deliver", "deliver", "answer", "answer", "acknowledge", "cut")


class Door:
    """What the door has of a call over all its connections, as `docs/protocols/stream.md` says."""

    def __init__(self) -> None:
        self.call: dict[str, Any] | None = None
        self.heard = bytearray()
        self.safe = 0
        self.ended = False

    def receive(self, frame: str | bytes) -> list[dict[str, Any]]:
        if isinstance(frame, bytes):
            assert not self.ended
            assert len(frame) % AUDIO.frame_bytes == 0
            assert len(frame) <= 65_536
            self.heard += frame
            return []
        message = json.loads(frame)
        if message["type"] == "end":
            self.ended = True
            return [{"type": "ended", "complete": True}, {"type": "completed", "phrase_count": 3}]
        assert message["type"] == "start"
        assert self.call is None or message.get("resume"), "the call id is in use"
        self.call = self.call or message
        return [{"type": "started", "call_id": "call-1", **self.point(len(self.heard) // AUDIO.frame_bytes)}]

    def acknowledge(self, position: int) -> dict[str, Any]:
        self.safe = max(self.safe, min(position, len(self.heard) // AUDIO.frame_bytes))
        return {"type": "ack", **self.point(self.safe)}

    def die(self) -> None:
        """The process is killed: what was not safe is gone."""
        del self.heard[self.safe * AUDIO.frame_bytes :]

    @staticmethod
    def point(position: int) -> dict[str, int]:
        return {"sequence": position // 800, "position": position}


def started(client: StreamClient, position: int = 0) -> None:
    client.open_connection()
    client.receive(json.dumps({"type": "started", "call_id": "call-1", **Door.point(position)}))


def test_the_start_says_what_the_call_is() -> None:
    """Codec, rate, channels with their roles, language, properties; nothing of resuming at first."""
    client = StreamClient(DESCRIPTION, AUDIO)
    client.open_connection()
    assert json.loads(client.outgoing[0]) == {
        "type": "start",
        "call_id": "call-1",
        "codec": "PCMU",
        "sample_rate": 8000,
        "channels": [{"role": "agent"}, {"role": "customer"}],
        "locale": "en-US",
        "properties": {"queue": "billing"},
    }


def test_what_was_not_acknowledged_is_sent_again() -> None:
    """After a lost connection the client goes on where it is told, behind what is safe."""
    client = StreamClient(DESCRIPTION, AUDIO)
    started(client)
    for byte in range(4):
        client.send_audio(bytes([byte]) * 320)
    client.receive(json.dumps({"type": "ack", "sequence": 3, "position": 160}))
    assert client.unsafe_bytes == 3 * 320
    for sequence in (0, 1, 3):
        client.receive(json.dumps({"type": "phrase", "sequence": sequence}))
    client.close_connection(1006)
    client.open_connection()
    assert json.loads(client.outgoing[0])["resume"] == {"sequence": 3, "position": 160, "phrases": 2}
    client.outgoing.clear()
    client.receive(json.dumps({"type": "started", "sequence": 4, "position": 320}))
    assert b"".join(frame for frame in client.outgoing if isinstance(frame, bytes)) == b"\2" * 320 + b"\3" * 320


def test_phrases_are_counted_in_whatever_order_they_come() -> None:
    """The door tells some seconds later what it learned late, and tells again what was not acknowledged."""
    client = StreamClient(DESCRIPTION, AUDIO)
    started(client)
    for sequence in (0, 3, 1, 1, 0, 2, 4):
        client.receive(json.dumps({"type": "phrase", "sequence": sequence}))
    assert client.phrases == 5


def test_a_door_that_goes_on_where_it_cannot_is_refused() -> None:
    """Audio that was told to be safe is kept no longer: a door that wants it back gets an error, not other audio."""
    client = StreamClient(DESCRIPTION, AUDIO)
    started(client)
    client.send_audio(bytes(320))
    client.receive(json.dumps({"type": "ack", "sequence": 1, "position": 160}))
    client.close_connection(None)
    for position in (0, 161):
        with pytest.raises(CallRefused, match=f"sample {position}"):
            started(client, position)


@pytest.mark.parametrize("code", [None, 1001, 1006, 1011, 1012, 1013])
def test_a_lost_connection_is_come_back_from(code: int | None) -> None:
    """Codes that say that the connection or the server was lost."""
    client = StreamClient(DESCRIPTION, AUDIO)
    started(client)
    client.close_connection(code)
    assert client.state is State.STARTING


@pytest.mark.parametrize("code", [1000, 1002, 1003, 1007, 1008, 1009])
def test_a_refused_call_is_told_with_the_doors_words(code: int) -> None:
    """Any other code ends the call; the door's own error is what a person reads."""
    client = StreamClient(DESCRIPTION, AUDIO)
    client.open_connection()
    client.receive(json.dumps({"type": "error", "code": "call_id_in_use", "message": "another call has this id"}))
    with pytest.raises(CallRefused, match=r"another call has this id \(call_id_in_use\)"):
        client.close_connection(code)
    client = StreamClient(DESCRIPTION, AUDIO)
    started(client)
    with pytest.raises(CallRefused, match=str(code)):
        client.close_connection(code)


def test_an_end_by_others_stops_the_audio() -> None:
    """A call that was ended by the API is over: nothing more is sent, and its connection may close."""
    client = StreamClient(DESCRIPTION, AUDIO)
    started(client)
    client.outgoing.clear()
    client.receive('{"type": "ended", "complete": false}')
    client.send_audio(bytes(320))
    assert not client.outgoing
    client.close_connection(1000)
    assert (client.state, client.complete) == (State.DONE, False)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 30))
def test_wherever_the_connection_is_cut_the_door_hears_what_was_said(seed: int, count: int) -> None:
    """Frames are lost on the way, processes die, acknowledgements do not arrive: the audio on the log is what was spoken."""
    chance = random.Random(seed)
    client, door = StreamClient(DESCRIPTION, AUDIO), Door()
    frames = [bytes([number % 251]) * 320 for number in range(count)]
    waiting, cuts, connected, back = list(frames), 6, False, list[dict[str, Any]]()
    hung_up = False
    while client.state is not State.DONE:
        match (
            chance.choice(["speak", "deliver", "deliver", "answer", "answer", "acknowledge", "cut"]) if connected else "connect"
        ):
            case "connect":
                client.open_connection()
                connected, back = True, []
            case "speak" if waiting:
                client.send_audio(waiting.pop(0))
            case "speak" if not hung_up:
                client.end_call()
                hung_up = True
            case "deliver" if client.outgoing:
                back += door.receive(client.outgoing.popleft())
            case "acknowledge" if door.call is not None and client.state is State.OPEN:
                back.append(door.acknowledge(chance.randrange(count * 160 + 1)))
            case "answer" if back:
                told = back.pop(0)
                client.receive(json.dumps(told))
                if told["type"] == "error":
                    client.close_connection(1008)
                    connected = False
            case "cut" if cuts and not door.ended:
                cuts -= 1
                if chance.random() < 0.5:
                    door.die()
                client.close_connection(chance.choice([None, 1006, 1011, 1012, 1013]))
                connected = False
    assert bytes(door.heard) == b"".join(frames)
    assert client.complete
