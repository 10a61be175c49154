"""What the decoder asks of CTranslate2 before it loads a model."""

import os
from pathlib import Path

import pytest
from steno_transcriber.engines.whisper_decoder import use_wide_vectors

ISA = "CT2_FORCE_CPU_ISA"


@pytest.mark.parametrize(
    ("flags", "set_before", "expected"),
    [
        ("fpu avx2 avx512f avx512_vbmi2", None, "AVX512"),
        ("fpu avx2 avx512f", None, None),
        ("fpu avx2 avx512f avx512_vbmi2", "AVX2", "AVX2"),
    ],
)
def test_wide_vectors_are_used_where_the_processor_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str, set_before: str | None, expected: str | None
) -> None:
    """An operator's own setting stands, and a processor that lacks them, or slows down for them, is left as it is."""
    monkeypatch.setenv(ISA, set_before or "")
    if set_before is None:
        monkeypatch.delenv(ISA)
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"model name\t: a processor\nflags\t\t: {flags}\n")
    use_wide_vectors(cpuinfo)
    assert os.environ.get(ISA) == expected


def test_a_system_that_lists_no_flags_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only Linux has the list."""
    monkeypatch.delenv(ISA, raising=False)
    use_wide_vectors(tmp_path / "missing")
    assert ISA not in os.environ
