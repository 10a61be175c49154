"""What can be wrong with a recording; apart from the decoder, which takes ffmpeg into memory.

```
StenoError
├── Permanent
│   └── UnreadableAudio   the file is not audio, or not what we decode, now and ever
├── DecoderDied           the process that decoded it ended before its time, or stood still
└── Stopped               the work was told to stop
```
"""

from steno.errors import Permanent, StenoError


class UnreadableAudio(Permanent):
    """The file is not audio, or broken beyond use, now and ever. The message says why and names nothing but the file."""

    error_class = "unreadable_audio"


class DecoderDied(StenoError):
    """The process that decoded a recording ended before its time, or stood still and was ended."""

    error_class = "decoder_died"

    def __init__(self, message: str, *, by_recording: bool = True) -> None:
        """`by_recording`: it was this recording's own process, so that nothing else can have been the cause."""
        super().__init__(message)
        self.by_recording = by_recording


class Stopped(StenoError):
    """The work was told to stop, and did."""

    error_class = "stopped"
