"""Identifies a file before ffmpeg opens it: by its content first, then by its submitted format, then by its name. Pure.

| the file | is opened |
|---|---|
| identifies itself: RIFF, Ogg, frames of MP3, … | as that, whatever its name |
| is a web page, an archive, a mail, … | never: the error names it |
| was submitted with a `format` | as audio of that coding without a header |
| is G.711 or linear audio beyond doubt, and its name is of nothing else | likewise, at 8 kHz |
| has a name with a coding: `.ulaw`, `.sln16`, `.vox`, … | likewise |
| is called `.raw`, `.pcm` or `.l16`, and is not sure | never: the error asks for `format` |
| any other | as ffmpeg detects |
"""

from collections.abc import Callable

from steno.audio_files import CONTAINER_SUFFIXES, FORMATS, HEADERLESS_SUFFIXES, VAGUE_SUFFIXES, Headerless, suffix_of
from steno_transcriber.audio.errors import UnreadableAudio
from steno_transcriber.audio.guess_coding import GUESSED, guess_coding, read_samples
from steno_transcriber.audio.headerless import Opening, choose_opening
from steno_transcriber.audio.signatures import HEAD_BYTES, is_audio, other_than_audio

ASK = f"say in its metadata how it is coded: `format` is one of {FORMATS}"


def identify(read: Callable[[int, int], bytes], size: int, *, name: str, headerless: str | None) -> Opening:
    """Chooses how a file is to be opened.

    Args:
        read: reads a number of bytes from an offset, or as many as there are.
        size: its size in bytes.
        name: its name.
        headerless: its coding if it has no header, by its submitter.

    Raises:
        UnreadableAudio: it is something else, or its coding is not known.
    """
    try:
        said = Headerless(headerless) if headerless else None
    except ValueError:
        raise UnreadableAudio(f"{name} was submitted with a `format` that is not known; it is one of {FORMATS}") from None
    head = read(0, HEAD_BYTES)
    if is_audio(head):
        return Opening()
    if something := other_than_audio(head):
        raise UnreadableAudio(f"{name} is {something}")
    suffix = suffix_of(name)
    coding = said or HEADERLESS_SUFFIXES.get(suffix)
    if said is None and coding in (None, *GUESSED) and suffix not in CONTAINER_SUFFIXES:
        coding = guess_coding(read_samples(read, size)) or coding
    if coding is not None:
        return choose_opening(coding, size)
    if suffix in VAGUE_SUFFIXES:
        raise UnreadableAudio(f"{name} has no header, and what is in it does not tell how it is coded: {ASK}")
    return Opening()
