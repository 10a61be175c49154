"""Names of audio files: which are recordings, which are still being written, and how those without a header are coded. Pure."""

from enum import StrEnum
from pathlib import PurePosixPath

LONGEST_FILE_NAME = 255
"""Characters; the end of a longer name counts, for it has the suffix."""


class Headerless(StrEnum):
    """How audio without a header is coded, always in one channel."""

    #: G.711 µ-law at 8 kHz.
    MULAW = "mulaw"
    #: G.711 A-law at 8 kHz.
    ALAW = "alaw"
    #: Linear, 16 bit, the low byte first, at 8 kHz (Asterisk's `.sln`); the others at so many kHz.
    SLIN = "slin"
    SLIN12 = "slin12"
    SLIN16 = "slin16"
    SLIN24 = "slin24"
    SLIN32 = "slin32"
    SLIN44 = "slin44"
    SLIN48 = "slin48"
    #: Linear, 16 bit, the high byte first, at 8 kHz (L16 of RFC 3551).
    L16 = "l16"
    #: Dialogic ADPCM at 8 kHz, and at 6 kHz.
    VOX = "vox"
    VOX6 = "vox6"
    G722 = "g722"
    G723 = "g723"
    G729 = "g729"
    GSM = "gsm"


FORMATS = ", ".join(Headerless)
"""The values of `format`, for messages."""

HEADERLESS_SUFFIXES: dict[str, Headerless] = {
    **dict.fromkeys((".ul", ".ulaw", ".ulw", ".mu", ".mulaw", ".pcmu"), Headerless.MULAW),
    **dict.fromkeys((".al", ".alaw", ".alw", ".pcma"), Headerless.ALAW),
    **dict.fromkeys((".sln", ".slin", ".sln8", ".s16", ".s16le", ".sw", ".r8"), Headerless.SLIN),
    **dict.fromkeys((".sln12", ".slin12"), Headerless.SLIN12),
    **dict.fromkeys((".sln16", ".slin16", ".r16"), Headerless.SLIN16),
    **dict.fromkeys((".sln24", ".slin24", ".r24"), Headerless.SLIN24),
    **dict.fromkeys((".sln32", ".slin32", ".r32"), Headerless.SLIN32),
    **dict.fromkeys((".sln44", ".slin44"), Headerless.SLIN44),
    **dict.fromkeys((".sln48", ".slin48"), Headerless.SLIN48),
    ".vox": Headerless.VOX,
    ".g722": Headerless.G722,
    **dict.fromkeys((".g723", ".g723sf"), Headerless.G723),
    ".g729": Headerless.G729,
    ".gsm": Headerless.GSM,
}
"""What says how it is coded by its suffix: Asterisk's, FreeSWITCH's and SoX's."""

VAGUE_SUFFIXES = frozenset({".raw", ".pcm", ".l16"})
"""Linear or either G.711, in either order of bytes: that differs from maker to maker."""

CONTAINER_SUFFIXES = frozenset(
    f".{name}" for name in (
        "3g2", "3gp", "3gpp", "722", "aac", "ac3", "aif", "aifc", "aiff", "amr", "ape", "apl", "asf", "au", "avi", "awb",
        "caf", "eac3", "ec3", "f4v", "flac", "flv", "g723_1", "ilbc", "ircam", "isma", "ismv", "m2a", "m2ts", "m4a",
        "m4b", "m4v", "mac", "mk3d", "mka", "mkv", "mov", "mp2", "mp3", "mp4", "mpa", "mpeg", "mpg", "mts", "nist", "oga",
        "ogg", "ogv", "opus", "qt", "rco", "rso", "sf", "snd", "sox", "sph", "spx", "tco", "ts", "tta", "voc", "w64",
        "wav", "wav49", "wave", "webm", "wma", "wmv", "wv",
    )
)  # fmt: skip
"""Of files that say themselves what is in them, or of one coding in frames: of every format that the decoder opens."""

AUDIO_SUFFIXES = CONTAINER_SUFFIXES | VAGUE_SUFFIXES | HEADERLESS_SUFFIXES.keys()
"""Of all that may be a recording."""

_PARTIAL_SUFFIXES = frozenset(
    f".{name}" for name in (
        "part", "partial", "filepart", "tmp", "temp", "crdownload", "download", "opdownload", "inprogress", "uploading",
        "incomplete", "writing", "swp", "lock",
    )
)  # fmt: skip
"""Of files that are still written: by browsers, SFTP and FTP clients, recorders and editors."""


def suffix_of(name: str) -> str:
    """The suffix of a file's name, in small letters, with its dot; nothing where it has none."""
    return PurePosixPath(name).suffix.lower()


def is_audio_name(name: str) -> bool:
    """Whether a file is called as recordings are."""
    return suffix_of(name) in AUDIO_SUFFIXES


def is_partial_name(name: str) -> bool:
    """Whether a name says that its file is still written: a suffix, a dot in front (rsync, macOS), or a `~` at either end."""
    return name.startswith((".", "~")) or name.endswith(("~", "._COPYING_")) or suffix_of(name) in _PARTIAL_SUFFIXES


def plain_file_name(name: str) -> str:
    """What a client or server calls a file, without its folders and without what is no text."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    printable = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in last)
    return printable.strip()[-LONGEST_FILE_NAME:]


def naming(name: str, reason: str) -> str:
    """A reason with the name of the file in it."""
    return reason if name in reason else f"{name}: {reason}"
