"""Which upgrade requests become AudioHook sessions."""

import json
import time
from base64 import b64encode
from pathlib import Path

import pytest
from pydantic import ValidationError
from steno_ingest.calls.doors.actions import Offered, ResumePoint, SendText
from steno_ingest.calls.doors.audiohook_entrance import audiohook_door
from steno_ingest.calls.doors.http_entrance import Upgrade, UpgradeRefused
from steno_ingest.settings import IngestSettings

from steno.cli.clients.audiohook import upgrade_headers
from steno.cli.clients.audiohook_client import AudioHookClient, Conversation
from steno.crypto import make_secret_key

KEY, SECRET = "an-integration", b64encode(b"a client secret of 32 characters").decode()
URL = "wss://steno.example.com/v1/audiohook"


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    """A key file with one integration."""
    path = tmp_path / "audiohook-keys"
    path.write_text(f"{KEY} {SECRET}\n")
    return path


def settings(keys_file: Path | None, **changes: object) -> IngestSettings:
    """Settings of ingest."""
    return IngestSettings(secret_key=make_secret_key(), audiohook_keys_file=keys_file, **changes)  # type: ignore[arg-type]


def request(conversation: Conversation, api_key: str, secret: str) -> Upgrade:
    """The request of a client."""
    headers = upgrade_headers(URL, conversation, api_key=api_key, secret=secret, now=time.time())
    return Upgrade(method="GET", path="/v1/audiohook", query="", headers=headers, host="steno.example.com")


def test_a_signed_request_gets_a_door_with_the_settings(keys_file: Path) -> None:
    """A client whose key is in the file opens its session, and is told of the languages set."""
    conversation = Conversation()
    make = audiohook_door(settings(keys_file, audiohook_languages="en-US, de-DE"))
    door = make(request(conversation, KEY, SECRET)).door
    opening = json.loads(AudioHookClient(conversation).open())
    opening["parameters"]["supportedLanguages"] = True
    (offered,) = door.receive_text(json.dumps(opening), now=0)
    assert isinstance(offered, Offered)
    (opened,) = door.accept(at=ResumePoint(sequence=0, position=0), now=0)
    assert isinstance(opened, SendText)
    assert json.loads(opened.text)["parameters"]["supportedLanguages"] == ["en-US", "de-DE"]


@pytest.mark.parametrize("change", ["another key", "another secret", "replayed", "no key file"])
def test_any_other_request_is_refused_late_and_without_a_hint(keys_file: Path, change: str) -> None:
    """Whatever was wrong, the answer is the same 401, half a second later."""
    api_key, secret = KEY, SECRET
    if change == "another key":
        api_key = "another"
    if change == "another secret":
        secret = b64encode(b"guessed").decode()
    wrong = request(Conversation(), api_key, secret)
    make = audiohook_door(settings(None if change == "no key file" else keys_file))
    if change == "replayed":
        make(wrong)
    with pytest.raises(UpgradeRefused) as refused:
        make(wrong)
    assert (refused.value.status, refused.value.delay_seconds) == (401, 0.5)
    assert refused.value.reason == "the request is not authentic: the log of ingest says why"
    assert refused.value.event == "audiohook.refused"
    assert refused.value.details["reason"]


@pytest.mark.parametrize("url", ["https://steno.example.com/v1/audiohook", "steno.example.com"])
def test_a_public_url_is_that_of_a_websocket(url: str) -> None:
    """A public URL of another kind is an error at start."""
    with pytest.raises(ValidationError, match="audiohook_public_url"):
        settings(None, audiohook_public_url=url)
