"""Decodes each recording in a separate process with bounded memory and time, no other file and no network.

A crash, an endless loop or a decompression bomb fails only that recording. The samples are the same as if decoded here.
Decoders are forked, in milliseconds, from a process that has ffmpeg loaded (`fork_server`).
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from steno.audio_files import LONGEST_FILE_NAME
from steno_transcriber.audio import wire_format
from steno_transcriber.audio.errors import DecoderDied, DecoderLost, Stopped, UnreadableAudio
from steno_transcriber.audio.request import STATUS, Request
from steno_transcriber.audio.wire_format import AudioFormat, Block, Flaws, Kind
from steno_transcriber.speech import SAMPLE_RATE

MEBI = 1 << 20
STOP_SECONDS = 0.05
"""How soon work that is told to stop notices."""
_STATUS_SECONDS = 5.0
_NAME_CHARACTERS = LONGEST_FILE_NAME
_READ_AGAIN_BYTES = 1 << 20
_PIPE_BYTES = 1 << 20
_F_SETPIPE_SZ = 1031
_PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from steno_transcriber.audio.fork_server import main
main()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Limits on decoding one recording, which grow with its size."""

    memory_bytes: int
    """Beyond what every decoder shares with the others."""
    cpu_seconds: int
    still_seconds: float
    """Without a word."""
    waited_seconds: float
    """Altogether, by us for it."""

    @classmethod
    def for_size(cls, size: int) -> "Bounds":
        """The limits for a recording of a size in bytes.

        An index of a long recording in MP4 takes twice the bytes of its audio at the worst; the slowest codec decodes
        100 kB in a second of a slow processor.
        """
        cpu_seconds = 120 + size // 50_000
        return cls(
            memory_bytes=min(256 * MEBI + 2 * size, 512 * MEBI),
            cpu_seconds=cpu_seconds,
            still_seconds=60 + size / 5e6,
            waited_seconds=4.0 * cpu_seconds,
        )


class Decoders:
    """The decoders of a process; any number of threads may use them."""

    def __init__(
        self, *, bounds: Callable[[int], Bounds] = Bounds.for_size, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bounds = bounds
        self._clock = clock
        self._lock = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    @contextmanager
    def open(
        self, path: Path, *, name: str, headerless: str | None = None, stop: Callable[[], bool] = lambda: False
    ) -> Iterator["DecodedAudio"]:
        """Opens a recording, which is decoded while it is read.

        Raises:
            UnreadableAudio: it is not audio, or exceeds the limits.
            DecoderDied: its decoder died.
            DecoderLost: no decoder can be started; try again later.
            Stopped: `stop` returned True; it is called repeatedly.
            OSError: the file cannot be read.
        """
        with path.open("rb", buffering=0) as file, ExitStack() as ours:
            bounds = self._bounds(os.fstat(file.fileno()).st_size)
            request = Request(
                name=name[-_NAME_CHARACTERS:],
                headerless=headerless,
                memory_bytes=bounds.memory_bytes,
                cpu_seconds=bounds.cpu_seconds,
            )
            try:
                with ExitStack() as theirs:
                    life, far_life = socket.socketpair()
                    ours.enter_context(life)
                    theirs.enter_context(far_life)
                    reading, writing = os.pipe()
                    pipe = ours.enter_context(os.fdopen(reading, "rb", buffering=0))
                    theirs.callback(os.close, writing)
                    _enlarge(reading)
                    self._begin(request.pack(), [file.fileno(), writing, far_life.fileno()])
            except OSError as error:
                raise DecoderLost(f"no decoder can be begun: {error.strerror or error}") from error
            yield DecodedAudio(file, pipe, life, name=name, bounds=bounds, stop=stop, clock=self._clock)

    def close(self) -> None:
        """Ends the fork server and all decoders."""
        with self._lock:
            self._end_server()

    def _begin(self, request: bytes, descriptors: list[int]) -> None:
        with self._lock:
            for attempt in range(2):
                control = self._control or self._start_server()
                try:
                    socket.send_fds(control, [request], descriptors)
                except OSError:  # somebody ended it
                    self._end_server()
                    if attempt:
                        raise
                else:
                    return

    def _start_server(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with ExitStack() as unless_begun, theirs:
            unless_begun.enter_context(ours)
            self._server = subprocess.Popen(
                [sys.executable, "-I", "-c", _PROGRAM, json.dumps(sys.path)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                start_new_session=True,  # a terminal's Ctrl-C is for the service
            )
            unless_begun.pop_all()
        self._control = ours
        return ours

    def _end_server(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._server is not None:
            with suppress(subprocess.TimeoutExpired):
                self._server.wait(_STATUS_SECONDS)
            self._server.kill()
            self._server.wait()
            self._server = None


class DecodedAudio:
    """An open recording, read once from front to back by `blocks()`."""

    def __init__(
        self,
        file: BinaryIO,
        pipe: BinaryIO,
        life: socket.socket,
        *,
        name: str,
        bounds: Bounds,
        stop: Callable[[], bool],
        clock: Callable[[], float],
    ) -> None:
        self._file = file
        self._pipe = pipe
        self._life = life
        self._name = wire_format.printable(name)
        self._bounds = bounds
        self._stop = stop
        self._clock = clock
        self._waited = 0.0
        self._decoded_samples = 0
        #: What was wrong with it, once `blocks()` is exhausted.
        self.flaws = Flaws()
        os.set_blocking(pipe.fileno(), False)
        self._poll = select.poll()
        self._poll.register(pipe.fileno(), select.POLLIN)
        kind, payload = self._frame()
        if kind is not Kind.FORMAT:
            raise self._broken("it told no format first")
        with self._checked():
            self.format: AudioFormat = wire_format.read_format(payload)

    @property
    def duration_ms(self) -> int:
        """How much has been decoded so far; the length of the recording once `blocks()` is exhausted."""
        return self._decoded_samples * 1000 // self.format.sample_rate

    def blocks(self) -> Iterator[Block]:
        """Yield the audio in blocks of about a second, or less where it is wide, in constant memory. Raises as `open` does."""
        received = 0
        while True:
            kind, payload = self._frame()
            with self._checked():
                match kind:
                    case Kind.BLOCK:
                        decoded, block = wire_format.read_block(payload, self.format.channels)
                        received += block.shape[1]
                    case Kind.END:
                        decoded, self.flaws = wire_format.read_end(payload, self.format.sample_rate)
                    case _:
                        raise self._broken("it told its format twice")
            # What was resampled follows what was decoded: the two tell the same length, but for what waits to be resampled.
            if abs(decoded * SAMPLE_RATE - received * self.format.sample_rate) > 10 * SAMPLE_RATE * self.format.sample_rate:
                raise self._broken("its length and its samples do not match")
            self._decoded_samples = decoded
            if kind is Kind.END:
                return
            yield block

    def _frame(self) -> tuple[Kind, bytearray]:
        """Reads the next frame; one that reports a failure is raised as an error."""
        with self._checked():
            kind, length = wire_format.read_header(bytes(self._read(wire_format.HEADER.size)))
        payload = self._read(length)
        with self._checked():
            if kind is Kind.REFUSED:
                raise UnreadableAudio(wire_format.read_refusal(payload))
            if kind is Kind.UNREAD:
                self._look_at_the_file(wire_format.read_unread(payload))
            if kind is Kind.FAULT:
                raise DecoderDied(
                    f"the decoder of {self._name} ended by an error of its own: {wire_format.read_refusal(payload)}"
                )
        return kind, payload

    def _read(self, length: int) -> bytearray:
        data = bytearray(length)
        rest = memoryview(data)
        still_since = self._clock()
        while rest:
            try:
                count = os.readv(self._pipe.fileno(), [rest])
            except BlockingIOError:
                self._wait(still_since)
                continue
            if not count:
                raise self._ended()
            rest = rest[count:]
            still_since = self._clock()
        return data

    def _wait(self, still_since: float) -> None:
        began = self._clock()
        self._poll.poll(STOP_SECONDS * 1000)
        if self._stop():
            raise Stopped("the recording is no longer wanted")
        now = self._clock()
        self._waited += now - began
        if now - still_since > self._bounds.still_seconds:
            raise DecoderDied(f"the decoder of {self._name} stood still for {self._bounds.still_seconds:.0f} s")
        if self._waited > self._bounds.waited_seconds:
            raise UnreadableAudio(f"{self._name} takes longer to decode than a recording of its size may")

    @contextmanager
    def _checked(self) -> Iterator[None]:
        try:
            yield
        except wire_format.MalformedFrame as error:
            raise self._broken(str(error)) from None

    def _broken(self, why: str) -> DecoderDied:
        return DecoderDied(f"the decoder of {self._name} was not itself any more: {why}")

    def _ended(self) -> Exception:
        """The error for a decoder that ended before a frame END."""
        self._life.settimeout(_STATUS_SECONDS)
        try:
            told = self._life.recv(STATUS.size)
        except OSError:
            told = b""
        if len(told) != STATUS.size:
            return DecoderLost(f"the decoder of {self._name} could not be begun, or ended with the process it comes from")
        (status,) = STATUS.unpack(told)
        if status == -signal.SIGXCPU:
            return UnreadableAudio(
                f"{self._name} takes more than the {self._bounds.cpu_seconds} s of a processor that a recording of its size may"
            )
        how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        return DecoderDied(f"the decoder of {self._name} ended {how}")

    def _look_at_the_file(self, error_number: int) -> None:
        """Raises the error of a decoder that cannot read its file where this process cannot read it either."""
        offset = 0
        while piece := os.pread(self._file.fileno(), _READ_AGAIN_BYTES, offset):
            offset += len(piece)
        raise DecoderDied(f"the decoder of {self._name} could not read it: {os.strerror(error_number)}")


def _enlarge(pipe: int) -> None:
    """Enlarges the pipe, so that a decoder can run ahead, where the platform supports it."""
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):
            fcntl.fcntl(pipe, _F_SETPIPE_SZ, _PIPE_BYTES)
