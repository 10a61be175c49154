"""The server's side of an AudioHook session."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from steno_ingest.calls.doors.actions import (
    Action,
    Audio,
    Close,
    CloseReason,
    Dtmf,
    Ended,
    Gap,
    Left,
    Offered,
    Paused,
    Resumed,
    ResumePoint,
    SendText,
    Updated,
)
from steno_ingest.calls.doors.audio_format import AudioFormat
from steno_ingest.calls.doors.port import Refusal
from support.audiohook_session import FRAME, Session, ended, opened, phrase

from steno.cli.clients.audiohook_client import Conversation, make_offers
from steno.events.records import AudioCodec, CallChannel, GapReason, Role


def test_an_open_offers_the_call() -> None:
    """The conversation becomes the call, its channels have roles, and what is known of it goes along."""
    conversation = Conversation(language="de-de", custom_config={"queue": "billing", "consent": True})
    session = Session(conversation)
    (offered,) = session.send(session.client.open())
    assert offered == Offered(
        call_id=conversation.conversation_id,
        conversation=f"{conversation.conversation_id}/{conversation.participant_id}",
        fallback_call_id=f"{conversation.conversation_id}.{conversation.session_id}",
        format=AudioFormat(AudioCodec.PCMU, 8000),
        channels=(
            CallChannel(channel=0, role=Role.CUSTOMER, participant="John Doe"),
            CallChannel(channel=1, role=Role.AGENT),
        ),
        locale="de-DE",
        properties={
            "audiohook.session_id": conversation.session_id,
            "audiohook.conversation_id": conversation.conversation_id,
            "audiohook.organization_id": conversation.organization_id,
            "audiohook.participant_id": conversation.participant_id,
            "ani": "+13175550123",
            "ani_name": "John Doe",
            "dnis": "+18005550100",
            "custom.queue": "billing",
            "custom.consent": "true",
        },
        frame_ms=200,
    )
    assert session.types == []
    session.accept()
    assert session.types == ["opened"]
    assert session.client.channels == ("external", "internal")


@pytest.mark.parametrize(
    ("offers", "chosen"),
    [
        (make_offers(("external",), ("internal",), ("external", "internal")), ("external", "internal")),
        (make_offers(("internal", "external"), ("external", "internal")), ("internal", "external")),
        (make_offers(("internal",), ("external",)), ("internal",)),
        ([*make_offers(("external", "supervisor")), *make_offers(("external",))], ("external",)),
        ([{**make_offers(("external", "internal"))[0], "format": "OPUS"}, *make_offers(("external",))], ("external",)),
        ([{**make_offers(("external", "internal"))[0], "rate": 16000}, *make_offers(("external",))], ("external",)),
        ([{**make_offers(("external",))[0], "more": 1}], ("external",)),
    ],
)
def test_the_best_offer_is_taken_as_it_is(offers: list[dict[str, Any]], chosen: tuple[str, ...]) -> None:
    """Both channels before one, then the client's order; what is not known is passed over, and the choice given back whole."""
    session = Session(offers=offers)
    (offered,) = session.send(session.client.open())
    session.accept()
    assert session.client.channels == chosen
    roles = {"external": Role.CUSTOMER, "internal": Role.AGENT}
    assert isinstance(offered, Offered)
    assert [channel.role for channel in offered.channels] == [roles[name] for name in chosen]


def test_linear_audio_is_taken_where_nothing_else_is_offered() -> None:
    """L16 is taken as 16 bit samples, and behind PCMU."""
    linear = {**make_offers(("external", "internal"))[0], "format": "L16"}
    session = Session(offers=[linear])
    (offered,) = session.send(session.client.open())
    assert isinstance(offered, Offered)
    assert offered.format.codec is AudioCodec.S16LE
    session = Session(offers=[linear, *make_offers(("external", "internal"))])
    (offered,) = session.send(session.client.open())
    assert isinstance(offered, Offered)
    assert offered.format.codec is AudioCodec.PCMU


def test_no_call_without_media_that_can_be_taken() -> None:
    """Where no offer can be taken, the client is told, and no call is offered."""
    session = Session(offers=[{**make_offers(("external",))[0], "format": "OPUS"}])
    assert session.send(session.client.open()) == []
    assert session.types == ["disconnect", "closed"]
    assert "none of the offered media" in session.said[0].parameters["info"]


def test_languages_are_told_to_who_asks() -> None:
    """A client that asks for the languages gets those of the settings."""
    session = Session(languages=("en-US", "de-DE"))
    opening = json.loads(session.client.open())
    opening["parameters"]["supportedLanguages"] = True
    session.send(json.dumps(opening))
    session.accept()
    assert session.said[0].parameters["supportedLanguages"] == ["en-US", "de-DE"]


def test_another_organization_is_not_let_in() -> None:
    """The organization of the open must be that of the signed request."""
    session = Session()
    opening = json.loads(session.client.open())
    opening["parameters"]["organizationId"] = Conversation().organization_id
    assert session.send(json.dumps(opening)) == []
    assert session.said[0].parameters["reason"] == "unauthorized"


def test_audio_comes_as_it_was_sent() -> None:
    """Frames of any size are given on byte for byte; an empty one is nothing."""
    session = opened()
    for frame in (FRAME, FRAME[:2], b"", FRAME[:640]):
        session.audio(frame)
    assert [action.data for action in session.told if isinstance(action, Audio)] == [FRAME, FRAME[:2], FRAME[:640]]


def test_an_unanswered_offer_is_given_up_before_the_client_does() -> None:
    """The client gets an answer within 5 s however slow the ledger is; a late acceptance changes nothing."""
    session = Session()
    session.tick(0)
    session.send(session.client.open())
    session.tick(4.4)
    assert session.types == []
    session.tick(0.2)
    assert session.types == ["disconnect", "closed"]
    assert ended(session) == Ended(complete=False, reason="not_opened", error="the call could not be stored in time")
    session.accept()
    assert session.types == ["disconnect", "closed"]


def test_a_refused_call_says_why() -> None:
    """The client learns why its call is not taken; the call is not ours to end."""
    session = Session()
    session.send(session.client.open())
    session.carry_out(session.door.refuse(Refusal.CALL_ID_IN_USE, now=session.now))
    assert session.said[0].parameters == {"reason": "error", "info": "the call is refused: call_id_in_use"}
    assert not any(isinstance(action, Ended) for action in session.told)


def test_pings_are_answered_at_any_time() -> None:
    """Every ping gets its pong, and the answer names it."""
    session = opened()
    for _ in range(3):
        session.send(session.client.ping())
    assert session.types == ["opened", "pong", "pong", "pong", "pong"]


def test_nothing_is_said_before_the_first_pong() -> None:
    """Captions and requests wait for the client's first ping."""
    session = Session()
    session.tick(0)
    session.send(session.client.open())
    session.accept()
    session.carry_out(session.door.add_caption(phrase("hello"), now=session.now))
    session.carry_out(session.door.ask_pause())
    session.tick(1)
    assert session.types == ["opened"]
    session.send(session.client.ping())
    assert session.types == ["opened", "pong", "pause", "event"]


def test_a_client_that_does_not_ping_is_not_waited_for() -> None:
    """Three seconds after it was opened, captions go out without a ping."""
    session = Session()
    session.tick(0)
    session.send(session.client.open())
    session.accept()
    session.carry_out(session.door.add_caption(phrase("hello"), now=session.now))
    session.tick(3)
    assert session.types == ["opened", "event"]


def test_pausing_and_going_on_follow_the_position() -> None:
    """Pause and resume are told once each, with the samples that went by in between."""
    session = opened()
    session.audio()
    assert session.send(session.client.pause()) == [Paused()]
    assert session.send(session.client.pause()) == []
    session.audio()
    session.audio()
    assert session.send(session.client.resume()) == [Resumed(skipped=3200)]
    assert session.send(session.client.resume()) == []
    session.audio()
    assert session.told == [Audio(data=FRAME), Paused(), Resumed(skipped=3200), Audio(data=FRAME)]


def test_the_client_is_asked_to_pause_and_to_go_on() -> None:
    """What the API wants is asked of the client, as often as it is wanted, and its answer is told."""
    session = opened()
    session.carry_out(session.door.ask_pause())
    session.carry_out(session.door.ask_pause())
    session.audio()
    session.carry_out(session.door.ask_resume())
    assert session.types[2:] == ["pause", "pause", "resume"]
    assert session.told == [Paused(), Resumed(skipped=1600)]


def test_a_pause_that_was_asked_before_the_start_begins_with_it() -> None:
    """A call paused while it is opened starts paused, without a sample in between."""
    session = Session()
    session.send(session.client.open())
    session.carry_out(session.door.ask_pause())
    session.accept()
    assert session.said[0].parameters["startPaused"] is True
    assert session.told[1:] == [Paused()]


def test_what_was_discarded_is_a_gap() -> None:
    """A span that the client left out is a gap of its length; in a pause it belongs to the pause."""
    session = opened()
    session.audio()
    assert session.send(session.client.discard(4000)) == [Gap(length=4000, reason=GapReason.DISCARDED)]
    assert session.send(session.client.discard(0)) == []
    session.send(session.client.pause())
    assert session.send(session.client.discard(800)) == []
    assert session.send(session.client.resume()) == [Resumed(skipped=800)]


def test_a_position_that_runs_ahead_of_the_audio_is_a_loss() -> None:
    """A ping whose position is more than half a second ahead tells of lost audio; less is on its way, and behind is nothing."""
    session = opened()
    session.client.position = 4000
    assert session.send(session.client.ping()) == []
    session.client.position = 12000
    assert session.send(session.client.ping()) == [Gap(length=12000, reason=GapReason.LOST)]
    session.client.position = 8000
    assert session.send(session.client.ping()) == []


def test_a_position_that_cannot_be_ends_the_session() -> None:
    """A clock that jumps by more than any call is long is an error, not a gap of years."""
    session = opened()
    session.client.position = 13 * 3600 * 8000
    session.send(session.client.ping())
    assert "the position jumps" in ended(session).error


def test_a_change_of_language_is_an_update() -> None:
    """The new language is told, and confirmed."""
    session = opened()
    assert session.send(session.client.message("update", {"language": "es-us"})) == [Updated(locale="es-US")]
    assert session.types[-1] == "updated"


def test_a_session_that_goes_on_with_a_call_has_times_of_its_own() -> None:
    """Captions count from where it began, and what was said before that is not told."""
    session = Session()
    session.tick(0)
    session.send(session.client.open())
    session.carry_out(session.door.accept(at=ResumePoint(sequence=9, position=80_004), now=session.now))
    session.send(session.client.ping())
    session.carry_out(session.door.add_caption(phrase("before", start_ms=9_999), now=session.now))
    session.carry_out(session.door.add_caption(phrase("behind", start_ms=11_500), now=session.now))
    (said,) = session.client.transcripts
    assert (said["offset"], said["alternatives"][0]["interpretations"][0]["tokens"][0]["offset"]) == ("PT1.5S", "PT1.6S")


def test_keys_are_told_and_what_is_no_key_is_not() -> None:
    """DTMF of the sixteen keys is told."""
    session = opened()
    for digit in ("5", "#", "flash"):
        session.send(session.client.message("dtmf", {"digit": digit}))
    assert session.told == [Dtmf(digit="5"), Dtmf(digit="#")]


@pytest.mark.parametrize("kind", ["playback_started", "error", "of-a-later-version"])
def test_messages_that_say_nothing_to_us_do_no_harm(kind: str) -> None:
    """An error of the client, or a message that is not known, does not end the call."""
    session = opened()
    session.send(session.client.message(kind, {"code": 400, "message": "tough"}))
    session.audio()
    assert session.told == [Audio(data=FRAME)]


def test_close_is_answered_when_the_last_captions_are_out() -> None:
    """The call ends with `close`; captions go on until the transcript is complete, then comes `closed`."""
    session = opened()
    session.audio()
    session.send(session.client.close())
    assert ended(session) == Ended(complete=True, reason="hangup")
    session.tick(1)
    session.carry_out(session.door.add_caption(phrase("goodbye"), now=session.now))
    assert session.types[2:] == ["event"]
    session.carry_out(session.door.end_captions(phrase_count=1, now=session.now))
    assert session.types[2:] == ["event", "closed"]
    assert session.closed is None
    session.tick(5)
    assert session.closed is CloseReason.DONE


def test_close_is_answered_in_time_without_a_transcript() -> None:
    """Where the transcript does not come, `closed` comes before the client gives up after 10 s."""
    session = opened()
    session.send(session.client.close())
    session.tick(7.9)
    assert session.types[2:] == []
    session.tick(0.2)
    assert session.types[2:] == ["closed"]


def test_close_before_the_call_is_kept_is_answered_at_once() -> None:
    """A client that changes its mind gets its `closed`, and the call ends."""
    session = Session()
    session.send(session.client.open())
    session.send(session.client.close())
    assert session.types == ["closed"]
    assert ended(session).complete
    session.accept()
    assert session.types == ["closed"]


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("end", Ended(complete=True, reason="hangup")),
        ("error", Left(reason="peer_error", error="408: no pong")),
        ("reconnect", Left(reason="reconnect")),
        ("other", Left(reason="peer_error")),
    ],
)
def test_what_becomes_of_a_call_follows_from_the_close(reason: str, told: Action) -> None:
    """Only the regular end is the call's: of another one the session is over, and the client may come again."""
    session = opened()
    session.send(session.client.message("error", {"code": 408, "message": "no pong"}))
    assert session.send(session.client.close(reason)) == [told]
    assert session.types[2:] == ([] if reason == "end" else ["closed"])
    assert session.carry_out(session.door.lose_connection()) == []


def test_a_lost_connection_ends_the_call_as_torn() -> None:
    """Unless the server has the call wait: it is over, and not all of it is here."""
    session = opened()
    assert session.carry_out(session.door.lose_connection()) == [Ended(complete=False, reason="torn")]
    assert session.carry_out(session.door.lose_connection()) == []
    assert session.carry_out(session.door.tick(now=session.now + 100)) == []


def test_a_connection_lost_behind_the_end_is_nothing() -> None:
    """A call that ended ends once."""
    session = opened()
    session.send(session.client.close())
    session.carry_out(session.door.lose_connection())
    assert ended(session).complete


def test_asked_to_leave_the_client_closes() -> None:
    """A service that stops asks by `disconnect`; the client closes, is answered at once, and the reason is ours."""
    session = opened()
    session.carry_out(session.door.ask_to_leave("service_stopping"))
    session.carry_out(session.door.ask_to_leave("service_stopping"))
    assert ended(session) == Ended(complete=False, reason="service_stopping")
    assert session.said[2].parameters == {"reason": "completed", "info": "service_stopping"}
    assert session.types[2:] == ["disconnect", "closed"]


@pytest.mark.parametrize("reason", ["end", "disconnect", "error", "reconnect"])
def test_a_call_that_was_asked_to_end_ends_for_that_reason(reason: str) -> None:
    """However the client words its answer."""
    session = opened()
    session.door.ask_to_leave("service_stopping")
    told, *_ = session.door.receive_text(session.client.message("close", {"reason": reason}), now=session.now)
    assert told == Ended(complete=False, reason="service_stopping")


def test_a_client_whose_key_is_gone_is_told_so() -> None:
    """Its call ends at once, `disconnect` says unauthorized, its audio is nothing any more, and its close is answered."""
    session = opened()
    told = len(session.said)
    session.carry_out(session.door.ask_to_leave("key_revoked"))
    assert ended(session) == Ended(complete=False, reason="key_revoked")
    assert session.said[told].parameters == {"reason": "unauthorized", "info": "key_revoked"}
    assert session.types[told:] == ["disconnect", "closed"]


def frame_of(session: Session, data: bytes) -> list[Action]:
    """Bytes that the client would not send."""
    return session.carry_out(session.door.receive_bytes(data, now=session.now))


Wrong = Callable[[Session], object]
VIOLATIONS: dict[str, tuple[Wrong, str]] = {
    "a seq left out": (lambda s: s.mutated(s.client.ping(), seq=9), "seq is 9, but should be 3"),
    "a seq again": (lambda s: s.mutated(s.client.ping(), seq=2), "seq is 2, but should be 3"),
    "a seq of nothing": (lambda s: s.mutated(s.client.ping(), seq=0), "seq is 0"),
    "a seq below nothing": (lambda s: s.mutated(s.client.ping(), seq=-1), "seq:"),
    "a seq in quotes": (lambda s: s.mutated(s.client.ping(), seq="3"), "seq:"),
    "a serverseq we did not reach": (lambda s: s.mutated(s.client.ping(), serverseq=7), "serverseq is 7, but only 2 were sent"),
    "another session": (lambda s: s.mutated(s.client.ping(), id=Conversation().session_id), "the id is not that"),
    "an id that is none": (lambda s: s.mutated(s.client.ping(), id="../etc"), "id:"),
    "another version": (lambda s: s.mutated(s.client.ping(), version="3"), "version:"),
    "no position": (lambda s: s.mutated(s.client.ping(), position=None), "position:"),
    "a position that is none": (lambda s: s.mutated(s.client.ping(), position="PT1M"), "position:"),
    "a negative position": (lambda s: s.mutated(s.client.ping(), position="PT-1S"), "position:"),
    "no type": (lambda s: s.mutated(s.client.ping(), type=None), "type:"),
    "no parameters": (lambda s: s.mutated(s.client.ping(), parameters=[]), "parameters:"),
    "wrong parameters": (lambda s: s.send(s.client.message("update", {"language": "<script>"})), "language:"),
    "no JSON": (lambda s: s.send("{"), "Invalid JSON"),
    "no object": (lambda s: s.send("[]"), "object"),
    "too much text": (lambda s: s.send(s.client.message("ping", {"x": "x" * 65_535})), "longer than 65535"),
    "deep text": (lambda s: s.send('{"parameters":' + "[" * 60_000), "the JSON has more than"),
    "half a sample": (lambda s: frame_of(s, FRAME[:3]), "3 bytes of audio"),
    "audio in a pause": (lambda s: (s.send(s.client.pause()), frame_of(s, FRAME)), "audio came while the session was paused"),
}  # fmt: skip


@pytest.mark.parametrize(("wrong", "error"), VIOLATIONS.values(), ids=VIOLATIONS.keys())
def test_what_breaks_the_protocol_ends_the_call(wrong: Wrong, error: str) -> None:
    """The client is told what was wrong and closes; the call ends with the reason."""
    session = opened()
    wrong(session)
    end = ended(session)
    assert (end.complete, end.reason) == (False, "protocol_error")
    assert error in end.error
    disconnect = next(said for said in session.said if said.type == "disconnect")
    assert disconnect.parameters == {"reason": "error", "info": end.error}
    assert session.types[-1] == "closed"
    session.tick(5)
    assert session.closed is not None


@pytest.mark.parametrize("offered", [False, True])
def test_audio_before_the_session_is_opened_is_an_error(offered: bool) -> None:
    """Audio without an open, or ahead of `opened`, ends the session, and the call where one was offered."""
    session = Session()
    session.tick(0)
    if offered:
        session.send(session.client.open())
    frame_of(session, FRAME)
    assert "audio came before" in session.said[0].parameters["info"]
    assert any(isinstance(action, Ended) for action in session.told) is offered
    session.accept()
    assert "opened" not in session.types


def test_behind_an_error_only_close_counts() -> None:
    """What still comes of a client that broke the protocol is passed over, and it is not waited for for ever."""
    session = opened()
    (refused,) = [action for action in session.door.receive_text("{", now=session.now) if isinstance(action, SendText)]
    assert json.loads(refused.text)["type"] == "disconnect"
    assert session.door.receive_bytes(FRAME, now=session.now) == []
    assert session.door.receive_text("{", now=session.now) == []
    assert session.door.receive_text(session.client.ping(), now=session.now) == []
    assert session.door.add_caption(phrase("late"), now=session.now) == []
    assert session.door.tick(now=session.now + 5) == [Close(why=CloseReason.PROTOCOL_ERROR)]
    assert session.door.receive_text(session.client.close(), now=session.now) == []


def test_what_comes_behind_closed_is_passed_over() -> None:
    """After `closed` the session says nothing more, whatever comes."""
    session = opened()
    session.send(session.client.close())
    assert session.send(session.client.message("close", {"reason": "end"})) == []
    session.carry_out(session.door.end_captions(phrase_count=0, now=session.now))
    assert session.types[-1] == "closed"
    assert session.door.receive_text(session.client.message("ping"), now=session.now) == []
    assert session.door.receive_bytes(FRAME, now=session.now) == []
    assert session.door.add_caption(phrase("late"), now=session.now) == []


@pytest.mark.parametrize(
    "config", [{"notes": "x" * 2049}, {f"field-{number}": "" for number in range(70)}, {f"f{n}": "x" * 2000 for n in range(20)}]
)
def test_more_than_is_kept_of_a_call_is_refused_by_name(config: dict[str, str]) -> None:
    """Too large a customConfig is an error of the client: it is told, and no call is offered."""
    session = Session(Conversation(custom_config={"n": 1, **{name: value or "x" for name, value in config.items()}}))
    actions = session.door.receive_text(session.client.open(), now=session.now)
    assert not [action for action in actions if isinstance(action, (Offered, Ended))]
    (said,) = [json.loads(action.text) for action in actions if isinstance(action, SendText)]
    assert (said["type"], said["parameters"]["reason"]) == ("disconnect", "error")
    assert "are kept; send less of it" in said["parameters"]["info"]


def test_what_the_call_cannot_take_ends_the_session_as_any_fault_of_the_client() -> None:
    """It is told to close, and the call is over by a protocol error."""
    session = opened()
    session.carry_out(session.door.reject("it is too much", now=session.now))
    assert session.types[-2:] == ["disconnect", "closed"]
    assert (ended(session).reason, ended(session).error) == ("protocol_error", "it is too much")
