"""Recordings: real files of every container with something wrong in them, and headers that promise what no call is."""

import io
import struct
import tempfile
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from random import Random

import av
import numpy as np
from fuzz.inputs import INTEGERS, mutated
from fuzz.target import Target
from steno_ingest.calls.log.audio.wave_file import wave_header
from steno_transcriber.audio.decode import open_audio
from steno_transcriber.audio.errors import UnreadableAudio

from steno.events.records import AudioCodec

#: Container, codec and rate by ffmpeg's names.
CONTAINERS = (
    ("wav", "pcm_s16le", 8000),
    ("wav", "pcm_mulaw", 8000),
    ("wav", "adpcm_ms", 8000),
    ("wav", "adpcm_ima_wav", 8000),
    ("w64", "pcm_s16le", 16000),
    ("aiff", "pcm_s16be", 8000),
    ("au", "pcm_mulaw", 8000),
    ("caf", "pcm_alaw", 8000),
    ("flac", "flac", 16000),
    ("ogg", "opus", 48000),
    ("ogg", "vorbis", 16000),
    ("ogg", "flac", 16000),
    ("mp3", "libmp3lame", 16000),
    ("mp4", "aac", 16000),
    ("mov", "alac", 16000),
    ("matroska", "pcm_s16le", 8000),
    ("webm", "opus", 48000),
    ("mpegts", "aac", 16000),
    ("adts", "aac", 16000),
    ("wv", "wavpack", 16000),
    ("tta", "tta", 16000),
    ("avi", "pcm_s16le", 8000),
    ("asf", "wmav2", 16000),
    ("flv", "aac", 44100),
    ("voc", "pcm_u8", 8000),
    ("sox", "pcm_s32le", 8000),
    ("g722", "g722", 16000),
    ("ac3", "ac3", 48000),
)
_HEADER_BYTES = 512
_RATES = (0, 1, 7, 3999, 8000, 384_001, 2_000_000_000, 2**32 - 1)


#: Those of files without a header have more tried on them than what their makers would write.
_NAMES = (
    "a.wav", "a", "a.mp3", "a.flac", "a.m3u8", "concat:a", "\x1b[2J.wav", "a.ulaw", "a.raw", "a.sln48", "a.l16", "a.vox",
    "a.g722", "a.g723", "a.g729", "a.gsm",
)  # fmt: skip


def _written(container: str, codec: str, rate: int) -> bytes:
    target = io.BytesIO()
    target.name = f"a.{container}"
    with closing(av.open(target, "w", format=container)) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        size = stream.codec_context.frame_size or rate // 10
        tone = (np.sin(np.arange(rate // 2) / 8) * 9000).astype(np.int16)[None]
        for start in range(0, tone.shape[1], size or 800):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(tone[:, start : start + size]), format="s16", layout="mono")
            frame.sample_rate = rate
            frame.pts = start
            for packet in stream.encode(frame):
                output.mux(packet)
        for packet in stream.encode(None):
            output.mux(packet)
    return target.getvalue()


@cache
def good_files() -> tuple[bytes, ...]:
    """Half a second in every container that can be made here, and the head of a sample."""
    made = []
    for container, codec, rate in CONTAINERS:
        try:
            made.append(_written(container, codec, rate))
        except (av.error.FFmpegError, ValueError):
            continue
    samples = sorted((Path(__file__).parents[3] / "samples").glob("*.wav"))
    assert len(made) > len(CONTAINERS) // 2
    return (*made, *(sample.read_bytes()[:40_000] for sample in samples[:1]))


def _promising_wav(chance: Random) -> bytes:
    """A header that promises anything, and little behind it."""
    tag, channels = (
        chance.choice((0, 1, 2, 3, 6, 7, 17, 0x31, 0x55, 0xFFFE, chance.randrange(65_536))),
        chance.choice((0, 1, 2, 64, 65, 512, 65_535)),
    )
    rate, bits = chance.choice(_RATES), chance.choice((0, 1, 4, 8, 16, 24, 32, 64, 65_535))
    block = chance.choice((0, 1, channels * bits // 8 % 65_536, 65_535))
    shape = struct.pack("<HHIIHH", tag, channels, rate, chance.choice((0, 16_000, 2**32 - 1)), block, bits)
    size = chance.choice(INTEGERS) % 2**32
    data = chance.randbytes(chance.choice((0, 1, 200, 4000)))
    return (
        b"RIFF"
        + struct.pack("<I", size)
        + b"WAVEfmt "
        + struct.pack("<I", len(shape))
        + shape
        + b"data"
        + struct.pack("<I", size)
        + data
    )


def _promising_flac(chance: Random) -> bytes:
    """STREAMINFO with any rate, channels, bits and length."""
    rate, channels, bits = chance.choice(_RATES) % 2**20, chance.randrange(8), chance.randrange(32)
    packed = rate << 44 | channels << 41 | bits << 36 | chance.choice((0, 1, 2**36 - 1))
    info = struct.pack(">HH", chance.choice((16, 4096, 65_535)), 65_535) + bytes(6) + packed.to_bytes(8, "big") + bytes(16)
    frame = bytes.fromhex("fff8c90800c2000000000000") + chance.randbytes(chance.choice((0, 5, 400)))
    return b"fLaC\x80\0\0\x22" + info + frame * chance.choice((1, 1, 20))


def recording(chance: Random) -> tuple[str, bytes]:
    """A name and what the file holds."""
    match chance.randrange(8):
        case 0:
            content = _promising_wav(chance)
        case 1:
            content = _promising_flac(chance)
        case 2:
            whole = chance.choice(good_files())
            content = whole[: chance.randrange(len(whole))] + chance.choice((b"", bytes(3000), chance.randbytes(3000)))
        case 3:
            content = wave_header(AudioCodec.PCMU, sample_rate=8000, channels=2, samples=10**9)[
                : chance.randint(20, 80)
            ] + chance.randbytes(500)
        case _:
            whole = chance.choice(good_files())
            content = mutated(chance, whole[:_HEADER_BYTES], most=6) + whole[_HEADER_BYTES:]
    return chance.choice(_NAMES), content


@cache
def _file() -> Path:
    return Path(tempfile.mkdtemp(prefix="steno-fuzz-")) / "recording"


def decode(given: tuple[str, bytes]) -> None:
    """What comes out of a recording is no more than a recording of its size can hold, and no sound beyond what there is."""
    name, content = given
    path = _file()
    path.write_bytes(content)
    with open_audio(path, name=name) as audio:
        assert 4000 <= audio.format.sample_rate <= 384_000, f"a rate of {audio.format.sample_rate} Hz"
        assert 1 <= audio.format.channels <= 64, f"{audio.format.channels} channels"
        heard = 0
        for block in audio.blocks():
            assert block.dtype == np.float32
            assert block.shape[0] == audio.format.channels
            heard += block.shape[1]
            assert not block.size or float(np.abs(block).max()) < 4.0, "a sample of 4 or more"
        assert abs(heard / 16 - audio.duration_ms) < 1500, f"{heard} samples of {audio.duration_ms} ms"


def _known() -> Sequence[tuple[str, bytes]]:
    pcm = struct.pack("<HHIIHH", 1, 2, 8000, 128_000, 16, 64)
    unknown = struct.pack("<HHIIHH", 0x1234, 1, 8000, 16_000, 2, 16)
    head = b"RIFF\xff\0\0\0WAVEfmt \x10\0\0\0"
    data = b"data\xc8\0\0\0" + bytes(200)
    return [("bits-64.wav", head + pcm + data), ("unknown.wav", head + unknown + data)]


TARGETS = (Target(name="recordings", make=recording, put=decode, own=(UnreadableAudio,), seconds=2.0, known=_known()),)
