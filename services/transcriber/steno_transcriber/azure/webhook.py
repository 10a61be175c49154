"""What Azure posts to a webhook: its signature, and the job that an event is about. Pure.

Source: `WebHook` in `speechtotext.json` (Azure/azure-rest-api-specs) and Microsoft's sample of a receiver.
"""

import hmac
from base64 import b64encode
from collections.abc import Sequence

from pydantic import BaseModel, Field, ValidationError

from steno_transcriber.azure import wire

EVENT_HEADER = "X-MicrosoftSpeechServices-Event"
SIGNATURE_HEADER = "X-MicrosoftSpeechServices-Signature"
TOKEN = "validationToken"  # noqa: S105 - the name of a parameter
"""The parameter of the challenge; its value is what is signed then, and what is answered."""

COMPLETION = "TranscriptionCompletion"
"""The value of `EVENT_HEADER` for a job that has ended."""


class UnreadableEvent(ValueError):
    """The body is not that of an event."""


class _Event(BaseModel):
    link: str = Field(alias="self")


def signature(payload: bytes, secret: str) -> str:
    """The signature of a body, or of the token of a challenge: HMAC-SHA-256 (RFC 2104) in Base64."""
    return b64encode(hmac.digest(secret.encode(), payload, "sha256")).decode()


def is_signed(payload: bytes, given: str, secrets: Sequence[str]) -> bool:
    """Whether a signature was made with one of the secrets; compared in constant time."""
    signed = [hmac.compare_digest(signature(payload, secret).encode(), given.encode()) for secret in secrets]
    return any(signed)


def job_of(body: bytes) -> str:
    """The id of the job that a completion is about.

    Raises:
        UnreadableEvent: the body names none.
    """
    try:
        job_id = wire.id_of(_Event.model_validate_json(body).link)
    except ValidationError as error:
        raise UnreadableEvent(str(error.errors(include_url=False, include_input=False)[0]["msg"])) from None
    except ValueError as error:  # the link is no URL
        raise UnreadableEvent(str(error)) from None
    if not job_id:
        raise UnreadableEvent("its link names no job")
    return job_id
