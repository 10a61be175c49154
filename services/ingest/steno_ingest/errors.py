"""The errors of requests to ingest; each class is one reason, so that the client knows what to do. Pure.

```
StenoError
└── Permanent
    └── Refused             the request is wrong; the message says what to change
        ├── InvalidMetadata     what is said about the recording is not valid
        ├── ForeignUrl          the URL names an object of somebody else's store
        ├── EmptyAudio          there is no audio in it
        ├── HardLinked          the file has another name elsewhere, so it may be somebody else's
        ├── TooLarge            it is larger than the settings allow
        ├── KeyReused           the Idempotency-Key was used for another request
        ├── AlreadyEnded        the recording has ended and cannot be cancelled
        ├── CallIdInUse         another call has this id, or had it
        ├── CallAlreadyEnded    the call's audio is over
        ├── CallNotHere         an upstream system has the call's audio, so it is to be asked
        ├── UnusableId          an id has characters in it that no database keeps
        ├── NotThere            there is no such recording, call or webhook
        ├── TranscriptNotReady  the recording has no transcript yet
        └── NoTranscript        the recording will have no transcript
```
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from steno.errors import Permanent


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One thing that is wrong, and where: `metadata.channels.0.role`, `header.Idempotency-Key`."""

    where: str
    problem: str


class Refused(Permanent):
    """What was asked for cannot be done as it was asked."""

    error_class = "refused"

    def __init__(self, message: str, *, faults: Sequence[Fault] = (), about: Mapping[str, str] | None = None) -> None:
        """
        Args:
            about: What a program may want to know beside the message: a state, a reason.
        """
        super().__init__(message)
        self.faults = tuple(faults)
        self.about = dict(about or {})


class InvalidMetadata(Refused):
    error_class = "invalid_metadata"


class ForeignUrl(Refused):
    error_class = "foreign_url"


class EmptyAudio(Refused):
    error_class = "empty_audio"


class HardLinked(Refused):
    error_class = "hard_linked"


class TooLarge(Refused):
    error_class = "too_large"


class KeyReused(Refused):
    error_class = "idempotency_key_reused"


class AlreadyEnded(Refused):
    error_class = "already_ended"


class CallIdInUse(Refused):
    error_class = "call_id_in_use"


class CallAlreadyEnded(Refused):
    error_class = "call_already_ended"


class CallNotHere(Refused):
    error_class = "call_not_here"


class UnusableId(Refused):
    error_class = "unusable_id"


class NotThere(Refused):
    error_class = "not_there"


class TranscriptNotReady(Refused):
    error_class = "not_yet"


class NoTranscript(Refused):
    error_class = "no_transcript"
