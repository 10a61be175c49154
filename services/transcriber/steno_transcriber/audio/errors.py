"""What can be wrong with a recording; apart from the decoder, which takes ffmpeg into memory."""

from steno.errors import Permanent


class UnreadableAudio(Permanent):
    """The file is not audio, or broken beyond use, now and ever. The message says why and names nothing but the file."""

    error_class = "unreadable_audio"
