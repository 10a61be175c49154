"""The errors of requests to ingest, with a class for each reason. Pure.

```
StenoError
└── Permanent
    └── Refused             the request is refused; the message says what to change
        ├── InvalidMetadata     the metadata of the recording is not valid
        ├── ForeignUrl          the URL names an object outside the store of this installation
        ├── EmptyAudio          the file is empty
        ├── HardLinked          the file has another name elsewhere, so it may belong to somebody else
        ├── TooLarge            the file is larger than the settings allow
        ├── KeyReused           the Idempotency-Key was used for another request
        ├── AlreadyEnded        the recording has ended and cannot be cancelled
        ├── CallIdInUse         another call has or had this id
        ├── CallAlreadyEnded    the call's audio has ended
        ├── CallNotHere         an upstream system publishes the call's audio, so only it can do this
        ├── UnusableId          an id contains characters that the database cannot store
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
    """One fault of a request, and where it is: `metadata.channels.0.role`, `header.Idempotency-Key`."""

    where: str
    problem: str


class Refused(Permanent):
    """The request is refused."""

    error_class = "refused"

    def __init__(self, message: str, *, faults: Sequence[Fault] = (), about: Mapping[str, str] | None = None) -> None:
        """
        Args:
            about: Values for programs, besides the message: a state, a reason.
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
