"""Recordings of which most is missing, as FLAC files: to the sample what was there, and next to nothing for silence."""

import io
from collections.abc import AsyncIterator

import av
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steno_ingest.calls.log.audio.flac_file import flac
from steno_ingest.calls.log.audio.pieces import Shape

from steno.events.records import AudioCodec
from steno.g711 import LINEAR_VALUES

Parts = list[bytes | int]

SHAPES = [
    Shape(codec=codec, sample_rate=rate, channels=channels)
    for codec, rate, channels in [
        (AudioCodec.PCMU, 8000, 1),
        (AudioCodec.PCMA, 8000, 2),
        (AudioCodec.PCMU, 16000, 3),
        (AudioCodec.S16LE, 16000, 8),
        (AudioCodec.S16LE, 8000, 1),
    ]
]


async def written(shape: Shape, parts: Parts) -> bytes:
    samples = sum(part if isinstance(part, int) else len(part) // shape.frame_bytes for part in parts)

    async def given_out() -> AsyncIterator[bytes | int]:
        for part in parts:
            yield part

    return b"".join([block async for block in flac(shape, samples, given_out())])


def heard(file: bytes) -> npt.NDArray[np.int16]:
    """What ffmpeg makes of it: shape (samples, channels)."""
    with av.open(io.BytesIO(file), "r", options={"err_detect": "crccheck+bitstream+explode"}) as found:
        frames = [frame.to_ndarray().reshape(-1, len(frame.layout.channels)) for frame in found.decode(audio=0)]
    return np.concatenate(frames) if frames else np.zeros((0, 1), dtype=np.int16)


def expected(shape: Shape, parts: Parts) -> npt.NDArray[np.int16]:
    raw = b"".join(shape.silence(part) if isinstance(part, int) else part for part in parts)
    if shape.codec is AudioCodec.S16LE:
        return np.frombuffer(raw, "<i2").reshape(-1, shape.channels)
    linear: npt.NDArray[np.int16] = np.array(LINEAR_VALUES[shape.codec], np.int16)[np.frombuffer(raw, np.uint8)]
    return linear.reshape(-1, shape.channels)


LENGTHS = st.one_of(st.integers(1, 40), st.integers(4090, 4120), st.sampled_from([65_535, 65_536, 65_550, 200_000]))


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(SHAPES), st.lists(st.tuples(st.booleans(), LENGTHS), min_size=1, max_size=8), st.randoms())
async def test_a_decoder_hears_what_was_there(shape: Shape, plan: list[tuple[bool, int]], chance: object) -> None:
    """Every sample of every channel, wherever audio and silence meet and however brief they are."""
    noise = np.random.default_rng(len(plan))
    parts: Parts = [noise.bytes(length * shape.frame_bytes) if audible else length for audible, length in plan]
    found = heard(await written(shape, parts))
    np.testing.assert_array_equal(found, expected(shape, parts))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
async def test_hours_of_silence_take_a_few_bytes(shape: Shape) -> None:
    """A day of it is no megabyte, whatever the channels and the rate."""
    file = await written(shape, [shape.silence(800), 24 * 3600 * shape.sample_rate, shape.silence(800)])
    assert len(file) < 1 << 20


async def test_a_player_is_told_how_long_it_is() -> None:
    """Without reading it through."""
    shape = SHAPES[0]
    file = await written(shape, [b"\x10" * 8000, 3600 * 8000])
    with av.open(io.BytesIO(file), "r") as found:
        stream = found.streams.audio[0]
        assert (stream.rate, stream.channels) == (8000, 1)
        assert found.duration == pytest.approx(3601 * 1_000_000)
