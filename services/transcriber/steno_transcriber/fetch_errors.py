"""Why a recording could not be fetched. Pure.

```
StenoError
├── Retryable
│   ├── SourceFailed           the server may do better at the next attempt; tried a few times, then given up
│   │   ├── SourceTooSlow      it sends hardly anything
│   │   └── NotThereYet        it has nothing at the URL, or nothing yet
│   ├── ComeAgain              the recording is tried again later, without a place meanwhile
│   └── NoRoom                 the disk for temporary files is full or fails
└── Permanent
    └── FetchFailed            the recording cannot be had, and the message says why
        ├── UnsupportedUrl     not a URL that recordings are fetched from
        ├── FileForbidden      a file:// URL outside the allowed folders
        ├── RecordingMissing   there is nothing at the URL, and was nothing for a while
        ├── RecordingRefused   the server does not hand it out
        ├── RecordingTooLarge  it has more bytes than allowed
        ├── ChecksumMismatch   its bytes are not those that were submitted
        └── FetchGivenUp       every attempt failed
```
"""

from typing import ClassVar

from steno.errors import Permanent, Retryable


class SourceFailed(Retryable):
    """The server did not hand the recording out whole."""

    error_class = "source_failed"


class SourceTooSlow(SourceFailed):
    """The server sends less than it must."""

    error_class = "source_too_slow"


class NotThereYet(SourceFailed):
    """There is nothing at the URL; recorders may tell it before they have put the recording there."""

    error_class = "recording_not_yet"


class ComeAgain(Retryable):
    """A recording is fetched later."""

    error_class = "come_again"
    of_record = True


class NoRoom(Retryable):
    """A temporary file cannot be written."""

    error_class = "no_room"


class FetchFailed(Permanent):
    """The recording cannot be had."""

    error_class: ClassVar[str] = "fetch_failed"


class UnsupportedUrl(FetchFailed):
    """Not a URL that recordings are fetched from."""

    error_class = "unsupported_url"


class FileForbidden(FetchFailed):
    """A file outside the folders that files may be read from."""

    error_class = "file_forbidden"


class RecordingMissing(FetchFailed):
    """There is nothing at the URL."""

    error_class = "recording_missing"


class RecordingRefused(FetchFailed):
    """The server does not hand the recording out."""

    error_class = "recording_refused"


class RecordingTooLarge(FetchFailed):
    """The recording has more bytes than are allowed."""

    error_class = "recording_too_large"


class ChecksumMismatch(FetchFailed):
    """The bytes are not those that were submitted."""

    error_class = "checksum_mismatch"


class FetchGivenUp(FetchFailed):
    """Every attempt failed."""

    error_class = "fetch_given_up"
