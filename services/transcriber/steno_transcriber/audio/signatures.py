"""Recognises by its first bytes whether a file is audio with a header, or not audio at all. Pure."""

import re
from collections.abc import Callable

HEAD_BYTES = 16_384
"""Of a file, that are looked at."""

_AUDIO = re.compile(
    rb"RIFF....(?:WAVE|AVI )|(?:RIFX|RF64|BW64)....WAVE|riff\x2e\x91\xcf\x11"
    rb"|fLaC|OggS|ID3[\x02-\x04]|\.snd|FORM....AIF[FC]|caff\0\x01|\x1a\x45\xdf\xa3|FLV\x01|wvpk|TTA[12]|MAC "
    rb"|#!AMR|#!iLBC|Creative Voice File\x1a|NIST_1A\n|\x30\x26\xb2\x75\x8e\x66\xcf\x11|\0\0\x01\xba|\.SoX|XoS\."
    rb"|....(?:ftyp|moov|mdat|wide|free|skip)",
    re.DOTALL,
)

_THINGS = (
    ("a zip archive", rb"PK(?:\x03\x04|\x05\x06)"),
    ("a gzip archive", rb"\x1f\x8b\x08"),
    ("a bzip2 archive", rb"BZh[1-9]1AY&SY"),
    ("an xz archive", rb"\xfd7zXZ\0"),
    ("a zstd archive", rb"\x28\xb5\x2f\xfd"),
    ("a 7z archive", rb"7z\xbc\xaf\x27\x1c"),
    ("a RAR archive", rb"Rar!\x1a\x07"),
    ("a tar archive", rb".{257}ustar"),
    ("a PDF", rb"%PDF-"),
    ("an Office document or a mail of Outlook", rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    ("a picture (PNG)", rb"\x89PNG\r\n\x1a\n"),
    ("a picture (JPEG)", rb"\xff\xd8\xff[\xdb\xe0\xe1\xee]"),
    ("a picture (GIF)", rb"GIF8[79]a"),
    ("a program", rb"\x7fELF|MZ.{58}..\0\0"),
    ("an SQLite database", rb"SQLite format 3\0"),
    ("a capture of packets", rb"\xd4\xc3\xb2\xa1\x02\0|\xa1\xb2\xc3\xd4\0\x02|\x0a\x0d\x0d\x0a....\x4d\x3c\x2b\x1a"),
)
_THING_PATTERNS = tuple((words, re.compile(magic, re.DOTALL)) for words, magic in _THINGS)

_PAGE = re.compile(r"<(?:!doctype html|html|head|body|script|meta|title)\b", re.IGNORECASE)
_TEXTS = (
    ("an XML document", re.compile(r"<\?xml\b|<!doctype\b", re.IGNORECASE)),
    ("a web server's answer, headers and all", re.compile(r"HTTP/\d(?:\.\d)? \d{3}\b")),
    ("a playlist", re.compile(r"#EXTM3U|\[playlist\]", re.IGNORECASE)),
    ("a pointer of Git LFS", re.compile(r"version https://git-lfs")),
    ("an encrypted message (PGP)", re.compile(r"-----BEGIN PGP")),
)
_JSON = re.compile(r"[\[{]\s*(?:[\"\[{\]}]|-?\d|true|false|null)")

_MAIL = frozenset({
    "content-disposition", "content-transfer-encoding", "content-type", "date", "delivered-to", "from", "message-id",
    "mime-version", "received", "return-path", "subject", "to",
})  # fmt: skip
_PAGE_BEGINS = 4_096
_TEXT_CHARACTERS = 8
"""Different ones that a text has at least, a space or the end of a line among them; what of silence is letters has fewer."""


def is_audio(head: bytes) -> bool:
    """Whether a file identifies itself as audio, by its header or by consecutive frames."""
    return _AUDIO.match(head) is not None or any(_chained(head, length) for length in (_mpeg_frame, _adts_frame, _ts_packet))


def other_than_audio(head: bytes) -> str:
    """What a file is that is not audio, in words; empty where it may be audio."""
    for words, magic in _THING_PATTERNS:
        if magic.match(head):
            return f"{words}, not audio"
    text = _decoded(head)
    if text.startswith("<") and _PAGE.search(text, 0, _PAGE_BEGINS):
        return "a web page (HTML), not audio: perhaps its link needs a sign-in"
    for words, start in _TEXTS:
        if start.match(text):
            return f"{words}, not audio"
    if _is_mail(text):
        return "a mail (MIME), not audio: submit what is attached to it"
    if not _is_plain(text):
        return ""
    return "JSON, not audio" if _JSON.match(text) else "text, not audio"


def _decoded(head: bytes) -> str:
    """The beginning of a file as text; what is not UTF-8 is read as an encoding that includes ASCII."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.decode("utf-16", "replace").lstrip()
    # A character at the end may be cut off.
    text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    return (text[:-3] + re.sub("[\udc80-\udcff]+$", "", text[-3:])).lstrip()


def _is_plain(text: str) -> bool:
    characters = set(text)
    written = all(character.isprintable() or character in "\t\n\r\f" for character in characters)
    return written and len(characters) >= _TEXT_CHARACTERS and not characters.isdisjoint(" \n")


def _is_mail(text: str) -> bool:
    """Whether it begins with two fields of a mail or more (RFC 5322, 2.2), after the line of a mailbox if there is one."""
    names: set[str] = set()
    for line in text.split("\n")[text.startswith("From ") :]:
        if names and line.startswith((" ", "\t")):
            continue
        name, colon, _ = line.partition(":")
        if not colon or re.fullmatch(r"[A-Za-z0-9-]+", name) is None:
            break
        names.add(name.lower())
    return len(names) >= 2 and not names.isdisjoint(_MAIL)


_FRAMES = 4
"""That follow each other: chance makes no such chain."""


def _chained(head: bytes, length: Callable[[bytes, int], int]) -> bool:
    place = 0
    for _ in range(_FRAMES):
        step = length(head, place)
        if not step:
            return False
        place += step
    return True


_MPEG_KBITS = {  # ISO/IEC 11172-3, 2.4.2.3, and 13818-3: by version 1 or not, then layer
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG_RATES = (44_100, 48_000, 32_000)


def _mpeg_frame(data: bytes, place: int) -> int:
    """The length of the frame of MPEG audio (MP1, MP2, MP3) that begins there, or 0."""
    if len(data) < place + 4 or data[place] != 0xFF or data[place + 1] < 0xE0:
        return 0
    version, layer = data[place + 1] >> 3 & 3, 4 - (data[place + 1] >> 1 & 3)
    bitrate, rate = data[place + 2] >> 4, data[place + 2] >> 2 & 3
    if version == 1 or layer == 4 or not 1 <= bitrate <= 14 or rate == 3:
        return 0
    bits = 1000 * _MPEG_KBITS[version == 3, layer][bitrate - 1]
    hertz = _MPEG_RATES[rate] // {3: 1, 2: 2, 0: 4}[version]
    padding = data[place + 2] >> 1 & 1
    if layer == 1:
        return (12 * bits // hertz + padding) * 4
    return (72 if layer == 3 and version != 3 else 144) * bits // hertz + padding


def _adts_frame(data: bytes, place: int) -> int:
    """The length of the frame of AAC (ADTS, ISO/IEC 13818-7, 6.2) that begins there, or 0."""
    if len(data) < place + 7 or data[place] != 0xFF or data[place + 1] & 0xF6 != 0xF0:
        return 0
    length = (data[place + 3] & 3) << 11 | data[place + 4] << 3 | data[place + 5] >> 5
    return length if length > 7 else 0


def _ts_packet(data: bytes, place: int) -> int:
    """The length of the packet of an MPEG transport stream that begins there, or 0."""
    return 188 if data[place : place + 1] == b"\x47" else 0
