"""What a file is shows in its first bytes: audio, or something else that a person would call by its name."""

import gzip
import io
import json
import re
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_transcriber.audio.signatures import is_audio, other_than_audio

PAGE = b"<!-- saved -->\r\n<!DOCTYPE html>\r\n<html><head><title>Sign in</title></head><body>\xfcber</body></html>"


def zipped() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("call.wav", "RIFF")
    return target.getvalue()


def tarred() -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("call.wav"))
    return target.getvalue()


THINGS = {
    "html": (PAGE, r"a web page \(HTML\), not audio: perhaps its link needs a sign-in"),
    "html after spaces": (b"\n\n  \t<html lang=en>\n", "a web page"),
    "html after a byte order mark": (b"\xef\xbb\xbf<HTML>\n<BODY>", "a web page"),
    "html in UTF-16": ("<!doctype html><html>".encode("utf-16"), "a web page"),
    "xhtml": (b'<?xml version="1.0"?>\n<html xmlns="http://www.w3.org/1999/xhtml">', "a web page"),
    "xml": (b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>', "an XML document"),
    "json": (json.dumps({"error": "token expired", "status": 401}).encode(), "JSON"),
    "json list": (b'[\n  {"id": 1, "file": "call.wav"}]', "JSON"),
    "mail": (b"From: a@example.org\r\nTo: b@example.org\r\nSubject: Voicemail\r\n\r\nhello", r"a mail \(MIME\)"),
    "mail with binary": (b"MIME-Version: 1.0\nContent-Type: audio/wav;\n name=a.wav\n\nRIFF\xff\xfe\0", "a mail"),
    "mailbox": (b"From a@example.org Sat Jan  3 01:05:34 1996\nReceived: from x\nDate: today\n\nhello", "a mail"),
    "http": (b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n", "a web server's answer"),
    "zip": (zipped(), "a zip archive"),
    "gzip": (gzip.compress(b"RIFF"), "a gzip archive"),
    "tar": (tarred(), "a tar archive"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3", "a PDF"),
    "png": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a picture"),
    "old office": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "an Office document"),
    "playlist": (b"#EXTM3U\n#EXTINF:9,\nhttps://example.org/a.ts\n", "a playlist"),
    "text": (b"the customer called at nine\n" * 50, "text"),
    "text in another script": ("Запись звонка недоступна\n".encode(), "text"),
    "error": (b"404: not found\n", "text"),
}


@pytest.mark.parametrize(("content", "words"), THINGS.values(), ids=THINGS.keys())
def test_what_is_no_audio_is_named(content: bytes, words: str) -> None:
    """By what a person calls it, and that it is no audio."""
    said = other_than_audio(content)
    assert re.match(words, said), said
    assert "not audio" in said
    assert not is_audio(content)


SILENCES = {
    "mulaw": bytes([0xFF, 0x7F] * 2000),
    "alaw": bytes([0xD5, 0x55] * 2000),
    "alaw of one sign": b"U" * 4000,
    "alaw a little below zero": b"UTWVQPSR" * 500,
    "linear": bytes(4000),
    "adpcm": bytes([0x08, 0x80] * 2000),
}


@pytest.mark.parametrize("content", SILENCES.values(), ids=SILENCES.keys())
def test_silence_is_nothing_else(content: bytes) -> None:
    """Whatever the letters that it happens to be in ASCII."""
    assert other_than_audio(content) == ""
    assert not is_audio(content)


def mp3_frame(bitrate: int = 4) -> bytes:
    """MPEG-2 layer III, 16 kHz: 32 kbit/s has frames of 144 bytes."""
    return (bytes([0xFF, 0xF3, bitrate << 4 | 2 << 2, 0xC4]) + bytes(140)) if bitrate == 4 else b""


def test_frames_that_follow_each_other_are_audio() -> None:
    """MP3 without a tag has no header of the file: its frames are known by their chain, and one alone is none."""
    assert is_audio(mp3_frame() * 5)
    assert not is_audio(mp3_frame() + bytes(1000))


@given(st.binary(max_size=600))
def test_any_bytes_are_looked_at(content: bytes) -> None:
    """Nothing that comes first in a file raises."""
    assert isinstance(is_audio(content), bool)
    assert isinstance(other_than_audio(content), str)


MARKUP = ["<!--", "-->", "<?xml", "?>", "From: a\r\n", "X-A: b\r\n", " c\r\n", "<html", "{", '"', "\r\n", "\ufeff", "é"]


@given(st.lists(st.sampled_from(MARKUP), max_size=3000))
def test_nothing_takes_long(pieces: list[str]) -> None:
    """Markup that never ends is looked at once (hypothesis gives each 200 ms)."""
    other_than_audio("".join(pieces).encode()[:16_384])


def test_samples_are_audio() -> None:
    """The calls of this repository say that they are."""
    samples = sorted((Path(__file__).parents[3] / "samples").glob("*.wav"))
    assert samples
    for sample in samples:
        assert is_audio(sample.read_bytes()[:16_384])
