"""Who may come in with a Speech SDK: keys and tokens, in headers and queries."""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from steno_ingest.calls.doors.http_entrance import Upgrade, UpgradeRefused
from steno_ingest.calls.doors.port import AcceptedPeer
from steno_ingest.calls.doors.speech_sdk import SpeechSdkDoor
from steno_ingest.calls.doors.speech_sdk_entrance import SPEECH_PATHS, refused_path, speech_sdk_door
from steno_ingest.speech_tokens import LIFETIME, SpeechTokens

from steno.http.auth import ApiKeys, digest_of, key_line

KEY, OTHER = "key-one", "key-two"
NOW = datetime(2026, 11, 1, tzinfo=UTC)


class World:
    """Keys, tokens and a clock."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "keys"
        self.file.write_text(key_line("crm", KEY) + key_line("ivr", OTHER))
        self.keys = ApiKeys(self.file)
        self.now = NOW
        self.tokens = SpeechTokens(self.keys, clock=lambda: self.now)

    def enter(self, query: str = "", **headers: str) -> AcceptedPeer:
        """A client at the door."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        upgrade = Upgrade(method="GET", path=SPEECH_PATHS[0], query=query, headers=named, host="steno")
        return speech_sdk_door(self.keys, self.tokens.verify)(upgrade)

    def token(self, key: str = KEY) -> str:
        """A token for a key."""
        caller = self.keys.verify(key)
        assert caller is not None
        return self.tokens.issue(caller)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two keys."""
    return World(tmp_path)


def test_keys_and_tokens_are_taken_wherever_clients_put_them(world: World) -> None:
    """In headers, or in the query, as browsers must."""
    bearer = f"Bearer {world.token()}"
    entered = [
        world.enter(ocp_apim_subscription_key=KEY),
        world.enter(authorization=bearer),
        world.enter(authorization=f"bearer {KEY}"),
        world.enter(query=f"Ocp-Apim-Subscription-Key={KEY}"),
        world.enter(query=f"Authorization={bearer.replace(' ', '%20')}"),
    ]
    assert {peer.caller.name for peer in entered} == {"crm"}
    assert all(peer.holds() for peer in entered)


def test_wrong_ones_are_refused(world: World) -> None:
    """401, with which the SDK reports AuthenticationFailure."""
    token = world.token()
    refused = [
        {},
        {"ocp_apim_subscription_key": "wrong"},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Basic {KEY}"},
        {"authorization": f"Bearer {token[:-2]}"},
        {"authorization": f"Bearer {token}x"},
        {"query": "Ocp-Apim-Subscription-Key="},
    ]
    for attempt in refused:
        with pytest.raises(UpgradeRefused) as error:
            world.enter(**attempt)
        assert error.value.status == 401


def test_a_token_ends_after_ten_minutes(world: World) -> None:
    """Not the call that it let in."""
    token = world.token()
    world.now += LIFETIME - timedelta(seconds=1)
    entered = world.enter(authorization=f"Bearer {token}")
    world.now += timedelta(seconds=1)
    assert world.tokens.verify(token) is None
    assert entered.holds()


def test_a_token_ends_with_its_key(world: World) -> None:
    """And is of no use to another key's tokens."""
    first, second = world.token(), world.token(OTHER)
    head, body, _ = first.split(".")
    assert world.tokens.verify(f"{head}.{body}.{second.split('.')[2]}") is None
    world.file.write_text(key_line("ivr", OTHER))
    world.keys = ApiKeys(world.file)
    assert SpeechTokens(world.keys, clock=lambda: NOW).verify(first) is None
    assert SpeechTokens(world.keys, clock=lambda: NOW).verify(second) is not None


def test_a_token_does_not_reveal_what_tokens_are_signed_with(world: World) -> None:
    """The digest of the key, from which its user could make tokens without an end."""
    _, body, _ = world.token().split(".")
    assert digest_of(KEY) not in base64.urlsafe_b64decode(body + "==").decode()


def test_what_is_asked_for_by_the_url_may_be_refused(world: World) -> None:
    """With a text that the SDK shows, of a close frame."""
    with pytest.raises(UpgradeRefused, match="translation") as error:
        world.enter(query="from=en-us&to=de", ocp_apim_subscription_key=KEY)
    assert error.value.by_close
    for call_id in ("a%0D%0Ab", "a" * 257):
        with pytest.raises(UpgradeRefused, match="X-Steno-Call-Id") as error:
            world.enter(query=f"X-Steno-Call-Id={call_id}", ocp_apim_subscription_key=KEY)
        assert error.value.by_close
    with pytest.raises(UpgradeRefused, match="synthesis"):
        refused_path("speech synthesis is not part of this service")(
            Upgrade(method="GET", path="/tts/cognitiveservices/websocket/v1", query="", headers={}, host="")
        )


def test_a_connection_has_an_id(world: World) -> None:
    """The client's, or one of our own where it has none that can be one."""
    ids = []
    for query in ("", "X-ConnectionId=A0728C519C144DF0AE302624A146DC0C", "X-ConnectionId=../../etc"):
        door = world.enter(query=query, ocp_apim_subscription_key=KEY).door
        assert isinstance(door, SpeechSdkDoor)
        ids.append(door.connection_id)
    assert ids[1] == "A0728C519C144DF0AE302624A146DC0C"
    assert len(set(ids)) == 3
    assert all(len(one) == 32 for one in ids)
