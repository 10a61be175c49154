"""The AudioHook client of our own."""

import json
from typing import Any

import pytest

from steno.cli.api import ApiError
from steno.cli.clients.audiohook import caption_of, offers_for, upgrade_headers
from steno.cli.clients.audiohook_client import AudioHookClient, Conversation, ServerError, duration

CONVERSATION = Conversation()


@pytest.mark.parametrize(
    ("roles", "channels"),
    [
        (["customer", "agent"], ["external", "internal"]),
        (["agent", "customer"], ["internal", "external"]),
        (["agent"], ["internal"]),
        (["unknown", "unknown"], ["external", "internal"]),
        (["agent", "agent"], ["external", "internal"]),
        (["ivr", "customer"], ["external", "internal"]),
    ],
)
def test_the_media_follows_from_the_roles(roles: list[str], channels: list[str]) -> None:
    """The channels are offered in the order of the recording."""
    assert offers_for(roles) == [{"type": "audio", "format": "PCMU", "channels": channels, "rate": 8000}]


@pytest.mark.parametrize("roles", [[], ["agent", "customer", "ivr"]])
def test_a_session_has_two_channels_at_most(roles: list[str]) -> None:
    """A recording that a session cannot carry is an error that says so."""
    with pytest.raises(ApiError, match="one channel or two"):
        offers_for(roles)


def test_without_a_secret_a_request_is_not_signed() -> None:
    """A key without a secret sends its four headers alone."""
    headers = upgrade_headers("ws://host/v1/audiohook", CONVERSATION, api_key="key", now=0)
    assert set(headers) == {
        "audiohook-organization-id", "audiohook-session-id", "audiohook-correlation-id", "x-api-key",
    }  # fmt: skip


def test_a_secret_that_is_no_base64_is_an_error() -> None:
    """A secret that Genesys would not take either is named."""
    with pytest.raises(ApiError, match="base64"):
        upgrade_headers("ws://host/v1/audiohook", CONVERSATION, api_key="key", secret="?", now=0)


@pytest.mark.parametrize(("samples", "text"), [(0, "PT0S"), (8000, "PT1S"), (1, "PT0.000125S"), (80_000, "PT10S")])
def test_positions_are_exact(samples: int, text: str) -> None:
    """A sample is an eighth of a millisecond, and none is lost to rounding."""
    assert duration(samples) == text


def test_a_transcript_is_told_as_our_own_door_tells_it() -> None:
    """The captions of both doors look the same to who prints them."""
    entity = {
        "id": "p",
        "channelId": 1,
        "isFinal": True,
        "offset": "PT61.25S",
        "duration": "PT1.5S",
        "alternatives": [{"confidence": 0.5, "interpretations": [{"type": "display", "transcript": "hello"}]}],
    }
    assert caption_of(entity) == {
        "type": "phrase",
        "phrase_id": "p",
        "channel": 1,
        "start_ms": 61250,
        "duration_ms": 1500,
        "text": "hello",
        "confidence": 0.5,
    }


def said(kind: str, *, seq: int = 1, clientseq: int = 1, **parameters: Any) -> str:
    """A message of a server."""
    return json.dumps(
        {
            "version": "2",
            "id": CONVERSATION.session_id,
            "type": kind,
            "seq": seq,
            "clientseq": clientseq,
            "parameters": parameters,
        }
    )


WRONG = {
    "a seq left out": (said("opened", seq=2), "seq is 2"),
    "an answer to what was not said": (said("opened", clientseq=2), "clientseq is 2"),
    "no media": (said("opened", media=[]), "one of the offers"),
    "other media": (said("opened", media=[{"format": "OPUS"}]), "one of the offers"),
    "a pong without a ping": (said("pong"), "pong does not answer"),
    "an event before opened": (said("event", entities=[]), "an event came while"),
    "closed without a close": (said("closed"), "closed does not answer"),
    "a type that is none": (said("open"), "a message of type open"),
    "another session": (said("opened").replace(CONVERSATION.session_id, "x"), "another session"),
}


@pytest.mark.parametrize(("text", "error"), WRONG.values(), ids=WRONG.keys())
def test_a_server_that_breaks_the_protocol_is_found_out(text: str, error: str) -> None:
    """Whatever a server says out of turn is an error with a reason."""
    client = AudioHookClient(CONVERSATION)
    client.open()
    with pytest.raises(ServerError, match=error):
        client.receive(text, now=0)


def test_a_server_that_talks_too_much_is_found_out() -> None:
    """Twenty-five messages at once, and five a second, are what a client takes."""
    client = AudioHookClient(CONVERSATION)
    client.open()
    client.receive(said("opened", media=[client._offers[0]]), now=0)
    for seq in range(2, 26):
        client.receive(said("event", seq=seq, entities=[]), now=0)
    client.receive(said("event", seq=26, entities=[]), now=0.2)
    with pytest.raises(ServerError, match="more than 5 messages a second"):
        client.receive(said("event", seq=27, entities=[]), now=0.3)
