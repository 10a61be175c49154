"""Defines the errors of Steno, named by what the caller should do. Pure.

```
StenoError
├── Retryable            try again later: a dependency is away, a deadline passed
└── Permanent            never try again: the input itself is wrong; the original bytes go to dead letters
    └── events.codec.UndecodableRecord
```

`error_class` is what programs match on (metrics, dead-letter headers, `TranscriptFailed.error`); the message is for a
person: what was wrong, where, and what to do.
"""

from typing import ClassVar


class StenoError(Exception):
    """Base of all errors that Steno raises on purpose."""

    error_class: ClassVar[str] = "steno"


class Retryable(StenoError):
    """It may work later: the same call is made again after a back-off."""

    error_class = "retryable"

    #: Whether only this record has to wait, so that later records of its partition may overtake it.
    of_record: ClassVar[bool] = False

    def __init__(self, *told: object, again_in_seconds: float = 0.0) -> None:
        """`again_in_seconds`: the dependency has asked not to be called sooner."""
        super().__init__(*told)
        self.again_in_seconds = again_in_seconds


class Permanent(StenoError):
    """It will never work: the input goes to dead letters with the reason."""

    error_class = "permanent"
