"""What can be wrong with a recording; apart from the decoder, which takes ffmpeg into memory. Pure.

```
StenoError
├── Permanent
│   └── UnreadableAudio   the file is not audio, or not what we decode, now and ever
├── Retryable
│   └── DecoderLost       this machine could not begin or keep a decoder, whatever the recording
├── DecoderDied           the process that decoded it ended before its time, or stood still
└── Stopped               the work was told to stop
```
"""

from steno.errors import Permanent, Retryable, StenoError


class UnreadableAudio(Permanent):
    """The file is not audio, or broken beyond use, now and ever. The message says why and names nothing but the file."""

    error_class = "unreadable_audio"


class DecoderDied(StenoError):
    """The process that decoded a recording ended before its time, or stood still and was ended."""

    error_class = "decoder_died"


class DecoderLost(Retryable):
    """This machine has no process or descriptor for a decoder, or the process that decoders are forked from died."""

    error_class = "decoder_lost"


class Stopped(StenoError):
    """The work was told to stop, and did."""

    error_class = "stopped"
