"""The example of `docs/extending.md`: the door and the transport that it shows work as it says."""

import re
from pathlib import Path

import pytest
from extending.line_door import LineDoor
from steno_ingest.calls.doors.actions import Audio, Close, CloseReason, Ended, Offered, Paused, Resumed, ResumePoint, SendText
from steno_ingest.calls.doors.port import Door, Refusal
from support.hosting import Hosting
from support.tcp_peer import connected

from steno.events.records import AudioChunk

ROOT = Path(__file__).parents[3]
START = ResumePoint(sequence=0, position=0)


def opened() -> LineDoor:
    """A door whose call is taken."""
    door = LineDoor()
    door.receive_text("call c", now=0)
    door.accept(at=START, now=0)
    return door


def test_a_conversation_becomes_actions() -> None:
    """Each input gives a list: what the peer told of the call, and what is said to it."""
    door: Door = LineDoor()
    (offered,) = door.receive_text("call c", now=0)
    assert isinstance(offered, Offered)
    assert door.accept(at=START, now=0) == [SendText(text="go")]
    assert door.receive_bytes(bytes(160), now=0) == [Audio(data=bytes(160))]
    assert door.receive_text("pause", now=0) == [Paused()]
    assert door.receive_text("resume", now=0) == [Resumed()]
    assert door.receive_text("bye", now=0) == [Ended(complete=True, reason="hangup")]
    assert door.settle(now=0) == [SendText(text="kept")]
    assert door.lose_connection() == []


@pytest.mark.parametrize(("refusal", "why"), [(Refusal.CALL_ID_IN_USE, "refused"), (Refusal.LEDGER_AWAY, "try_again")])
def test_a_peer_learns_whether_to_try_again(refusal: Refusal, why: str) -> None:
    """The close says so, whatever carries it."""
    assert LineDoor().refuse(refusal, now=0) == [SendText(text=f"no {refusal}"), Close(why=CloseReason(why), detail=refusal)]


@pytest.mark.parametrize("door", [LineDoor(), opened()], ids=["new", "open"])
def test_what_is_not_of_the_protocol_ends_the_call(door: LineDoor) -> None:
    """With the reason, for the peer and for the records."""
    was_open = door._open
    actions = door.receive_text("hello", now=0)
    assert any(isinstance(action, Ended) for action in actions) is was_open
    assert actions[-1] == Close(why=CloseReason.REFUSED, detail="'hello' is not understood here")


async def test_the_example_is_a_call_at_the_host() -> None:
    """By TCP, from the first line to the last record."""
    hosting: Hosting
    async with connected(LineDoor) as (hosting, peer):
        peer.send_text(1, "call c")
        assert await peer.hear() == (1, "go")
        peer.send_bytes(1, b"\1" * 1600)
        peer.send_text(1, "bye")
        assert await peer.hear() == (1, "kept")
        assert hosting.kinds == ["CallStarted", "AudioChunk", "AudioChunk", "CallEnded"]
        chunks = [record.audio for record in hosting.log.records if isinstance(record, AudioChunk)]
        assert b"".join(chunks) == b"\1" * 1600


def test_the_guide_names_files_that_are_there() -> None:
    """Every file that `docs/extending.md` links to exists."""
    page = ROOT / "docs" / "extending.md"
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8"))
    assert links
    assert [link for link in links if not (page.parent / link).resolve().exists()] == []
