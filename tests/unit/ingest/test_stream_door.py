"""Steno's own door: what its peer says, and what it is told."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
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
    Paused,
    Resumed,
    ResumePoint,
    SendText,
    Updated,
)
from steno_ingest.calls.doors.audio_format import AudioFormat
from steno_ingest.calls.doors.http_entrance import Upgrade, UpgradeRefused
from steno_ingest.calls.doors.port import Refusal
from steno_ingest.calls.doors.stream import StreamDoor
from steno_ingest.calls.doors.stream_entrance import stream_door
from support.calls import live_phrase

from steno.events import ids
from steno.events.records import AudioCodec, CallChannel, GapReason, Hypothesis, Role
from steno.http.auth import ApiKeys

NO_LENGTHS = [
    *[(number, "not_valid") for number in ("true", '"1"', "1e400", "-1", "1.5", "9223372036854775808", "null", "[]", '"NaN"')],
    *[(number, "not_json") for number in ("1" + "0" * 5000, "0x1", "01", "-")],
]
START = {
    "type": "start",
    "call_id": "c",
    "codec": "S16LE",
    "sample_rate": 8000,
    "channels": [{"role": "agent", "participant": "Ann"}, {"role": "customer"}],
}


def say(door: StreamDoor, message: object, *, now: float = 0) -> list[Action]:
    """A message of the peer, and what comes of it."""
    return list(door.receive_text(message if isinstance(message, str) else json.dumps(message), now=now))


def told(actions: Iterable[Action]) -> list[dict[str, Any]]:
    """What the peer is told."""
    return [json.loads(action.text) for action in actions if isinstance(action, SendText)]


def opened(**about: Any) -> StreamDoor:
    """A door whose call is accepted."""
    door = StreamDoor()
    say(door, {**START, **about})
    list(door.accept(at=ResumePoint(sequence=0, position=0), now=0))
    return door


def failed(actions: list[Action], code: str, *, open_call: bool = True) -> None:
    """The protocol's own error, and the end of a call that was open."""
    *first, said, close = actions
    assert [type(action) for action in first] == ([Ended] if open_call else [])
    (error,) = told([said])
    assert (error["type"], error["code"]) == ("error", code)
    assert error["message"]
    assert close == Close(why=CloseReason.REFUSED, detail=code)
    if open_call:
        assert isinstance(first[0], Ended)
        assert (first[0].complete, first[0].reason) == (False, "protocol_error")


def test_a_call_is_offered_as_it_was_started() -> None:
    """Codec, channels in order, metadata; the answer says from where to send."""
    door = StreamDoor()
    (offered,) = say(door, {**START, "properties": {"queue": "7"}, "paused": True})
    assert offered == Offered(
        call_id="c",
        format=AudioFormat(AudioCodec.S16LE, 8000),
        channels=(CallChannel(channel=0, role=Role.AGENT, participant="Ann"), CallChannel(channel=1, role=Role.CUSTOMER)),
        properties={"queue": "7"},
        paused=True,
    )
    answer = told(door.accept(at=ResumePoint(sequence=3, position=2400), now=0))
    assert answer == [{"type": "started", "call_id": "c", "sequence": 3, "position": 2400}]


@pytest.mark.parametrize(("paused_by_peer", "told_of"), [(True, []), (False, ["resumed"])])
def test_a_peer_that_came_back_paused_is_told_of_no_resume_but_its_own(paused_by_peer: bool, told_of: list[str]) -> None:
    """Whoever resumes by the API does not resume what the peer paused on the connection before."""
    door = StreamDoor()
    say(door, {**START, "resume": {"sequence": 4, "position": 3200}})
    door.accept(at=ResumePoint(sequence=4, position=3200), now=0, paused_by_peer=paused_by_peer)
    door.ask_pause()
    assert [message["type"] for message in told(door.ask_resume())] == told_of
    assert told(say(door, {"type": "resume"})[:1])[0]["type"] == "resumed"


def test_a_peer_that_comes_back_says_from_where() -> None:
    """The last ack of the connection before."""
    (offered,) = say(StreamDoor(), {**START, "resume": {"sequence": 4, "position": 3200}})
    assert isinstance(offered, Offered)
    assert offered.resume == ResumePoint(sequence=4, position=3200)


def test_what_a_running_call_is_told() -> None:
    """Audio, gap, pause, resume, keys and metadata become actions; times become samples."""
    door = opened()
    assert list(door.receive_bytes(bytes(8), now=0)) == [Audio(data=bytes(8))]
    assert say(door, {"type": "gap", "length_ms": 20}) == [Gap(length=160, reason=GapReason.LOST)]
    paused, confirmed = say(door, {"type": "pause"})
    assert paused == Paused()
    assert told([confirmed]) == [{"type": "paused"}]
    confirmed, resumed = say(door, {"type": "resume", "skipped_ms": 100})
    assert resumed == Resumed(skipped=800)
    assert told([confirmed]) == [{"type": "resumed"}]
    assert say(door, {"type": "dtmf", "digit": "#", "channel": 1}) == [Dtmf(digit="#", channel=1)]
    assert say(door, {"type": "update", "locale": "de-DE", "channels": [{"channel": 1, "role": "ivr"}]}) == [
        Updated(locale="de-DE", channels=(CallChannel(channel=1, role=Role.IVR),))
    ]
    assert told(say(door, {"type": "ping"})) == [{"type": "pong"}]


def test_acks_come_twice_a_second_and_at_once_after_a_pause() -> None:
    """Only news is told: what is safe has moved."""
    door = opened()
    list(door.acknowledge(sequence=1, position=800))
    assert list(door.tick(now=0.4)) == []
    assert told(door.tick(now=0.5)) == [{"type": "ack", "sequence": 1, "position": 800}]
    assert list(door.tick(now=1.1)) == []
    list(door.acknowledge(sequence=2, position=1600))
    say(door, {"type": "pause"}, now=1.2)
    assert told(door.tick(now=1.2)) == [{"type": "ack", "sequence": 2, "position": 1600}]


def test_a_call_that_ended_is_told_to_the_last_phrase() -> None:
    """`ended` once all is safe, phrases behind it, `completed`, and then the connection is closed."""
    door = opened()
    assert say(door, {"type": "end"}, now=10) == [Ended(complete=True, reason="hangup")]
    assert told(door.settle(now=11)) == [{"type": "ended", "complete": True}]
    (phrase,) = told(door.add_caption(live_phrase(0), now=12))
    assert (phrase["type"], phrase["text"], phrase["role"]) == ("phrase", "phrase number 0", "agent")
    assert "call_id" not in phrase
    *said, close = door.end_captions(phrase_count=1, now=13)
    assert told(said) == [{"type": "completed", "phrase_count": 1}]
    assert close == Close(why=CloseReason.DONE)
    assert list(door.lose_connection()) == []


def test_a_transcript_that_is_complete_says_that_all_is_safe() -> None:
    """It may be read from the log before the last acknowledgement is: the peer learns that all is safe first."""
    door = opened()
    say(door, {"type": "end"}, now=10)
    *said, close = door.end_captions(phrase_count=1, now=11)
    assert told(said) == [{"type": "ended", "complete": True}, {"type": "completed", "phrase_count": 1}]
    assert close == Close(why=CloseReason.DONE)


def test_a_transcript_that_does_not_come_holds_no_connection() -> None:
    """Half a minute after the end the door closes; where not all is safe yet, so that the peer comes back."""
    for settled, why in ((True, CloseReason.DONE), (False, CloseReason.TRY_AGAIN)):
        door = opened()
        say(door, {"type": "end"}, now=10)
        if settled:
            list(door.settle(now=11))
        assert list(door.tick(now=39)) == []
        assert list(door.tick(now=40)) == [Close(why=why)]


def test_a_hypothesis_is_told_with_what_is_stable() -> None:
    """Fields as in the record."""
    hypothesis = Hypothesis(
        call_id="c",
        recording_id=ids.live_pass_id("c"),
        phrase_id="p",
        revision=3,
        channel=0,
        start_ms=0,
        duration_ms=500,
        text="good mor",
        stable_text="good",
    )
    (said,) = told(opened().add_caption(hypothesis, now=0))
    assert (said["type"], said["phrase_id"], said["revision"], said["stable_text"]) == ("hypothesis", "p", 3, "good")


def test_the_peer_is_told_of_a_pause_by_the_api() -> None:
    """And of its end, unless the peer itself pauses still."""
    door = opened()
    assert told(door.ask_pause()) == [{"type": "paused"}]
    assert told(door.ask_resume()) == [{"type": "resumed"}]
    say(door, {"type": "pause"})
    assert list(door.ask_resume()) == []


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        (Refusal.CALL_ID_IN_USE, CloseReason.REFUSED),
        (Refusal.LEDGER_AWAY, CloseReason.TRY_AGAIN),
        (Refusal.SERVICE_STOPPING, CloseReason.TRY_AGAIN),
    ],
)
def test_a_refused_call_is_told_why_and_whether_to_try_again(reason: Refusal, why: CloseReason) -> None:
    """To try again where the reason passes, and not where it does not."""
    door = StreamDoor()
    say(door, START)
    said, close = door.refuse(reason, now=0)
    assert told([said])[0]["code"] == reason.value
    assert close == Close(why=why, detail=reason.value)
    assert list(door.lose_connection()) == []


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("service_stopping", CloseReason.RESTARTING),
        ("replaced", CloseReason.REFUSED),
        ("ended_by_api", CloseReason.DONE),
        ("too_long", CloseReason.DONE),
        ("key_revoked", CloseReason.REFUSED),
    ],
)
def test_a_peer_that_is_to_leave_learns_what_is_safe_first(reason: str, why: CloseReason) -> None:
    """The last ack, why, and a close that says whether to come back."""
    door = opened()
    list(door.acknowledge(sequence=1, position=800))
    *said, close = door.ask_to_leave(reason)
    assert told(said)[0] == {"type": "ack", "sequence": 1, "position": 800}
    assert isinstance(close, Close)
    assert close.why is why


def test_a_lost_connection_tears_an_open_call_only() -> None:
    """Whether it is held then is not the door's to say."""
    assert list(opened().lose_connection()) == [Ended(complete=False, reason="torn")]
    assert list(StreamDoor().lose_connection()) == []


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("no json", "not_json"),
        ("[]", "not_valid"),
        ({"type": "nonsense"}, "unknown_message"),
        ({"call_id": "c"}, "unknown_message"),
        ({"type": "pause"}, "not_started"),
        ({**START, "codec": "OPUS"}, "not_valid"),
        ({**START, "sample_rate": 44100}, "not_valid"),
        ({**START, "call_id": ""}, "not_valid"),
        ({**START, "call_id": "c" * 300}, "not_valid"),
        ({**START, "channels": []}, "not_valid"),
        ({**START, "channels": [{"channel": 1}]}, "not_valid"),
        ({**START, "unheard": "of"}, "not_valid"),
        ({**START, "paused": 1}, "not_valid"),
        ({**START, "resume": {"sequence": 2**31 - 1, "position": 0}}, "not_valid"),
        ({**START, "resume": {"sequence": 0, "position": 2**63 - 1}}, "not_valid"),
        ({**START, "resume": {"sequence": True, "position": 0}}, "not_valid"),
        ({**START, "resume": {"sequence": -1, "position": 0}}, "not_valid"),
    ],
)
def test_a_bad_beginning_is_refused(message: object, code: str) -> None:
    """Before a call is open there is none to end."""
    failed(say(StreamDoor(), message), code, open_call=False)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", "not_json"),
        (START, "already_started"),
        ({"type": "dtmf", "digit": "12"}, "not_valid"),
        ({"type": "dtmf", "digit": "1", "channel": 2}, "not_valid"),
        ({"type": "gap", "length_ms": -1}, "not_valid"),
        ({"type": "gap", "length_ms": 10**9}, "not_valid"),
        *((f'{{"type": "gap", "length_ms": {number}}}', code) for number, code in NO_LENGTHS),
        *((f'{{"type": "resume", "skipped_ms": {number}}}', code) for number, code in NO_LENGTHS),
        ({"type": "dtmf", "digit": "1", "channel": True}, "not_valid"),
        ({"type": "update", "channels": [{}, {}, {}]}, "not_valid"),
    ],
)
def test_a_bad_message_ends_the_call(message: object, code: str) -> None:
    """With the protocol's own error, and the reason for the ledger."""
    failed(say(opened(), message), code)


def test_audio_at_the_wrong_time_is_an_error() -> None:
    """Before the call is started, and after it was ended."""
    failed(list(StreamDoor().receive_bytes(bytes(4), now=0)), "audio_before_start", open_call=False)
    door = opened()
    say(door, {"type": "end"})
    failed(list(door.receive_bytes(bytes(4), now=0)), "audio_after_end", open_call=False)


def test_half_a_sample_frame_is_an_error() -> None:
    """A binary frame is a whole number of samples of all channels."""
    failed(list(opened().receive_bytes(bytes(6), now=0)), "broken_frame")


@given(st.lists(st.one_of(st.text(max_size=50), st.binary(max_size=9), st.sampled_from([json.dumps(START), '{"type":"end"}']))))
def test_nothing_follows_a_close(frames: list[str | bytes]) -> None:
    """Whatever comes in whatever order, it is answered, and behind a close nothing is."""
    door = StreamDoor()
    actions: list[Action] = []
    for frame in frames:
        closed = any(isinstance(action, Close) for action in actions)
        more = list(door.receive_text(frame, now=0) if isinstance(frame, str) else door.receive_bytes(frame, now=0))
        assert not (closed and more)
        if any(isinstance(action, Offered) for action in more):
            more += door.accept(at=ResumePoint(sequence=0, position=0), now=0)
        actions += more
    assert sum(isinstance(action, Offered) for action in actions) <= 1
    assert sum(isinstance(action, Ended) for action in actions) <= 1


def test_a_peer_without_a_key_does_not_come_in() -> None:
    """401, and what to send."""
    upgrade = Upgrade(method="GET", path="/v1/stream", query="", headers={}, host="h")
    with pytest.raises(UpgradeRefused, match="no API key was sent") as refused:
        stream_door(ApiKeys(None))(upgrade)
    assert refused.value.status == 401
