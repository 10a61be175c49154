"""The route that Azure posts events to: the challenge, signatures, and which jobs are asked for."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_transcriber.azure.webhook import UnreadableEvent, is_signed, job_of, signature
from steno_transcriber.azure.webhook_route import MOST_BYTES, PATH, webhook_app

SECRET, OTHER = "s" * 32, "t" * 32
EVENT = json.dumps({"self": "https://region/speechtotext/transcriptions/job-1?api-version=1", "invocationId": "i"}).encode()


class Receiver:
    """The route of a process that follows `job-1`."""

    def __init__(self, secrets: Path, client: httpx.AsyncClient) -> None:
        self.secrets = secrets
        self.woken: list[str] = []
        self._client = client

    def wake(self, job_id: str) -> bool:
        self.woken.append(job_id)
        return job_id == "job-1"

    async def post(self, body: bytes, signed: str, *, event: str = "TranscriptionCompletion") -> int:
        headers = httpx.Headers(
            {"X-MicrosoftSpeechServices-Event": event, "X-MicrosoftSpeechServices-Signature": signed}, encoding="utf-8"
        )
        return (await self._client.post(PATH, content=body, headers=headers)).status_code

    async def challenge(self, token: str, signed: str) -> httpx.Response:
        headers = {"X-MicrosoftSpeechServices-Event": "Challenge", "X-MicrosoftSpeechServices-Signature": signed}
        return await self._client.post(PATH, params={"validationToken": token}, headers=headers)


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[Receiver]:
    secrets = tmp_path / "secrets"
    secrets.write_text(f"{SECRET}\n")
    async with httpx.AsyncClient(base_url="http://transcriber") as client:
        made = Receiver(secrets, client)
        client._transport = httpx.ASGITransport(webhook_app(secrets, made.wake))
        yield made


async def test_the_challenge_is_answered_with_its_token(receiver: Receiver) -> None:
    """As plain text, which no browser takes for anything else."""
    answer = await receiver.challenge("<b>7</b>", signature(b"<b>7</b>", SECRET))
    assert (answer.status_code, answer.text) == (200, "<b>7</b>")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_challenge_with_a_wrong_signature_is_refused(receiver: Receiver) -> None:
    """Its token is not in the answer."""
    answer = await receiver.challenge("token-7", signature(b"token-7", OTHER))
    assert answer.status_code == 403
    assert "token-7" not in answer.text


async def test_a_completion_asks_for_its_job(receiver: Receiver) -> None:
    """By the last part of its link."""
    assert await receiver.post(EVENT, signature(EVENT, SECRET)) == 200
    assert receiver.woken == ["job-1"]


async def test_a_job_of_another_process_is_no_error(receiver: Receiver) -> None:
    """Several processes share one webhook, and the event goes to any of them."""
    event = EVENT.replace(b"job-1", b"job-2")
    assert await receiver.post(event, signature(event, SECRET)) == 200


@pytest.mark.parametrize("signed", ["", "é", "AAAA", signature(EVENT, OTHER), signature(EVENT + b" ", SECRET)])
async def test_a_wrong_signature_is_refused(receiver: Receiver, signed: str) -> None:
    """And no job is asked for."""
    assert await receiver.post(EVENT, signed) == 403
    assert receiver.woken == []


async def test_without_secrets_everything_is_refused(receiver: Receiver) -> None:
    """A signature with an empty secret, too."""
    receiver.secrets.write_text("# none\n")
    assert await receiver.post(EVENT, signature(EVENT, "")) == 403


async def test_secrets_are_read_again(receiver: Receiver) -> None:
    """The new one and, for the time of a rotation, the old one."""
    receiver.secrets.write_text(f"{OTHER}\n{SECRET}\n")
    assert await receiver.post(EVENT, signature(EVENT, OTHER)) == 200
    assert await receiver.post(EVENT, signature(EVENT, SECRET)) == 200


async def test_other_events_ask_for_nothing(receiver: Receiver) -> None:
    """A ping is answered."""
    assert await receiver.post(EVENT, signature(EVENT, SECRET), event="Ping") == 200
    assert receiver.woken == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"self": 1}', b'{"self": "https://host/"}', b'{"self": "https://[/a"}'])
async def test_a_signed_event_without_a_job_is_a_bad_request(receiver: Receiver, body: bytes) -> None:
    """Whatever is wrong with it."""
    assert await receiver.post(body, signature(body, SECRET)) == 400
    assert receiver.woken == []


async def test_a_large_body_is_refused(receiver: Receiver) -> None:
    """Whether or not it is signed."""
    assert await receiver.post(bytes(MOST_BYTES + 1), "") == 413
    assert await receiver.post(bytes(2 << 20), "") == 413


@given(body=st.binary())
def test_any_body_names_a_job_or_is_unreadable(body: bytes) -> None:
    """No other error comes out of it."""
    try:
        assert job_of(body)
    except UnreadableEvent:
        return


@given(payload=st.binary(), given_=st.text())
def test_a_signature_is_good_for_its_payload_and_secret_only(payload: bytes, given_: str) -> None:
    """Among several secrets, too."""
    assert is_signed(payload, signature(payload, SECRET), [OTHER, SECRET])
    assert not is_signed(payload, signature(payload, SECRET), [OTHER])
    assert not is_signed(payload + b"x", signature(payload, SECRET), [SECRET])
    assert not is_signed(payload, given_, [SECRET])
