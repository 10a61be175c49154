"""Decides when unusable records fail a live call: one rule for every service that reads `call-audio`. Pure.

A record that does not fit its call (its position is impossible, its audio is cut within a sample) is left out, and the call
goes on without it. If a publisher sends little else, it is wrong about the call as a whole: the call fails once, with a reason.

```
StenoError
└── Permanent
    └── UnusableRecord
        ├── BrokenAudio         its audio is no whole number of sample frames
        ├── ImpossiblePlace     its position or sequence cannot follow what came before
        └── AfterTheEnd         its call is over
```
"""

from dataclasses import dataclass

from steno.errors import Permanent

MAX_UNUSABLE = 100
"""So many unusable records fail a call, if no usable record comes between."""

_WEIGHT = 10
"""So many usable chunks of audio make up for one unusable record: a few in a call of hours are no reason to fail it."""

ERROR = "unusable_records"
"""The error class of the failure."""


class UnusableRecord(Permanent):
    """A record does not fit its call, which goes on without it."""

    error_class = "unusable_record"


class BrokenAudio(UnusableRecord):
    error_class = "broken_audio"


class ImpossiblePlace(UnusableRecord):
    error_class = "impossible_place"


class AfterTheEnd(UnusableRecord):
    error_class = "after_the_end"


@dataclass(slots=True)
class UnusableScore:
    """Weighs the unusable records of one call against its usable ones."""

    #: How many usable chunks would make up for them; from the limit on it stays as it is.
    weight: int = 0

    @property
    def exceeded(self) -> bool:
        """Whether the call must fail."""
        return self.weight >= MAX_UNUSABLE * _WEIGHT

    def add_usable(self) -> None:
        """Counts a usable chunk of audio."""
        if 0 < self.weight < MAX_UNUSABLE * _WEIGHT:
            self.weight -= 1

    def add_unusable(self) -> bool:
        """Counts an unusable record; returns whether it fails the call."""
        if self.exceeded:
            return False
        self.weight += _WEIGHT
        return self.exceeded


def failure_reason(last: str) -> str:
    """Says to a person why a call failed; `last` says what was wrong with the last record."""
    what = f"about {MAX_UNUSABLE} of the call's records could not be used"
    return f"{what}, the last one because {last}; mend what publishes the call"
