"""The signatures of a delivery, verified as receivers do: by the library of Standard Webhooks."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook, WebhookVerificationError
from steno_notifier.delivery_queue import Claim
from steno_notifier.http_transport import HttpTransport, UnusableSecret

from steno.crypto import SecretBox, make_secret_key

OLD = "whsec_" + "b2xkIHNlY3JldCBvZiBhIHJlY2VpdmVyLCAzMiBieXRlcw=="
NEW = "whsec_" + "bmV3IHNlY3JldCBvZiBhIHJlY2VpdmVyLCAzMiBieXRlcw=="
BOX = SecretBox(SecretStr(make_secret_key()))


def signed(*, secret: str = NEW, previous: bytes = b"", seconds_left: float | None = None) -> dict[str, str]:
    """The headers of an attempt made now; the secret before counts for so long."""
    # The library looks at the clock, and refuses what is five minutes old.
    now = datetime.now(UTC)
    claim = Claim(
        delivery_id="d",
        event_id="event-1",
        event_type="transcript.completed",
        call_id="c",
        recording_id="r",
        occurred_at=now,
        body='{"a": 1}',
        traceparent=None,
        webhook_id="w",
        url="https://receiver.example/",
        encrypted_secret=BOX.encrypt(secret.encode()),
        previous_encrypted_secret=previous,
        previous_expires_at=None if seconds_left is None else now + timedelta(seconds=seconds_left),
        webhook_updated_at=now,
        number=1,
        tries=0,
        lease="l",
    )
    return HttpTransport(cast(Any, None), BOX, now=lambda: now)._headers(claim, now)


def takes(secret: str, headers: dict[str, str]) -> bool:
    """Whether a receiver that knows this secret takes the delivery."""
    try:
        Webhook(secret).verify('{"a": 1}', headers)
    except WebhookVerificationError:
        return False
    return True


def test_without_a_rotation_there_is_one_signature() -> None:
    """Of the secret of the webhook."""
    headers = signed()
    assert (takes(NEW, headers), takes(OLD, headers), len(headers["webhook-signature"].split())) == (True, False, 1)


@pytest.mark.parametrize(("left", "old"), [(1, True), (0, False), (-1, False), (86_400, True)])
def test_the_secret_before_signs_too_until_it_expires(left: int, old: bool) -> None:
    """Both receivers take the delivery, the one that has changed over and the one that has not; by the clock of the attempt."""
    headers = signed(previous=BOX.encrypt(OLD.encode()), seconds_left=left)
    assert (takes(NEW, headers), takes(OLD, headers)) == (True, old)
    first, *_ = headers["webhook-signature"].split()
    assert takes(NEW, {**headers, "webhook-signature": first})


@pytest.mark.parametrize(
    "previous",
    [b"nonsense", b"", BOX.encrypt(b"\xff"), BOX.encrypt(b"whsec_")],
    ids=["not encrypted", "empty", "no text", "no key"],
)
def test_a_secret_before_that_cannot_sign_holds_up_nothing(previous: bytes) -> None:
    """Receivers that know the new one are reached."""
    headers = signed(previous=previous, seconds_left=86_400)
    assert takes(NEW, headers)
    assert len(headers["webhook-signature"].split()) == 1


def test_a_secret_that_cannot_sign_is_told() -> None:
    """Whatever the one before can."""
    with pytest.raises(UnusableSecret, match="give the webhook a new one"):
        signed(secret="whsec_", previous=BOX.encrypt(OLD.encode()), seconds_left=86_400)
