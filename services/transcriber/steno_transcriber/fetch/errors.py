"""The errors of fetching a recording. Pure.

```
StenoError
├── Retryable
│   ├── SourceFailed           the server may do better at the next attempt; tried a few times, then given up
│   │   ├── SourceTooSlow      it sends hardly anything
│   │   └── NotThereYet        it has nothing at the URL, or nothing yet
│   ├── FetchLater             the recording is tried again later, and holds no slot meanwhile
│   └── NoDiskSpace            the disk for temporary files is full or fails
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
    """The server did not send the whole recording."""

    error_class = "source_failed"


class SourceTooSlow(SourceFailed):
    """The server sends more slowly than it must."""

    error_class = "source_too_slow"


class NotThereYet(SourceFailed):
    """There is nothing at the URL yet: recorders may announce a recording before they have stored it."""

    error_class = "recording_not_yet"


class FetchLater(Retryable):
    """The recording is to be fetched later."""

    error_class = "come_again"
    of_record = True


class NoDiskSpace(Retryable):
    """A temporary file cannot be written."""

    error_class = "no_room"


class FetchFailed(Permanent):
    """The recording cannot be fetched."""

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
    """The server refuses to send the recording."""

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
