"""The errors of records that do not fit their call. Such a record goes to dead letters, and its call continues. Pure.

```
UnusableRecord              steno.unusable_records: the errors that all readers of the log share
├── UnknownCall             its call has not started
├── UnknownCodec            the audio of its call cannot be decoded
├── TooManyProperties       the properties of its call would be too large
└── TooManyUpdates          its call is paused, updated and corrected too often for its duration
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
