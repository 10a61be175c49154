"""What files are by their names."""

import pytest

from steno.audio_files import is_partial_name


@pytest.mark.parametrize(
    "name",
    [
        "a.wav.part", "a.wav.partial", "a.wav.filepart", "a.wav.tmp", "a.TMP", "a.wav.crdownload", "a.wav.download",
        ".a.wav.x7Ykq1", ".hidden.wav", "._a.wav", "~a.wav", "~$a.wav", "a.wav~", "a.wav._COPYING_", ".DS_Store",
    ],
)  # fmt: skip
def test_programs_call_files_so_while_they_write_them(name: str) -> None:
    """Browsers, rsync, WinSCP and other clients, Macs, editors, Hadoop."""
    assert is_partial_name(name)


@pytest.mark.parametrize("name", ["a.wav", "part.wav", "tmp", "a.part.wav", "a~b.wav", "partial", "a", ""])
def test_other_names_are_of_whole_files(name: str) -> None:
    """Words of that sort elsewhere in a name say nothing."""
    assert not is_partial_name(name)
