"""What an AudioHook session puts up with, as Genesys's own server does."""

import json
from dataclasses import replace

import pytest
from steno_ingest.calls.doors.actions import Audio, Offered, SendText
from support.audiohook_session import FRAME, Session, ended, opened, phrase

from steno.cli.clients.audiohook_client import NIL_UUID, Conversation


@pytest.mark.parametrize(
    "conversation",
    [
        Conversation.probe(),
        Conversation(conversation_id=NIL_UUID),
        Conversation(participant_id=NIL_UUID),
        replace(Conversation(), conversation_id=None),  # type: ignore[arg-type]
        replace(Conversation(), participant_id=None),  # type: ignore[arg-type]
    ],
    ids=["both", "conversation", "participant", "no conversation", "no participant"],
)
def test_a_probe_makes_no_call(conversation: Conversation) -> None:
    """A connection that Genesys only tries is opened and closed, and nothing is told of it."""
    session = Session(conversation)
    session.send(session.client.open())
    assert session.client.state == "open"
    session.audio()
    session.send(session.client.pause())
    session.send(session.client.message("update", {"language": "en-US"}))
    session.send(session.client.close())
    assert (session.types, session.told) == (["opened", "closed"], [])


@pytest.mark.parametrize("media", [[], None])
def test_a_session_without_media_is_open_and_no_call(media: object) -> None:
    """Where no audio is offered none is chosen; pings and close are answered, and there is nothing to make a call of."""
    session = Session()
    opening = json.loads(session.client.open())
    opening["parameters"]["media"] = media
    (opened, *_) = session.door.receive_text(json.dumps(opening), now=session.now)
    assert isinstance(opened, SendText)
    assert json.loads(opened.text)["parameters"] == {"media": []}
    said = session.door.receive_text(session.client.message("ping"), now=session.now)
    said += session.door.receive_text(session.client.message("close", {"reason": "end"}), now=session.now)
    assert [json.loads(action.text)["type"] for action in said if isinstance(action, SendText)] == ["pong", "closed"]
    assert len(said) == 2


def test_what_may_be_left_out_may_be_null() -> None:
    """As libraries write what is not there."""
    session = Session()
    opening = json.loads(session.client.open())
    nulls = dict.fromkeys(["language", "supportedLanguages", "continuedSessions", "customConfig", "of-a-later-version"])
    opening["parameters"] |= nulls
    opening["parameters"]["participant"] |= {"ani": None, "aniName": None, "dnis": None}
    (offered,) = session.send(json.dumps(opening))
    assert isinstance(offered, Offered)
    assert (offered.locale, "ani" in offered.properties) == ("en-US", False)
    session.accept()
    for parameters in (None, {}, {"rtt": None}):
        session.mutated(session.client.ping(), parameters=parameters)
    assert session.send(session.client.message("error", {"code": 429, "message": None, "retryAfter": None})) == []
    assert session.types == ["opened", "pong", "pong", "pong"]


def test_a_second_open_is_passed_over() -> None:
    """As Genesys' own server does: the session goes on as it was opened."""
    session = Session()
    opening = session.client.open()
    session.send(opening)
    for moment in (session.accept, session.audio):
        assert session.send(session.client.message("open", json.loads(opening)["parameters"])) == []
        moment()
    assert session.types == ["opened"]
    assert session.told[1:] == [Audio(data=FRAME)]


@pytest.mark.parametrize("parameters", [{}, {"language": None}, {"language": ""}, None])
def test_an_update_without_a_language_changes_none(parameters: object) -> None:
    """It is confirmed all the same."""
    session = opened()
    assert session.mutated(session.client.message("update"), parameters=parameters) == []
    assert session.types[-1] == "updated"


@pytest.mark.parametrize(
    ("code", "message"), [(400, "Event messages are not allowed"), (405, "sending events is NOT ALLOWED in this session")]
)
def test_a_client_that_takes_no_events_is_sent_no_more(code: int, message: str) -> None:
    """What waits is dropped too, and its close does not wait for captions."""
    session = opened()
    session.carry_out(session.door.add_caption(phrase("hello"), now=session.now))
    session.send(session.client.message("error", {"code": code, "message": message}))
    session.carry_out(session.door.add_caption(phrase("again", start_ms=2000), now=session.now))
    session.tick(1)
    assert session.types == ["opened", "pong", "event"]
    session.audio()
    session.send(session.client.close())
    assert ended(session).complete
    assert session.types[3:] == ["closed"]


def test_another_error_400_stops_no_events() -> None:
    """Only what says so."""
    session = opened()
    session.send(session.client.message("error", {"code": 400, "message": "tough stuff"}))
    session.carry_out(session.door.add_caption(phrase("hello"), now=session.now))
    assert session.types[2:] == ["event"]


def test_without_events_nobody_reads_captions_for_it() -> None:
    """By a setting, for AudioHook Monitor: the close is answered at once."""
    session = opened(events=False)
    assert not session.door.captioned
    session.audio()
    session.send(session.client.close())
    assert session.types[2:] == ["closed"]
