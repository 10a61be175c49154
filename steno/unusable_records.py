"""Decides when unusable records make a live call fail: one rule for every service that reads `call-audio`. Pure.

A record that does not belong into its call (its place is impossible, its audio is cut amidst a sample) is left out, and the
call goes on without it. A publisher that sends little else is mistaken about the call as a whole: it fails once, with a reason.

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

MOST = 100
"""So many unusable records fail a call, where nothing usable comes between."""

_EACH = 10
"""So many usable chunks of audio make up for an unusable one: now and then one in a call of hours is no reason to fail it."""

ERROR = "unusable_records"
"""The class of the failure."""


class UnusableRecord(Permanent):
    """A record does not belong into its call, which goes on without it."""

    error_class = "unusable_record"


class BrokenAudio(UnusableRecord):
    error_class = "broken_audio"


class ImpossiblePlace(UnusableRecord):
    error_class = "impossible_place"


class AfterTheEnd(UnusableRecord):
    error_class = "after_the_end"


@dataclass(slots=True)
class Unusable:
    """How bad one call is."""

    #: What it has against it, in usable chunks; from its limit on it is spoiled, and stays so.
    weight: int = 0

    @property
    def spoiled(self) -> bool:
        """Whether the call is to fail, and no record of it is usable any more."""
        return self.weight >= MOST * _EACH

    def good(self) -> None:
        """A chunk of audio was usable."""
        if 0 < self.weight < MOST * _EACH:
            self.weight -= 1

    def bad(self) -> bool:
        """A record was not; True where the call is spoiled by it."""
        if self.spoiled:
            return False
        self.weight += _EACH
        return self.spoiled


def reason(last: str) -> str:
    """Why a call failed, for a person; `last` says what was wrong with one record."""
    return f"about {MOST} of the call's records could not be used, the last one because {last}; mend what publishes the call"
