"""Audio as it comes: damaged, with holes, in several tracks, of a form that changes. Times stay right, and flaws are told."""

import struct
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from steno_transcriber.audio.decode import open_audio
from steno_transcriber.audio.errors import UnreadableAudio
from steno_transcriber.audio.samples import Resampler, remap
from steno_transcriber.audio.track import Track
from steno_transcriber.audio.wire_format import Flaws
from steno_transcriber.speech import SAMPLE_RATE
from support.made_media import later, tones, write

CASES = Path(__file__).parents[4] / "shared" / "data" / "cases"
needs_cases = pytest.mark.skipif(not CASES.exists(), reason="the inputs from the field are not on this machine")

Heard = npt.NDArray[np.float32]


def read(path: Path) -> tuple[Heard, Flaws]:
    with open_audio(path) as audio:
        samples = np.concatenate(list(audio.blocks()), axis=1)
    assert audio.duration_ms == pytest.approx(samples.shape[1] / 16, abs=2)
    return samples, audio.flaws


def stairs(rate: int, seconds: int) -> npt.NDArray[np.int16]:
    """A tone that tells the time: 300 Hz in the first second, 100 Hz more in each after it."""
    return np.concatenate([tones(300 + 100 * second, rate=rate, seconds=1) for second in range(seconds)], axis=1)


def tone_at(channel: Heard, second: float) -> int:
    """The frequency of a channel around the middle of a second, to 20 Hz; 0 where it is silent."""
    part = channel[int((second + 0.3) * SAMPLE_RATE) : int((second + 0.7) * SAMPLE_RATE)]
    if np.abs(part).max(initial=0) < 0.01:
        return 0
    return round(float(np.argmax(np.abs(np.fft.rfft(part)))) * SAMPLE_RATE / len(part) / 20) * 20


def stairs_of(samples: Heard, seconds: int) -> list[int]:
    return [tone_at(samples[0], second) for second in range(seconds)]


TIMES = [300 + 100 * second for second in range(10)]

CONTAINERS = [
    ("a.mp3", "mp3", 16_000, None),
    ("a.aac", "aac", 16_000, "adts"),
    ("a.m4a", "aac", 16_000, None),
    ("a.mka", "aac", 16_000, "matroska"),
    ("a.ts", "aac", 16_000, "mpegts"),
    ("a.flv", "aac", 44_100, "flv"),
    ("a.ogg", "libopus", 48_000, "ogg"),
    ("a.webm", "libopus", 48_000, "webm"),
    ("a.flac", "flac", 16_000, None),
    ("a.ac3", "ac3", 48_000, None),
]


@pytest.mark.parametrize(("name", "codec", "rate", "how"), CONTAINERS, ids=[name for name, *_ in CONTAINERS])
def test_what_is_whole_has_nothing_wrong(tmp_path: Path, name: str, codec: str, rate: int, how: str | None) -> None:
    """Delays of encoders and clocks that begin anywhere make no silence: each second of ten is in its place."""
    samples, flaws = read(write(tmp_path / name, codec, stairs(rate, 10), rate=rate, how=how))
    assert flaws == Flaws()
    assert stairs_of(samples, 10) == TIMES
    assert samples.shape[1] == pytest.approx(10 * SAMPLE_RATE, abs=0.15 * SAMPLE_RATE)


DAMAGED = [case for case in CONTAINERS if case[0] != "a.aac"]


@pytest.mark.parametrize("bad", [bytes, Random(1).randbytes], ids=["zeros", "noise"])
@pytest.mark.parametrize(("name", "codec", "rate", "how"), DAMAGED, ids=[name for name, *_ in DAMAGED])
def test_what_lies_behind_damage_keeps_its_time(
    tmp_path: Path, name: str, codec: str, rate: int, how: str | None, bad: Callable[[int], bytes]
) -> None:
    """A twentieth of the file is overwritten: that is silence, of its length, and told."""
    path = write(tmp_path / name, codec, stairs(rate, 10), rate=rate, how=how)
    content = bytearray(path.read_bytes())
    middle, length = len(content) // 4, len(content) // 20
    content[middle : middle + length] = bad(length)
    path.write_bytes(content)
    samples, flaws = read(path)
    assert 400 <= flaws.damaged_ms + flaws.missing_ms <= 6_000
    found = stairs_of(samples, 10)
    assert [at for at, (heard, made) in enumerate(zip(found, TIMES, strict=True)) if heard not in (made, 0)] in ([], [2])
    assert found[:2] == TIMES[:2]
    assert found[-1] == TIMES[-1]


@pytest.mark.parametrize("how", ["adts", "mp4", "matroska"])
@pytest.mark.parametrize("seed", range(5))
def test_flipped_bits_in_aac_cost_their_packets(tmp_path: Path, how: str, seed: int) -> None:
    """Ten of them: what can be decoded is, in its place, and the rest is told."""
    chance = Random(seed)

    def flipped(number: int, packet: Any) -> Any:
        if number % 15 != 7:
            return packet
        data = bytearray(bytes(packet))
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        changed = av.Packet(bytes(data))
        changed.stream, changed.time_base = packet.stream, packet.time_base
        changed.pts, changed.dts, changed.duration = packet.pts, packet.dts, packet.duration
        return changed

    samples, flaws = read(write(tmp_path / "call", "aac", stairs(16_000, 10), rate=16_000, how=how, edit=flipped))
    assert flaws.damaged_ms <= 1_000
    assert flaws.missing_ms == 0
    assert sum(heard == made for heard, made in zip(stairs_of(samples, 10), TIMES, strict=True)) >= 8


def test_no_error_that_the_library_calls_one_of_the_system_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EPERM and EIO, as ffmpeg says of damaged AAC and WebM, cost their packet."""
    path = write(tmp_path / "call.m4a", "aac", stairs(16_000, 3), rate=16_000)
    errors = {5: av.error.PermissionError(1, "not permitted"), 9: av.error.OSError(5, "input/output error")}

    class Failing:
        def __init__(self, packet: Any, number: int) -> None:
            self._packet, self._number = packet, number

        def __getattr__(self, name: str) -> Any:
            return getattr(self._packet, name)

        def __bytes__(self) -> bytes:
            return bytes(self._packet)

        def decode(self) -> Any:
            if self._number in errors:
                raise errors[self._number]
            return self._packet.decode()

    packets = Track._packets
    monkeypatch.setattr(Track, "_packets", lambda track: (Failing(p, n) for n, p in enumerate(packets(track))))
    samples, flaws = read(path)
    assert flaws == Flaws(damaged_ms=128)
    assert samples.shape[1] == pytest.approx(3 * SAMPLE_RATE, abs=2_000)


@pytest.mark.parametrize(
    ("name", "codec", "rate"), [("a.webm", "libopus", 48_000), ("a.mka", "aac", 16_000), ("a.ogg", "libopus", 48_000)]
)
def test_a_hole_is_silence_of_its_length(tmp_path: Path, name: str, codec: str, rate: int) -> None:
    """The timestamps jump by twenty seconds: so does the audio."""
    samples, flaws = read(
        write(tmp_path / name, codec, stairs(rate, 4), rate=rate, edit=later(20, first=100 if "opus" in codec else 32))
    )
    assert flaws.missing_ms == pytest.approx(20_000, abs=1_100)
    found = stairs_of(samples, 24)
    assert (found[0], found[10], found[23]) == (300, 0, 600)


@pytest.mark.parametrize(("name", "codec"), [("a.mka", "pcm_s16le"), ("a.mp4", "aac"), ("a.mka", "aac")])
def test_audio_that_begins_late_does(tmp_path: Path, name: str, codec: str) -> None:
    """By the clock of its container."""
    samples, flaws = read(write(tmp_path / name, codec, stairs(16_000, 3), rate=16_000, edit=later(5, first=0)))
    assert flaws.missing_ms == pytest.approx(5_000, abs=70)
    assert stairs_of(samples, 8) == [0] * 5 + TIMES[:3]


def test_a_hole_of_hours_is_none_and_one_of_an_hour_takes_no_memory(tmp_path: Path) -> None:
    """Silence comes in blocks of a second, whatever the timestamps say."""
    for hours, expected_ms in ((0.99, 0.99 * 3_600_000 + 2_000), (1.01, 2_000), (1_000_000, 2_000)):
        path = write(tmp_path / "call.mka", "aac", stairs(8_000, 2), rate=8_000, edit=later(hours * 3_600, first=8))
        with open_audio(path) as audio:
            assert max(block.shape[1] for block in audio.blocks()) <= 2 * SAMPLE_RATE
        assert audio.duration_ms == pytest.approx(expected_ms, abs=300)


@pytest.mark.parametrize(
    ("ending", "codec", "rates", "how"),
    [
        ("mp3", "mp3", (16_000, 24_000), None),
        ("aac", "aac", (16_000, 8_000), "adts"),
        ("ogg", "libopus", (48_000, 48_000), "ogg"),
        ("ogg", "flac", (16_000, 8_000), "ogg"),
    ],
)
@pytest.mark.parametrize("first_is_mono", [True, False])
def test_a_form_that_changes_is_gone_on_with(
    tmp_path: Path, ending: str, codec: str, rates: tuple[int, int], how: str | None, first_is_mono: bool
) -> None:
    """Files of other rates and channels joined end to end: the first one's channels, both one's sound."""
    forms = [(300,), (400, 400)] if first_is_mono else [(300, 600), (400,)]
    joined = b"".join(
        write(tmp_path / f"{rate}.{ending}", codec, tones(*form, rate=rate, seconds=3), rate=rate, how=how).read_bytes()
        for form, rate in zip(forms, rates, strict=True)
    )
    (tmp_path / f"joined.{ending}").write_bytes(joined)
    samples, flaws = read(tmp_path / f"joined.{ending}")
    assert [tone_at(channel, 1) for channel in samples] == list(forms[0])
    assert [tone_at(channel, 4.3) for channel in samples] == [400] * len(forms[0])
    assert samples.shape[1] == pytest.approx(6 * SAMPLE_RATE, abs=0.3 * SAMPLE_RATE)
    assert flaws.changes >= 1
    assert flaws.damaged_ms + flaws.missing_ms == 0


def test_channels_are_mapped_to_those_of_the_beginning() -> None:
    """One is copied to all, all are mixed into one, of others those missing are silent and those too many left out."""
    one = np.array([[1.0], [0.5]], dtype=np.float32)
    two = np.array([[1.0, 0.0], [0.5, 0.25]], dtype=np.float32)
    assert remap(one, 3).tolist() == [[1.0] * 3, [0.5] * 3]
    assert remap(two, 1).tolist() == [[0.5], [0.375]]
    assert remap(two, 3).tolist() == [[1.0, 0.0, 0.0], [0.5, 0.25, 0.0]]
    assert remap(remap(two, 3), 2).tolist() == two.tolist()


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 48_000])
@pytest.mark.parametrize("seconds", [0.5, 2.999, 3, 61.7])
def test_silence_around_the_resampler_moves_nothing(rate: int, seconds: float) -> None:
    """What stands behind it is the same, sample for sample, as if the silence had gone through."""
    sound = np.random.default_rng(1).uniform(-1, 1, (rate // 2, 2)).astype(np.float32)
    silence = int(rate * seconds)

    def resampled(put_silence: Callable[[Resampler], Any]) -> Heard:
        resampler = Resampler(2)
        blocks = [*resampler.put(sound, rate), *put_silence(resampler), *resampler.put(sound, rate), *resampler.end()]
        return np.concatenate(blocks, axis=1)

    around = resampled(lambda resampler: resampler.put_silence(silence, rate))
    through = resampled(lambda resampler: resampler.put(np.zeros((silence, 2), dtype=np.float32), rate))
    assert around.shape == through.shape
    assert np.abs(around - through).max() < 1e-6


def test_tracks_of_one_channel_are_channels(tmp_path: Path) -> None:
    """In their order, each in its own time: one begins later, and ends earlier."""

    def second_is_late(number: int, packet: Any) -> Any:
        return later(1, first=0)(number, packet) if packet.stream.index == 1 else packet

    tracks = tones(300, rate=16_000, seconds=4), tones(400, rate=16_000, seconds=2)
    path = write(tmp_path / "call.mka", "pcm_s16le", *tracks, rate=16_000, edit=second_is_late)
    with open_audio(path) as audio:
        samples = np.concatenate(list(audio.blocks()), axis=1)
    assert (audio.format.channels, audio.duration_ms) == (2, 4_000)
    assert [[tone_at(channel, second) for second in range(4)] for channel in samples] == [[300] * 4, [0, 400, 400, 0]]
    assert audio.flaws == Flaws(missing_ms=1_000)


def test_of_other_tracks_the_default_is_read(tmp_path: Path) -> None:
    """A stereo track and a commentary: the one that the container calls the default, and that others are left out is told."""
    tracks = tones(300, 600, rate=16_000, seconds=2), tones(400, rate=16_000, seconds=2)
    samples, flaws = read(write(tmp_path / "call.mka", "pcm_s16le", *tracks, rate=16_000))
    assert [tone_at(channel, 1) for channel in samples] == [300, 600]
    assert flaws == Flaws(left_out=1)


def test_no_more_than_eight_tracks_are_read(tmp_path: Path) -> None:
    """The first ones."""
    tracks = [tones(300 + 100 * number, rate=8_000, seconds=1) for number in range(10)]
    samples, flaws = read(write(tmp_path / "call.mka", "pcm_s16le", *tracks, rate=8_000))
    assert [tone_at(channel, 0) for channel in samples] == [300 + 100 * number for number in range(8)]
    assert flaws == Flaws(left_out=2)


def wav(stated: int, samples: bytes, behind: bytes = b"") -> bytes:
    """A WAV whose header states a size of its audio."""
    fmt = struct.pack("<HHIIHH", 1, 1, 8_000, 16_000, 2, 16)
    return (
        b"RIFF"
        + struct.pack("<I", 36)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + fmt
        + b"data"
        + struct.pack("<I", stated)
        + samples
        + behind
    )


@pytest.mark.parametrize("stated", [0, 2, 15_999, 32_000, 96_000, 2**31, 2**32 - 1])
def test_a_wav_holds_what_it_holds_whatever_its_header_says(tmp_path: Path, stated: int) -> None:
    """Recorders that died, or wrote more than they can say."""
    (tmp_path / "call.wav").write_bytes(wav(stated, tones(300, rate=8_000, seconds=4).astype("<i2").tobytes()))
    samples, _ = read(tmp_path / "call.wav")
    assert samples.shape[1] == 4 * SAMPLE_RATE
    assert tone_at(samples[0], 3) == 300


@pytest.mark.parametrize("odd", [0, 1])
def test_what_follows_the_audio_of_a_wav_is_no_audio(tmp_path: Path, odd: int) -> None:
    """Its further chunks are none, with the byte behind an odd length or without."""
    audio = tones(300, rate=8_000, seconds=2).astype("<i2").tobytes() + bytes(odd)
    for pad in {b"", bytes(odd)}:
        (tmp_path / "call.wav").write_bytes(wav(len(audio), audio, pad + b"LIST\x1a\0\0\0INFOISFT\x0e\0\0\0Recorder 1.2.3"))
        assert read(tmp_path / "call.wav")[0].shape[1] == 2 * SAMPLE_RATE


def test_a_recording_of_which_nothing_can_be_decoded_is_unreadable(tmp_path: Path) -> None:
    """It is not a silent one."""
    path = write(tmp_path / "call.m4a", "aac", stairs(16_000, 3), rate=16_000)
    content = bytearray(path.read_bytes())
    begin, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    content[begin:end] = bytes(end - begin)
    path.write_bytes(content)
    with pytest.raises(UnreadableAudio, match="no audio that can be decoded"):
        read(path)


@needs_cases
@pytest.mark.parametrize(
    ("name", "channels", "seconds", "flaws"),
    [
        ("F04_rate_change.mp3", 1, 20.3, Flaws(changes=1)),
        ("F04_mono_then_stereo.mp3", 1, 20.3, Flaws(changes=1)),
        ("F06_gap20s.webm", 1, 40, Flaws(missing_ms=20_001)),
        ("F06_gap20s.ogg", 1, 40, Flaws(missing_ms=20_000)),
        ("F07_audio_starts_at_5s.mkv", 1, 25, Flaws(missing_ms=4_936)),
        ("F08_two_tracks.mka", 2, 20, Flaws()),
    ],
)
def test_inputs_from_the_field(name: str, channels: int, seconds: float, flaws: Flaws) -> None:
    """Each as long as its container says."""
    samples, found = read(CASES / name)
    assert samples.shape == (channels, pytest.approx(seconds * SAMPLE_RATE, abs=0.05 * SAMPLE_RATE))
    assert found == flaws
