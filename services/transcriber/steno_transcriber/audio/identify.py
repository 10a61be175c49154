"""Decides what a file is before ffmpeg opens it: by what is in it first, then by what was said of it, then by its name. Pure.

| the file | is opened |
|---|---|
| says itself what it is: RIFF, Ogg, frames of MP3, … | so, whatever its name |
| is a web page, an archive, a mail, … | not: the reason names it |
| was submitted with a `format` | as audio of that coding without a header |
| is G.711 or linear audio beyond doubt, and its name is of nothing else | likewise, at 8 kHz |
| has a name that tells a coding: `.ulaw`, `.sln16`, `.vox`, … | likewise |
| is called `.raw`, `.pcm` or `.l16`, and does not tell | not: `format` is asked for |
| any other | as ffmpeg finds |
"""

from collections.abc import Callable

from steno.audio_files import CONTAINER_SUFFIXES, FORMATS, HEADERLESS_SUFFIXES, VAGUE_SUFFIXES, Headerless, suffix_of
from steno_transcriber.audio.errors import UnreadableAudio
from steno_transcriber.audio.guess import GUESSED, coding_of, sampled
from steno_transcriber.audio.headerless import Opening, opening
from steno_transcriber.audio.signatures import HEAD_BYTES, is_audio, other_than_audio

ASK = f"say in its metadata how it is coded: `format` is one of {FORMATS}"


def identify(read: Callable[[int, int], bytes], size: int, *, name: str, headerless: str | None) -> Opening:
    """How a file is to be opened.

    Args:
        read: reads from an offset so many bytes, or as many as there are.
        size: of the file.
        name: its name.
        headerless: how it is coded if it has no header, as its submitter says.

    Raises:
        UnreadableAudio: it is something else, or does not tell what it is.
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
        coding = coding_of(sampled(read, size)) or coding
    if coding is not None:
        return opening(coding, size)
    if suffix in VAGUE_SUFFIXES:
        raise UnreadableAudio(f"{name} has no header, and what is in it does not tell how it is coded: {ASK}")
    return Opening()
