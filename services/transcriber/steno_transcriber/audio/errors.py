"""The errors of decoding; in a module without the decoder, which loads ffmpeg. Pure.

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
    """The file is not audio, or damaged beyond use, for good. The message gives the reason, and names nothing but the file."""

    error_class = "unreadable_audio"


class DecoderDied(StenoError):
    """The process that decoded a recording died, or hung and was killed."""

    error_class = "decoder_died"


class DecoderLost(Retryable):
    """This machine has no process or descriptor for a decoder, or the process that decoders are forked from died."""

    error_class = "decoder_lost"


class Stopped(StenoError):
    """The work was stopped on request."""

    error_class = "stopped"
