"""Twilio-shaped streams become calls: three dialects, ids and roles from parameters, and an end with a reason in any case."""

import base64
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steno_ingest.calls.doors.actions import (
    Action,
    Audio,
    Close,
    CloseReason,
    Dtmf,
    Ended,
    Gap,
    Offered,
    ResumePoint,
    Unusable,
    Updated,
)
from steno_ingest.calls.doors.audio_format import AudioFormat
from steno_ingest.calls.doors.port import Refusal
from steno_ingest.calls.doors.twilio import TwilioDoor
from support.effort import examples

from steno.cli.clients.audio import CallAudio
from steno.cli.clients.stream import CallDescription
from steno.cli.clients.twilio import TwilioClient
from steno.events.records import AudioCodec, Role

START = ResumePoint(sequence=0, position=0)


def caller(
    *, channels: int = 2, roles: tuple[str, ...] = ("customer", "agent"), properties: dict[str, str] | None = None
) -> TwilioClient:
    audio = CallAudio(path=Path("a.wav"), codec=AudioCodec.PCMU, sample_rate=8000, channels=channels)
    description = CallDescription(call_id="call-1", roles=roles[:channels], locale="en-GB", properties=properties or {})
    return TwilioClient(description, audio)


class Talk:
    """A door and all it did, its call accepted as soon as it is offered unless told otherwise."""

    def __init__(self, *, accept: bool = True) -> None:
        self.door = TwilioDoor()
        self.actions: list[Action] = []
        self.now = 0.0
        self._accept = accept

    def hear(self, *messages: str | dict[str, Any]) -> list[Action]:
        before = len(self.actions)
        for message in messages:
            text = message if isinstance(message, str) else json.dumps(message)
            self.did(self.door.receive_text(text, now=self.now))
        return self.actions[before:]

    def did(self, actions: Iterable[Action]) -> None:
        for action in list(actions):
            self.actions.append(action)
            if isinstance(action, Offered) and self._accept:
                self.did(self.door.accept(at=START, now=self.now))

    @property
    def audio(self) -> bytes:
        return b"".join(action.data for action in self.actions if isinstance(action, Audio))

    def only(self, kind: type[Action]) -> Any:
        (found,) = [action for action in self.actions if isinstance(action, kind)]
        return found


def telnyx(event: str, content: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"event": event, event: content, "stream_id": "32DE0DEA", **more}


def telnyx_start(**start: Any) -> dict[str, Any]:
    content = {
        "call_control_id": "v2:T02",
        "call_session_id": "ff55a038",
        "from": "+13122010094",
        "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
    }
    return telnyx("start", content | start, sequence_number="1")


def test_a_call_of_two_tracks_comes_out_as_it_went_in() -> None:
    """What the client sends is the recording again, channel by channel, and the call is complete."""
    client, talk = caller(properties={"queue": "billing"}), Talk()
    frames = [bytes([number % 250, 250 - number % 250]) * 160 for number in range(100)]
    talk.hear(*client.connected())
    for frame in frames:
        talk.hear(*client.media(frame))
    talk.hear(client.stop())
    assert talk.audio == b"".join(frames)
    offered = talk.only(Offered)
    assert (offered.call_id, offered.format, offered.locale) == ("call-1", AudioFormat(AudioCodec.PCMU, 8000), "en-GB")
    assert [channel.role for channel in offered.channels] == [Role.CUSTOMER, Role.AGENT]
    assert offered.properties["queue"] == "billing"
    assert offered.properties["platform"] == "twilio"
    assert offered.properties["call_sid"] == client.call_sid
    assert talk.actions[-1] == Ended(complete=True, reason="hangup")
    assert list(talk.door.settle(now=0)) == [Close(why=CloseReason.DONE)]


def test_one_track_is_one_channel() -> None:
    """A stream of the inbound track alone is a call of one channel."""
    client, talk = caller(channels=1), Talk()
    talk.hear(*client.connected(), *client.media(b"\1" * 160))
    assert len(talk.only(Offered).channels) == 1
    assert talk.audio == b"\1" * 160


def test_inbound_is_the_customer_unless_told_otherwise() -> None:
    """Without a parameter the roles follow from the tracks; the parameter counts where there is one."""
    talk = Talk()
    talk.hear(telnyx_start())
    assert [channel.role for channel in talk.only(Offered).channels] == [Role.CUSTOMER, Role.AGENT]
    talk = Talk()
    talk.hear(telnyx_start(custom_parameters={"roles": "ivr, customer"}))
    assert [channel.role for channel in talk.only(Offered).channels] == [Role.IVR, Role.CUSTOMER]


def test_telnyx_names_things_differently() -> None:
    """Its ids, parameters and format are found under its own names, and its call id is the call's."""
    talk = Talk()
    talk.hear(
        {"event": "connected", "version": "1.0.0"}, telnyx_start(custom_parameters={"tracks": "inbound_track", "vip": "yes"})
    )
    offered = talk.only(Offered)
    assert offered.call_id == "v2:T02"
    assert len(offered.channels) == 1
    assert offered.properties == {
        "platform": "telnyx",
        "stream_id": "32DE0DEA",
        "call_control_id": "v2:T02",
        "call_session_id": "ff55a038",
        "from": "+13122010094",
        "vip": "yes",
    }


def test_telnyx_frames_are_ordered_by_chunk() -> None:
    """Frames that come in any order within the patience are put in order."""
    talk = Talk()
    talk.hear(telnyx_start(custom_parameters={"tracks": "inbound"}))
    for number in (2, 0, 1, 4, 3, 5):
        payload = base64.b64encode(bytes([number]) * 160).decode()
        media = {"track": "inbound", "chunk": str(number + 1), "timestamp": str(number * 20), "payload": payload}
        talk.hear(telnyx("media", media, sequence_number=str(7 - number)))
    talk.hear(telnyx("stop", {"call_control_id": "v2:T02"}))
    assert talk.audio == b"".join(bytes([number]) * 160 for number in range(6))
    assert talk.only(Ended).complete


def test_signalwire_is_told_from_twilio_by_its_account() -> None:
    """Its accounts are UUIDs."""
    client, talk = caller(), Talk()
    start = json.loads(client.connected()[1])
    start["start"]["accountSid"] = "7a0c3f5e-0001-4e5f-9ac8-0242ac110002"
    talk.hear(start)
    assert talk.only(Offered).properties["platform"] == "signalwire"


def test_what_comes_before_the_call_is_accepted_follows_it() -> None:
    """A platform does not wait for anybody: media and stop are kept until the ledger has the call."""
    client, talk = caller(), Talk(accept=False)
    frame = b"\1\2" * 160
    talk.hear(*client.connected(), *client.media(frame), client.stop())
    assert [type(action) for action in talk.actions] == [Offered]
    assert list(talk.door.accept(at=START, now=1)) == [Audio(data=frame), Ended(complete=True, reason="hangup")]


def test_a_call_that_is_not_accepted_does_not_pile_up() -> None:
    """Half a minute of a call nobody took: the stream is closed, to be tried again later."""
    client, talk = caller(), Talk(accept=False)
    talk.hear(*client.connected())
    for _ in range(2_000):
        talk.hear(*client.media(b"\1\2" * 160))
    assert talk.actions[-1] == Close(why=CloseReason.TRY_AGAIN, detail="the call cannot be accepted now; try again")
    assert talk.hear(*client.media(b"\1\2" * 160)) == []
    held = list(talk.door.accept(at=START, now=1))
    assert held[-1] == Ended(complete=False, reason="not_accepted", error="the call was not accepted in time")


@pytest.mark.parametrize(
    ("refusal", "why"), [(Refusal.CALL_ID_IN_USE, CloseReason.REFUSED), (Refusal.LEDGER_AWAY, CloseReason.TRY_AGAIN)]
)
def test_a_refused_call_is_closed(refusal: Refusal, why: CloseReason) -> None:
    """The close says whether it may be tried again; what was held is let go."""
    client, talk = caller(), Talk(accept=False)
    talk.hear(*client.connected(), *client.media(b"\1\2" * 160))
    assert list(talk.door.refuse(refusal, now=0)) == [Close(why=why, detail=refusal)]
    assert talk.hear(*client.media(b"\1\2" * 160)) == []
    assert list(talk.door.lose_connection()) == []


def test_a_torn_socket_is_an_end_that_is_not_complete() -> None:
    """All that came is given, then the call is torn."""
    client, talk = caller(), Talk()
    talk.hear(*client.connected(), client.media(b"\1\2" * 160)[0])
    talk.did(talk.door.lose_connection())
    assert talk.audio == b"\1\xff" * 160
    assert talk.actions[-1] == Ended(complete=False, reason="torn")
    assert talk.only(Updated).properties == {"missing_ms_outbound": "20"}
    assert list(talk.door.lose_connection()) == []


def test_keys_are_told_with_their_channel() -> None:
    """A key of a telephone is told, anything else is not."""
    client, talk = caller(), Talk()
    talk.hear(*client.connected(), client.dtmf("5"), client.dtmf("d", track="outbound"), client.dtmf("x"))
    assert [action for action in talk.actions if isinstance(action, Dtmf)] == [
        Dtmf(digit="5", channel=0),
        Dtmf(digit="D", channel=1),
    ]
    talk = Talk()
    talk.hear(telnyx_start(), telnyx("dtmf", {"digit": "#"}))
    assert talk.only(Dtmf) == Dtmf(digit="#")


def test_marks_and_what_is_not_known_are_passed_over() -> None:
    """A mark says nothing of the call, and neither does an event of a later version."""
    client, talk = caller(), Talk()
    talk.hear(*client.connected())
    mark = {"event": "mark", "sequenceNumber": "3", "streamSid": client.stream_sid, "mark": {"name": "a"}}
    assert talk.hear(mark, {"event": "weather", "sun": True}) == []


def test_silence_of_both_tracks_is_a_gap_and_of_one_is_silence() -> None:
    """A second without any media is missing; a second without one track is silence on its channel, and counted."""
    client, talk = caller(), Talk()
    start, messages = client.connected(), [client.media(bytes([1, 2]) * 160) for _ in range(150)]
    talk.hear(*start)
    for number, both in enumerate(messages):
        if not 50 <= number < 100:
            talk.hear(*(both if number < 100 else both[:1]))
    talk.hear(client.stop())
    assert sum(action.length for action in talk.actions if isinstance(action, Gap)) == 8000
    assert talk.audio == b"\1\2" * 8000 + b"\1\xff" * 8000
    assert talk.only(Updated).properties == {"missing_ms_outbound": "1000"}


def test_a_peer_that_falls_silent_leaves_nothing_waiting() -> None:
    """After a second without a message, what waited for the other track is given."""
    client, talk = caller(), Talk()
    talk.hear(*client.connected(), client.media(b"\1\2" * 160)[0])
    talk.did(talk.door.tick(now=0.9))
    assert talk.audio == b""
    talk.did(talk.door.tick(now=1.1))
    assert talk.audio == b"\1\xff" * 160


def test_a_connection_without_a_start_is_closed() -> None:
    """A peer that connects and says nothing is not kept."""
    talk = Talk()
    talk.did(talk.door.tick(now=0))
    talk.did(talk.door.tick(now=9))
    assert talk.actions == []
    talk.did(talk.door.tick(now=10))
    assert talk.only(Close).why is CloseReason.REFUSED


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("service_stopping", CloseReason.GOING_AWAY),
        ("ended_by_api", CloseReason.GOING_AWAY),
        ("key_revoked", CloseReason.REFUSED),
    ],
)
def test_asked_to_leave_the_stream_is_closed(reason: str, why: CloseReason) -> None:
    """There is no message for it: what came is given, the call ends, the socket is closed."""
    client, talk = caller(), Talk()
    talk.hear(*client.connected(), *client.media(b"\1\2" * 160))
    talk.did(talk.door.ask_to_leave(reason))
    assert [type(action) for action in talk.actions] == [Offered, Audio, Ended, Close]
    assert (talk.only(Ended).reason, talk.only(Close).why) == (reason, why)
    assert list(talk.door.settle(now=0)) == []


def changed(message: str, **more: Any) -> dict[str, Any]:
    return {**json.loads(message), **more}


def with_media(message: str, **more: Any) -> dict[str, Any]:
    whole = json.loads(message)
    return {**whole, "media": {**whole["media"], **more}}


BAD: dict[str, tuple[Callable[[TwilioClient], str | dict[str, Any]], str, str]] = {
    "a second start": (lambda client: client.connected()[1], "order", "second start"),
    "another stream": (lambda client: changed(client.media(b"")[0], streamSid="MZ0"), "stream", "MZ0"),
    "the end of another stream": (lambda client: changed(client.stop(), streamSid="MZ0"), "stream", "MZ0"),
    "no base64": (lambda client: with_media(client.media(b"")[0], payload="?!"), "payload", "base64"),
    "base64 that is broken": (lambda client: with_media(client.media(b"")[0], payload="AAAAA"), "payload", "base64"),
    "no payload": (lambda client: with_media(client.media(b"")[0], payload=None), "payload", "base64"),
    "a payload that is no text": (lambda client: with_media(client.media(b"")[0], payload=[1]), "payload", "base64"),
    "a track not announced": (lambda client: with_media(client.media(b"")[0], track="sideways"), "track", "sideways"),
    "no media": (lambda client: changed(client.media(b"")[0], media=7), "json", "media is missing"),
    "no JSON": (lambda client: "{", "json", "not JSON"),
    "no object": (lambda client: "[1]", "json", "not a JSON object"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_message_costs_itself(name: str) -> None:
    """What cannot be used is told with its reason, and the call goes on to its end, complete; how many there were is kept."""
    make, reason, told = BAD[name]
    client, talk = caller(), Talk()
    talk.hear(*client.connected(), *client.media(b"\1\2" * 160))
    (action,) = talk.hear(make(client))
    assert isinstance(action, Unusable)
    assert action.reason == reason
    assert told in action.detail
    talk.hear(*client.media(b"\3\4" * 160), client.stop())
    assert talk.audio.startswith(b"\1\2" * 160)
    assert talk.audio.endswith(b"\3\4" * 160)
    assert talk.only(Updated).properties["unusable_messages"] == "1"
    assert talk.only(Ended) == Ended(complete=True, reason="hangup")


@pytest.mark.parametrize("length", [159, 160, 161])
def test_a_payload_needs_no_padding(length: int) -> None:
    """Base64 that ends without its padding is read all the same."""
    audio = b"\1" * length
    payload = base64.b64encode(audio).decode()
    client, talk = caller(channels=1), Talk()
    talk.hear(*client.connected(), with_media(client.media(b"\1")[0], payload=payload.rstrip("=")))
    assert talk.audio == audio


@pytest.mark.parametrize("timestamp", ["-5", "abc", "", "nan", "1e999", [1], True, {"a": 1}])
def test_a_timestamp_that_is_none_costs_no_audio(timestamp: Any) -> None:
    """The frame stands behind the one before it; that it was so is told, unless there was none at all."""
    client, talk = caller(channels=1), Talk()
    talk.hear(*client.connected())
    for number in range(1, 31):
        (message,) = client.media(bytes([number]) * 160)
        talk.hear(with_media(message, timestamp=timestamp) if number == 10 else message)
    talk.hear(client.stop())
    assert talk.audio == b"".join(bytes([number]) * 160 for number in range(1, 31))
    told = [action for action in talk.actions if isinstance(action, Unusable)]
    assert [action.reason for action in told] == ([] if timestamp == "" else ["timestamp"])
    assert talk.only(Ended).complete


@pytest.mark.parametrize("timestamp", ["0.0", 0, "7000", "1e15"])
def test_a_timestamp_that_is_wrong_costs_no_audio(timestamp: Any) -> None:
    """It is a number, and nothing agrees with it: it moves no frame, and is told."""
    client, talk = caller(channels=1), Talk()
    talk.hear(*client.connected())
    for number in range(1, 31):
        (message,) = client.media(bytes([number]) * 160)
        talk.hear(with_media(message, timestamp=timestamp) if number == 20 else message)
    talk.hear(client.stop())
    assert talk.audio == b"".join(bytes([number]) * 160 for number in range(1, 31))
    assert talk.only(Unusable).reason == "timestamp"


def test_doubled_and_swapped_messages_cost_those_frames_at_most() -> None:
    """A message that comes twice is taken once, a key too; one that was overtaken is lost, and counted."""
    client, talk = caller(channels=1), Talk()
    talk.hear(*client.connected())
    media = [client.media(bytes([number]) * 160)[0] for number in range(1, 9)]
    key = client.dtmf("5")
    talk.hear(*media[:3], media[2], media[4], media[3], *media[5:], key, key, client.stop())
    assert talk.audio == b"".join(bytes([number]) * 160 for number in (1, 2, 3, 5, 6, 7, 8))
    assert talk.only(Dtmf).digit == "5"
    assert talk.only(Updated).properties == {"late_ms_inbound": "40", "unusable_messages": "1"}
    assert talk.only(Ended).complete


def test_a_peer_that_sends_nothing_but_rubbish_is_ended() -> None:
    """After so many messages in a row that cannot be used, the stream is; any that can be begins the count anew."""
    client, talk = caller(), Talk()
    talk.hear(*client.connected())
    for _ in range(3):
        talk.hear(*["rubbish"] * 249, *client.media(b"\1\2" * 160))
    talk.hear(*["rubbish"] * 250)
    ended, close = talk.actions[-2:]
    assert isinstance(ended, Ended)
    assert (ended.complete, ended.reason) == (False, "protocol_error")
    assert "not JSON" in ended.error
    assert isinstance(close, Close)
    assert close.why is CloseReason.REFUSED
    assert talk.hear("rubbish", *client.media(b"\1\2" * 160)) == []
    assert list(talk.door.lose_connection()) == []


def test_nothing_comes_before_start() -> None:
    """What comes before its start is passed over; a stream that ends without one is closed, and there is no call to end."""
    client, talk = caller(), Talk()
    for early in (client.media(b"")[0], client.dtmf("1")):
        (action,) = talk.hear(early)
        assert isinstance(action, Unusable)
        assert action.detail.endswith("came before start")
    assert talk.hear(client.stop()) == [Close(why=CloseReason.REFUSED, detail="stop came before start")]


def test_a_binary_frame_is_passed_over() -> None:
    """These streams are text."""
    client, talk = caller(), Talk()
    talk.hear(*client.connected())
    talk.did(talk.door.receive_bytes(b"\0", now=0))
    assert talk.only(Unusable).reason == "json"
    talk.hear(client.stop())
    assert talk.only(Ended).complete


@pytest.mark.parametrize(
    ("start", "told"),
    [
        ({"media_format": {"encoding": "L16", "sample_rate": 24000, "channels": 1}}, "'L16' at 24000 Hz"),
        ({"media_format": {"encoding": "PCMU", "sample_rate": 16000, "channels": 1}}, "'PCMU' at 16000 Hz"),
        ({"media_format": {"encoding": "OPUS", "sample_rate": 16000, "channels": 1}}, "'OPUS' at 16000 Hz"),
        ({"media_format": {"encoding": "PCMU", "sample_rate": "fast"}}, "sample_rate is 'fast'"),
        ({"media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 2}}, "in 2 channels"),
        ({"media_format": {"encoding": 7, "sample_rate": None}}, "carries 7 at 8000 Hz"),
        ({"media_format": 7}, "media_format is missing"),
        ({"custom_parameters": {"roles": "agent"}}, "roles"),
        ({"custom_parameters": {"roles": "agent,boss"}}, "boss"),
        ({"custom_parameters": {"tracks": "sideways"}}, "tracks"),
        ({"custom_parameters": [1]}, "custom_parameters"),
        ({"custom_parameters": {"call_id": "x" * 257}}, "call id"),
        ({"call_control_id": "", "call_session_id": ""}, "call id"),
        ({"tracks": "inbound"}, "tracks"),
        ({"tracks": []}, "tracks"),
    ],
)
def test_a_start_that_cannot_be_is_refused(start: dict[str, Any], told: str) -> None:
    """What is wrong with a start is told, with what should be set; nothing is offered."""
    talk = Talk()
    talk.hear(telnyx_start(**start))
    assert told in talk.only(Close).detail
    assert len(talk.actions) == 1


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=examples(75), deadline=None)
@given(st.data())
def test_whatever_a_peer_says_the_call_ends_once(data: st.DataObject) -> None:
    """Any messages at all, in any order: no error gets out, and a call that was offered ends exactly once."""
    client, talk = caller(), Talk(accept=data.draw(st.booleans()))
    for _ in range(data.draw(st.integers(0, 12))):
        honest = data.draw(
            st.sampled_from([*client.connected(), *client.media(b"\1\2" * 160), client.stop(), client.dtmf("1")])
        )
        message = json.loads(honest)
        if data.draw(st.integers(0, 3)) == 0:
            part = data.draw(st.sampled_from([message, *(value for value in message.values() if isinstance(value, dict))]))
            part[data.draw(st.sampled_from([*part, "media"]))] = data.draw(ANYTHING)
        talk.hear(message)
    talk.did(talk.door.accept(at=START, now=0) if any(isinstance(action, Offered) for action in talk.actions) else [])
    talk.did(talk.door.lose_connection())
    offers = [action for action in talk.actions if isinstance(action, Offered)]
    ends = [action for action in talk.actions if isinstance(action, Ended)]
    assert len(ends) == len(offers) <= 1


@pytest.mark.parametrize(
    "properties",
    [
        {"notes": "x" * 2049},
        {f"field-{number}": "x" for number in range(58)},
        {f"field-{number}": "x" * 2000 for number in range(17)},
    ],
)
def test_more_than_is_kept_of_a_call_is_refused_by_name(properties: dict[str, str]) -> None:
    """Room is left for what is told of each track at the end: a stream that would pass the bounds then is not taken at all."""
    talk = Talk()
    talk.hear(*caller(properties=properties).connected())
    assert [type(action) for action in talk.actions] == [Close]
    (close,) = talk.actions
    assert isinstance(close, Close)
    assert (close.why, close.detail[:43]) == (CloseReason.REFUSED, "the parameters of the stream are too large:")
