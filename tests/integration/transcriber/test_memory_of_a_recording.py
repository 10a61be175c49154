"""A long recording is transcribed in the memory of a short one."""

import subprocess
import sys
from pathlib import Path

from support.recordings import excerpt

SCRIPT = """
import resource, sys, threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from steno.events.recognition import RecognitionOptions
from steno_transcriber import engines
from steno_transcriber.audio.decoders import Decoders
from steno_transcriber.recognise import recognise
from steno_transcriber.utterances import utterances

engine = engines.load("scripted")
decoders = Decoders()
with ThreadPoolExecutor(2) as pool, decoders.open(Path(sys.argv[1]), name="call.wav") as audio:
    found = utterances(audio.blocks(), report=lambda _: None)
    heard = sum(1 for _ in recognise(engine, found, executor=pool, in_flight=4, options=RecognitionOptions()))
decoders.close()
# Of the children it is the largest: the one that decoded.
peaks = [resource.getrusage(who).ru_maxrss // 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(heard, audio.duration_ms, sum(peaks))
"""
HALF_A_MINUTE_MS = 30_000


def repeated(short: Path, long: Path, *, times: int) -> Path:
    """Half an hour of a call, by writing its half minute over and over."""
    data = short.read_bytes()
    header, samples = bytearray(data[:44]), data[44:]
    header[4:8] = (36 + len(samples) * times).to_bytes(4, "little")
    header[40:44] = (len(samples) * times).to_bytes(4, "little")
    with long.open("wb") as file:
        file.write(header)
        for _ in range(times):
            file.write(samples)
    return long


def transcribe(path: Path) -> tuple[int, int, int]:
    """Utterances heard, milliseconds of audio, and the greatest memory in MiB of the process and of its decoder."""
    result = subprocess.run([sys.executable, "-c", SCRIPT, str(path)], capture_output=True, text=True, check=True)
    heard, duration_ms, peak = result.stdout.split()
    return int(heard), int(duration_ms), int(peak)


def test_half_an_hour_takes_the_memory_of_half_a_minute(tmp_path: Path) -> None:
    """Decoder, segmenter and recogniser hold blocks and packs, never the call: two channels, 60 times the length."""
    short = excerpt(tmp_path / "short.wav", seconds=30)
    long = repeated(short, tmp_path / "long.wav", times=60)
    heard_short, short_ms, short_peak = transcribe(short)
    heard_long, long_ms, long_peak = transcribe(long)
    assert (short_ms, long_ms) == (HALF_A_MINUTE_MS, 60 * HALF_A_MINUTE_MS)
    assert heard_long > 40 * heard_short
    audio_of_long = long_ms * 16 * 2 * 4 // 2**20
    assert audio_of_long > 200
    assert long_peak - short_peak < 24, f"{short_peak} MiB for half a minute, {long_peak} MiB for half an hour"
