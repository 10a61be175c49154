"""Records on the log that belong to no call as it stands: they go to dead letters, and their calls go on without them.

```
UnusableRecord              steno.unusable_records: what every reader of the log refuses
├── UnknownCall             its call has not started
├── UnknownCodec            its call cannot be heard
├── TooManyProperties             with what is known of its call already, it says more than is kept
└── TooManyUpdates            its call is told of more often than it has had time for
```
"""

from steno.unusable_records import UnusableRecord


class UnknownCall(UnusableRecord):
    error_class = "unknown_call"


class UnknownCodec(UnusableRecord):
    error_class = "unknown_codec"


class TooManyProperties(UnusableRecord):
    error_class = "properties_too_large"


class TooManyUpdates(UnusableRecord):
    error_class = "too_many_updates"
