"""What a decoder writes is read as what a stranger writes: all of it is checked, and none of it breaks anything."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_transcriber.audio import wire_format
from steno_transcriber.audio.wire_format import AudioFormat, Flaws, Kind, MalformedFrame

FORMAT = AudioFormat(container="wav", codec="pcm_mulaw", channels=2, sample_rate=8_000)


def payload(frame: bytes, kind: Kind) -> bytearray:
    assert wire_format.read_header(frame[: wire_format.HEADER.size]) == (kind, len(frame) - wire_format.HEADER.size)
    return bytearray(frame[wire_format.HEADER.size :])


def test_what_is_packed_is_read_as_it_was() -> None:
    """Each kind of frame."""
    samples = np.array([[0, 0.1, 0.2], [0.3, -0.4, 0.5]], dtype=np.float32)
    assert wire_format.read_format(payload(wire_format.pack_format(FORMAT), Kind.FORMAT)) == FORMAT
    head, values = wire_format.pack_block(77, samples)
    decoded, block = wire_format.read_block(payload(head + bytes(values), Kind.BLOCK), 2)
    assert decoded == 77
    assert np.array_equal(block, samples)
    flaws = Flaws(damaged_ms=1_000, missing_ms=2_000, changes=3, left_out=4)
    assert wire_format.read_end(payload(wire_format.pack_end(80_000, flaws), Kind.END), 8_000) == (80_000, flaws)
    assert wire_format.read_refusal(payload(wire_format.pack_refusal("it is none"), Kind.REFUSED)) == "it is none"
    assert wire_format.read_refusal(payload(wire_format.pack_refusal("a bug", Kind.FAULT), Kind.FAULT)) == "a bug"
    assert wire_format.read_unread(payload(wire_format.pack_unread(5), Kind.UNREAD)) == 5


@given(st.binary(min_size=wire_format.HEADER.size, max_size=wire_format.HEADER.size))
def test_no_header_makes_us_wait_for_more_than_a_frame_has(data: bytes) -> None:
    """Whatever it claims: the length has a bound that follows from the kind, or there is no such frame."""
    try:
        _, length = wire_format.read_header(data)
    except MalformedFrame:
        return
    assert length <= 8 + 4 * wire_format.MOST_BLOCK_VALUES


@given(st.binary(max_size=200), st.integers(1, wire_format.MOST_CHANNELS))
def test_no_bytes_break_a_reader(data: bytes, channels: int) -> None:
    """They are a frame, or they are malformed."""
    readers = (
        wire_format.read_format,
        lambda frame: wire_format.read_block(bytearray(frame), channels),
        lambda frame: wire_format.read_end(frame, 8_000),
        wire_format.read_refusal,
        wire_format.read_unread,
    )
    for reader in readers:
        try:
            reader(data)
        except MalformedFrame:
            continue


@pytest.mark.parametrize("flaws", [Flaws(damaged_ms=10_002), Flaws(missing_ms=2**63)])
def test_no_more_is_silence_than_there_is(flaws: Flaws) -> None:
    """A decoder's word is believed as far as it can be."""
    with pytest.raises(MalformedFrame, match="more is said"):
        wire_format.read_end(payload(wire_format.pack_end(80_000, flaws), Kind.END), 8_000)


@given(st.text())
def test_a_reason_brings_no_controls(text: str) -> None:
    """Neither a terminal nor a log is given what is no text, nor more of it than a person reads."""
    reason = wire_format.read_refusal(payload(wire_format.pack_refusal(text), Kind.REFUSED))
    assert reason.isprintable()
    assert 0 < len(reason.encode()) < 7_000


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_a_block_holds_sound_alone(value: float) -> None:
    """No number that is none reaches the engine."""
    data = struct.pack("<Q", 1) + np.array([0.1, value], dtype="<f4").tobytes()
    with pytest.raises(MalformedFrame, match="no sound"):
        wire_format.read_block(bytearray(data), 1)


@pytest.mark.parametrize(
    ("channels", "rate", "wrong"),
    [(1, 3_999, "3999"), (1, 384_001, "384001"), (65, 8_000, "65 channels"), (0, 8_000, "0 channels"), (2, 8_000, "")],
)
def test_a_format_is_one_of_audio(channels: int, rate: int, wrong: str) -> None:
    """4 to 384 kHz and 64 channels."""
    assert wrong in wire_format.format_fault(channels, rate)
    assert bool(wire_format.format_fault(channels, rate)) == bool(wrong)
