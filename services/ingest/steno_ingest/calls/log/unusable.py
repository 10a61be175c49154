"""Records on the log that belong to no call as it stands: they go to dead letters, and their calls go on without them.

```
StenoError
└── Permanent
    └── UnusableRecord
        ├── UnknownCall         its call has not started
        ├── CallIdReused        its call has started as another one
        ├── UnknownCodec        its call cannot be heard
        ├── BrokenAudio         its audio is no whole number of sample frames
        ├── TooMuchSaid         with what is known of its call already, it says more than is kept
        ├── SaidTooOften        its call is told of more often than it has had time for
        ├── ImpossiblePlace     its position or sequence cannot follow what came before
        └── AfterTheEnd         its call is over
```
"""

from steno.errors import Permanent


class UnusableRecord(Permanent):
    error_class = "unusable_record"


class UnknownCall(UnusableRecord):
    error_class = "unknown_call"


class CallIdReused(UnusableRecord):
    error_class = "call_id_in_use"


class UnknownCodec(UnusableRecord):
    error_class = "unknown_codec"


class BrokenAudio(UnusableRecord):
    error_class = "broken_audio"


class TooMuchSaid(UnusableRecord):
    error_class = "properties_too_large"


class SaidTooOften(UnusableRecord):
    error_class = "said_too_often"


class ImpossiblePlace(UnusableRecord):
    error_class = "impossible_place"


class AfterTheEnd(UnusableRecord):
    error_class = "after_the_end"
