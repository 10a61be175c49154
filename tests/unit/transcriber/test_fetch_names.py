"""The file behind a link is called as its server, its path or a parameter of it says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_transcriber.fetch.file_names import name_of

from steno.audio_files import LONGEST_FILE_NAME

NAMES = {
    ("https://e.org/calls/call%201.ulaw?sig=x", ""): "call 1.ulaw",
    ("https://e.org/download", 'attachment; filename="call.sln"'): "call.sln",
    ("https://e.org/a.wav", 'attachment; filename="call.sln"'): "call.sln",
    ("https://e.org/call.ulaw", 'attachment; filename="download"'): "call.ulaw",
    ("https://e.org/download", "attachment; filename*=UTF-8''Gespr%C3%A4ch.vox"): "Gespräch.vox",
    ("https://e.org/download", 'inline; filename="../../etc/call.raw"'): "call.raw",
    ("https://e.org/download?id=7&file=%2Fcalls%2Fcall.vox", ""): "call.vox",
    ("https://e.org/get?name=call.pcmu&token=secret", ""): "call.pcmu",
    ("https://e.org/1?response-content-disposition=attachment%3B%20filename%3D%22a.g729%22", ""): "a.g729",
    ("https://e.org/1?rscd=file%3B%20filename%3Da.pcma", ""): "a.pcma",
    ("https://e.org/download?token=secret", ""): "download",
    ("https://e.org/calls/7.sln16/", ""): "7.sln16",
    ("https://e.org/call.wav?a=b.vox", ""): "call.wav",
    ("https://e.org", ""): "recording",
    ("https://e.org/a%0Ab.wav", ""): "a\N{REPLACEMENT CHARACTER}b.wav",
    ("https://e.org/a.wav", "attachment; filename*=nonsense''%ff.sln"): "ÿ.sln",
    ("https://e.org/a.wav", '\udcff;;=;filename="\udcff'): "a.wav",
}


@pytest.mark.parametrize(("where", "name"), NAMES.items())
def test_a_link_is_named(where: tuple[str, str], name: str) -> None:
    """The first that is the name of an audio file counts; no secret of a query is told."""
    url, disposition = where
    assert name_of(url, disposition=disposition) == name


DISPOSITIONS = st.text(max_size=200) | st.text("filename*=;'\"%ff utf-8idna").map("a;".__add__)


@given(query=st.text(max_size=200), disposition=DISPOSITIONS)
def test_any_server_may_answer_anything(query: str, disposition: str) -> None:
    """There is a name, of a bounded length, and no path."""
    name = name_of("https://e.org/a?" + query.replace("#", ""), disposition=disposition)
    assert 0 < len(name) <= LONGEST_FILE_NAME
    assert "/" not in name
    assert name.isprintable()
