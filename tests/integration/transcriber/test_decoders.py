"""The processes that decode recordings: what they may do, how they end, and that what happens to one happens to no other."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from steno_transcriber.audio.decode import open_audio
from steno_transcriber.audio.decoders import Bounds, Decoders
from steno_transcriber.audio.errors import DecoderDied, DecoderLost, Stopped, UnreadableAudio
from support import hostile_media
from support.made_media import tones, write
from support.recordings import sample_call, silence

ROOMY = Bounds(memory_bytes=256 << 20, cpu_seconds=60, still_seconds=60, waited_seconds=240)


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    made = Decoders()
    yield made
    made.close()


@pytest.fixture
def long_call(tmp_path: Path) -> Path:
    """More than fits between a decoder and who reads it."""
    return silence(tmp_path / "long.wav", seconds=120, rate=16_000)


def the_server(decoders: Decoders) -> psutil.Process:
    """The process that its decoders come from."""
    assert decoders._server is not None
    return psutil.Process(decoders._server.pid)


def the_decoder(decoders: Decoders) -> psutil.Process:
    """The one process that decodes, once those before it are gone."""
    deadline = time.monotonic() + 20
    while True:
        living = [process for process in the_server(decoders).children() if process.status() != psutil.STATUS_ZOMBIE]
        if len(living) == 1:
            return living[0]
        assert time.monotonic() < deadline, f"{living} are there"
        time.sleep(0.01)


def eventually(gone: psutil.Process) -> None:
    deadline = time.monotonic() + 20
    while gone.is_running() and gone.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, f"{gone} is still there"
        time.sleep(0.01)


def test_what_comes_back_is_the_same_to_the_bit(decoders: Decoders) -> None:
    """As decoded in one process: samples, length, format."""
    with open_audio(sample_call()) as here:
        expected = np.concatenate(list(here.blocks()), axis=1)
    with decoders.open(sample_call(), name="lost-card.wav") as there:
        found = np.concatenate(list(there.blocks()), axis=1)
    assert np.array_equal(found, expected)
    assert (there.format, there.duration_ms, there.flaws) == (here.format, here.duration_ms, here.flaws)


def test_tracks_and_joined_files_are_read_where_nothing_can_be_opened(decoders: Decoders, tmp_path: Path) -> None:
    """Both open the file once more, within what is open already."""
    tracks = tones(300, rate=48_000, seconds=2), tones(400, rate=48_000, seconds=2)
    two = write(tmp_path / "two.mka", "libopus", *tracks, rate=48_000)
    mono = write(tmp_path / "mono.ogg", "libopus", tones(300, rate=48_000, seconds=2), rate=48_000)
    stereo = write(tmp_path / "stereo.ogg", "libopus", tones(300, 400, rate=48_000, seconds=2), rate=48_000)
    (tmp_path / "joined.ogg").write_bytes(mono.read_bytes() + stereo.read_bytes())
    for path, channels, seconds, changes in ((two, 2, 2, 0), (tmp_path / "joined.ogg", 1, 4, 1)):
        with decoders.open(path, name=path.name) as audio:
            samples = sum(block.shape[1] for block in audio.blocks())
        assert (audio.format.channels, audio.flaws.changes) == (channels, changes)
        assert samples == pytest.approx(seconds * 16_000, abs=1_000)


def test_many_at_once_keep_apart(decoders: Decoders, tmp_path: Path) -> None:
    """Each has its own file and its own pipe, whoever dies beside it."""
    found: dict[int, float] = {}

    def read(number: int) -> None:
        path = silence(tmp_path / f"{number}.wav", seconds=number + 1)
        with decoders.open(path, name=path.name) as audio:
            found[number] = sum(block.shape[1] for block in audio.blocks()) / 16_000

    threads = [threading.Thread(target=read, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: pytest.approx(number + 1, abs=0.01) for number in range(8)}


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_a_crash_costs_the_recording(decoders: Decoders, long_call: Path, number: signal.Signals) -> None:
    """It says how the decoder ended; the next recording is decoded as ever."""
    with decoders.open(long_call, name=long_call.name) as audio:
        blocks = audio.blocks()
        next(blocks)
        the_decoder(decoders).send_signal(number)
        with pytest.raises(DecoderDied, match=f"long.wav ended by {number.name}"):
            list(blocks)
    with decoders.open(sample_call(), name="call.wav") as audio:
        assert sum(block.shape[1] for block in audio.blocks()) > 16_000


def test_a_decoder_that_stands_still_is_ended(long_call: Path) -> None:
    """After its time, and it is gone."""
    fast = threading.Event()
    passed = 0.0

    def clock() -> float:
        nonlocal passed
        passed += 5.0 if fast.is_set() else 0.0
        return passed

    decoders = Decoders(bounds=lambda _: ROOMY, clock=clock)
    with decoders.open(long_call, name="call.wav") as audio:
        blocks = audio.blocks()
        next(blocks)
        decoder = the_decoder(decoders)
        decoder.suspend()
        fast.set()
        with pytest.raises(DecoderDied, match="stood still"):
            deque(blocks, maxlen=0)
    eventually(decoder)
    decoders.close()


def test_time_of_a_processor_is_bounded(tmp_path: Path) -> None:
    """A few kilobytes of days of sound end at the bound, with that as the reason."""
    (tmp_path / "bomb.flac").write_bytes(hostile_media.flac(frames=3_000, channels=8, rate=384_000))
    decoders = Decoders(bounds=lambda _: Bounds(memory_bytes=256 << 20, cpu_seconds=1, still_seconds=60, waited_seconds=60))
    with (
        decoders.open(tmp_path / "bomb.flac", name="bomb.flac") as audio,
        pytest.raises(UnreadableAudio, match="more than the 1 s of a processor"),
    ):
        deque(audio.blocks(), maxlen=0)
    decoders.close()


MEASURED = """
import resource, sys
from pathlib import Path
from steno_transcriber.audio.decoders import Decoders
from steno_transcriber.audio.errors import UnreadableAudio
decoders = Decoders()
try:
    with decoders.open(Path(sys.argv[1]), name="bomb.mp4") as audio:
        list(audio.blocks())
except UnreadableAudio:
    decoders.close()
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="this platform does not hold a process to its memory")
def test_memory_is_bounded(tmp_path: Path) -> None:
    """A table of 433 bytes that takes 3.6 GB fails; the largest of the processes had 350 MiB at most."""
    (tmp_path / "bomb.mp4").write_bytes(hostile_media.mp4(samples=100_000_000))
    command = [sys.executable, "-c", MEASURED, str(tmp_path / "bomb.mp4")]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert 20 < int(result.stdout) < 350


def test_work_that_is_told_to_stop_stops_at_once(decoders: Decoders, long_call: Path) -> None:
    """Although its decoder says nothing more; and the decoder is gone."""
    stop = threading.Event()
    with decoders.open(long_call, name="call.wav", stop=stop.is_set) as audio:
        decoder = the_decoder(decoders)
        decoder.suspend()
        threading.Timer(0.1, stop.set).start()
        began = time.monotonic()
        with pytest.raises(Stopped):
            list(audio.blocks())
    assert time.monotonic() - began < 5
    eventually(decoder)


def test_a_new_server_takes_the_place_of_one_that_was_ended(decoders: Decoders) -> None:
    """Whoever ended it: the next recording begins another."""
    with decoders.open(sample_call(), name="call.wav") as audio:
        list(audio.blocks())
    server = the_server(decoders)
    server.kill()
    eventually(server)
    with decoders.open(sample_call(), name="call.wav") as audio:
        assert list(audio.blocks())
    assert the_server(decoders).pid != server.pid


def test_a_server_that_dies_is_not_held_against_its_recordings(long_call: Path) -> None:
    """The error tells whose fault it cannot be said to be."""
    decoders = Decoders()
    with decoders.open(long_call, name="call.wav") as audio:
        decoder = the_decoder(decoders)
        the_server(decoders).kill()
        with pytest.raises(DecoderLost):
            list(audio.blocks())
    eventually(decoder)
    decoders.close()


ORPHAN = """
import sys, time
from pathlib import Path
from steno_transcriber.audio.decoders import Decoders
with Decoders().open(Path(sys.argv[1]), name="call.wav") as audio:
    next(audio.blocks())
    print("ready", flush=True)
    time.sleep(60)
"""


def test_a_service_that_is_killed_leaves_nothing(long_call: Path) -> None:
    """kill -9 of the parent: the decoder and the process it comes from are gone."""
    with subprocess.Popen([sys.executable, "-c", ORPHAN, str(long_call)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        family = psutil.Process(parent.pid).children(recursive=True)
        assert len(family) == 2
        parent.kill()
    for process in family:
        eventually(process)


def test_a_decoder_knows_nothing_of_the_service(long_call: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No secret in its environment, and of what is open nothing but its file, its pipe and nothing three times."""
    if sys.platform != "linux":
        pytest.skip("needs /proc")
    monkeypatch.setenv("STENO_INGEST_SECRET_KEY", "secret-of-the-house")
    own = Decoders()
    with own.open(long_call, name="call.wav") as audio:
        next(audio.blocks())
        process = the_decoder(own)
        environment = Path(f"/proc/{process.pid}/environ").read_bytes()
        open_files = {link.name: str(link.readlink()) for link in Path(f"/proc/{process.pid}/fd").iterdir()}
        limits = {limit: process.rlimit(limit)[1] for limit in (psutil.RLIMIT_NOFILE, psutil.RLIMIT_FSIZE, psutil.RLIMIT_CORE)}
    own.close()
    assert b"STENO" not in environment
    assert b"secret" not in environment
    assert open_files.pop("4").startswith("pipe:")
    assert open_files == {"0": os.devnull, "1": os.devnull, "2": os.devnull, "3": str(long_call)}
    assert set(limits.values()) == {0}


ATTEMPTS = {
    "a file": "open('/etc/hostname')",
    "a file to write": "os.open('/tmp/steno-escaped', os.O_CREAT | os.O_WRONLY)",
    "the memory of the service": "os.open(f'/proc/{parent}/mem', os.O_RDONLY)",
    "a socket": "socket.socket()",
    "a process": "os.fork()",
    "a program": "os.execv('/bin/true', ['true'])",
    "a signal to the service": "os.kill(parent, 0)",
    "more memory": "bytearray(1 << 30)",
    "its limits back": "resource.setrlimit(resource.RLIMIT_NOFILE, (10, 10))",
}

CONFINED = """
import os, resource, socket, sys
from steno_transcriber.audio.confine import confine
parent = os.getppid()
confine(parent=parent, memory_bytes=64 << 20, cpu_seconds=10)
try:
    {attempt}
except (OSError, MemoryError, ValueError) as error:
    os.write(1, b"refused")
else:
    os.write(1, b"done")
os._exit(0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="what can be taken from a process differs")
@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
def test_media_that_takes_a_decoder_over_reaches_nothing(attempt: str) -> None:
    """Whatever code runs in it: no file, no network, no other process, no more memory."""
    script = CONFINED.format(attempt=attempt)
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert result.stdout == "refused", result.stderr
