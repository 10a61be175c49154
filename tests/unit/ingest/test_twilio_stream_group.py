"""Streams of one call side by side, one a track: one call of both channels, on one clock, complete where both streams are."""

import base64
import json
from collections.abc import Iterable
from typing import Any

import pytest
from steno_ingest.calls.doors.actions import (
    Action,
    Audio,
    Close,
    CloseReason,
    Dtmf,
    Ended,
    Follows,
    Gap,
    Left,
    Offered,
    ResumePoint,
    Unusable,
)
from steno_ingest.calls.doors.twilio import TwilioDoor
from steno_ingest.calls.doors.twilio_stream_group import StreamGroups

from steno.events.records import Role

FRAME = 160


class Stream:
    """One stream at a door, its call accepted as soon as it is offered."""

    def __init__(self, groups: StreamGroups, track: str, *, call: str = "CA1", owner: str = "p", **start: Any) -> None:
        self.track, self.sid, self.chunk = track, f"MZ-{track}", 0
        self.door = TwilioDoor(rejoin_seconds=10, groups=groups, owner=owner)
        self.actions: list[Action] = []
        self._start = {"callSid": call, "tracks": [track], "mediaFormat": {"encoding": "audio/x-mulaw"}} | start

    def say(self, event: str, now: float, **content: Any) -> list[Action]:
        before = len(self.actions)
        message = {"event": event, "streamSid": self.sid, event: content}
        self.did(self.door.receive_text(json.dumps(message), now=now), now)
        return self.actions[before:]

    def did(self, actions: Iterable[Action], now: float) -> None:
        for action in actions:
            self.actions.append(action)
            if isinstance(action, Offered):
                self.did(self.door.accept(at=ResumePoint(sequence=0, position=0), now=now), now)

    def start(self, now: float) -> list[Action]:
        return self.say("start", now, **self._start)

    def media(self, byte: int, now: float) -> list[Action]:
        self.chunk += 1
        payload = base64.b64encode(bytes([byte]) * FRAME).decode()
        return self.say("media", now, track=self.track, chunk=self.chunk, timestamp=(self.chunk - 1) * 20, payload=payload)

    def tick(self, now: float) -> None:
        self.did(self.door.tick(now=now), now)

    def lost(self) -> None:
        self.did(self.door.lose_connection(), 0)

    @property
    def audio(self) -> bytes:
        return b"".join(action.data for action in self.actions if isinstance(action, Audio))

    def only(self, kind: type[Action]) -> Any:
        (found,) = [action for action in self.actions if isinstance(action, kind)]
        return found


def talk(first: Stream, second: Stream, *, frames: range) -> None:
    """Both streams speak."""
    for number in frames:
        first.media(1, number / 50)
        second.media(2, number / 50)


@pytest.mark.parametrize("order", [("inbound", "outbound"), ("outbound", "inbound")])
def test_two_tracks_side_by_side_are_one_call(order: tuple[str, str]) -> None:
    """Channels by track, whichever came first, roles as each stream has them; the first brings the call, the other adds."""
    groups = StreamGroups()
    first, second = (Stream(groups, track) for track in order)
    assert first.start(0) == []
    assert second.start(0) == [Follows()]
    talk(first, second, frames=range(50))
    assert [channel.role for channel in first.only(Offered).channels] == [Role.CUSTOMER, Role.AGENT]
    assert second.say("dtmf", 1, digit="5") == []
    assert second.say("stop", 1) == [Close(why=CloseReason.DONE)]
    first.say("stop", 1)
    assert first.audio == bytes([1, 2] if order[0] == "inbound" else [2, 1]) * 50 * FRAME
    assert first.only(Dtmf).digit == "5"
    assert first.actions[-1] == Left(reason="hangup", complete=True)
    second.lost()
    assert not [action for action in second.actions if isinstance(action, Audio | Offered | Ended | Left)]


def test_a_stream_that_comes_later_stands_at_its_time() -> None:
    """It joins within half a second; what the other said before stands beside silence."""
    groups = StreamGroups()
    first, second = Stream(groups, "inbound"), Stream(groups, "outbound")
    first.start(0)
    for number in range(20):
        first.media(1, number / 50)
    second.start(0.4)
    for number in range(20, 50):
        first.media(1, number / 50)
        second.media(2, number / 50)
    first.say("stop", 1)
    assert first.audio == b"\1\xff" * 20 * FRAME + b"\1\2" * 30 * FRAME


def test_a_stream_alone_is_offered_after_half_a_second() -> None:
    """Nothing of it is lost, and there is a channel for its track alone; one of both tracks waits for nobody."""
    alone = Stream(StreamGroups(), "inbound")
    alone.start(0)
    for number in range(26):
        alone.media(1, number / 50)
    assert len(alone.only(Offered).channels) == 1
    assert alone.audio == b"\1" * 26 * FRAME
    silent = Stream(StreamGroups(), "inbound")
    silent.start(0)
    silent.media(1, 0)
    silent.tick(0.4)
    assert silent.actions == []
    silent.tick(0.5)
    assert silent.audio == b"\1" * FRAME
    brief = Stream(StreamGroups(), "inbound")
    brief.start(0)
    brief.media(1, 0)
    brief.say("stop", 0.1)
    assert (brief.audio, brief.actions[-1]) == (b"\1" * FRAME, Left(reason="hangup", complete=True))
    both = Stream(StreamGroups(), "inbound", tracks=["inbound", "outbound"])
    assert isinstance(both.start(0)[0], Offered)


@pytest.mark.parametrize(
    "other",
    [{"track": "inbound"}, {"call": "CA2"}, {"owner": "q"}, {"mediaFormat": {"encoding": "audio/x-alaw"}}],
    ids=["track", "call", "owner", "format"],
)
def test_what_is_no_sibling_does_not_join(other: dict[str, Any]) -> None:
    """Of another call or key, in another format, or of the same track."""
    groups = StreamGroups()
    Stream(groups, "inbound").start(0)
    assert Stream(groups, **{"track": "outbound", **other}).start(0) == []


def test_a_stream_that_is_torn_leaves_a_call_that_is_not_complete() -> None:
    """The other goes on, and ends as it should; a part of the call is missing."""
    groups = StreamGroups()
    first, second = Stream(groups, "inbound"), Stream(groups, "outbound")
    first.start(0)
    second.start(0)
    talk(first, second, frames=range(10))
    second.lost()
    for number in range(10, 30):
        first.media(1, number / 50)
    first.say("stop", 1)
    assert first.actions[-1] == Left(reason="hangup", complete=False)
    assert len(first.audio) == 2 * 30 * FRAME


def test_a_follower_leads_on() -> None:
    """The stream that brought the call ends first: the other one goes on with it, both channels as before."""
    groups = StreamGroups()
    first, second = Stream(groups, "inbound"), Stream(groups, "outbound")
    first.start(0)
    second.start(0)
    talk(first, second, frames=range(10))
    first.say("stop", 0.2)
    assert first.audio == b"\1\2" * 10 * FRAME
    for number in range(10, 20):
        second.media(2, number / 50)
    offered = second.only(Offered)
    assert (len(offered.channels), offered.conversation) == (2, "CA1")
    second.say("stop", 0.4)
    assert second.audio == b"\xff\2" * 10 * FRAME
    assert second.actions[-1] == Left(reason="hangup", complete=True)


def test_a_stream_lost_before_its_call_was_offered_costs_what_it_did_not_say() -> None:
    """The other offers the call, with all that came of both; it is not complete."""
    groups = StreamGroups()
    first, second = Stream(groups, "inbound"), Stream(groups, "outbound")
    first.start(0)
    first.media(1, 0)
    second.start(0)
    second.media(2, 0)
    first.lost()
    second.media(2, 0.02)
    second.say("stop", 0.04)
    assert second.audio == b"\1\2" * FRAME + b"\xff\2" * FRAME
    assert second.actions[-1] == Left(reason="hangup", complete=False)


def test_what_a_follower_said_comes_with_the_clock_too() -> None:
    """The stream that brings the call may be silent for a while; a bad message of the other costs itself, and is told there."""
    groups = StreamGroups()
    first, second = Stream(groups, "inbound"), Stream(groups, "outbound")
    first.start(0)
    second.start(0)
    talk(first, second, frames=range(10))
    for number in range(10, 40):
        second.media(2, number / 50)
    (unusable,) = second.say("media", 0.8, payload=None)
    assert isinstance(unusable, Unusable)
    first.tick(2)
    assert first.audio == b"\1\2" * 10 * FRAME + b"\xff\2" * 30 * FRAME
    assert not [action for action in first.actions if isinstance(action, Gap)]


def test_a_follower_that_floods_is_ended() -> None:
    """What waits for the stream that brings the call is bounded."""
    groups = StreamGroups()
    first, second = Stream(groups, "inbound"), Stream(groups, "outbound")
    first.start(0)
    second.start(0)
    first.media(1, 0)
    for _ in range(2_000):
        second.media(2, 0)
    assert second.only(Close).why is CloseReason.REFUSED
    first.media(1, 0.02)
    first.say("stop", 0.04)
    assert first.actions[-1] == Left(reason="hangup", complete=False)
