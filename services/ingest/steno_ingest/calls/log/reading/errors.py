"""The errors of records that do not fit their call. Such a record goes to dead letters, and its call goes on without it. Pure.

```
UnusableRecord              steno.unusable_records: what every reader of the log refuses
├── UnknownCall             its call has not started
├── UnknownCodec            the audio of its call cannot be decoded
├── TooManyProperties       its call would have more properties than are kept
└── TooManyUpdates          its call is paused, updated and corrected more often than it has had time for
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
