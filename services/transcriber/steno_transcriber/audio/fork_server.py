"""The process that decoders are forked from. It has ffmpeg loaded, but no secrets or connections of the service.

It receives requests by a socket, its standard input: each with the recording's file, the pipe for the decoded audio, and a
socket that controls the decoder. When the service closes that socket, the decoder is killed; when the decoder ends, its exit
status is written to it. When the service ends, however it ends, so do the server and all decoders.
"""

import contextlib
import gc
import os
import selectors
import signal
import socket

from steno_transcriber.audio.request import LENGTH, STATUS, Request

_DESCRIPTORS = 3


class ForkServer:
    """Starts and kills decoders, and reports how they ended."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._process = os.getpid()
        self._lives: dict[int, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)
        self._ended, self._wake = os.pipe()
        os.set_blocking(self._ended, False)
        os.set_blocking(self._wake, False)
        self._selector.register(self._ended, selectors.EVENT_READ)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Runs until the service has ended."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._control:
                    if not self._begin():
                        return
                elif key.fileobj == self._ended:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._ended, 4096)
                elif key.data in self._lives:
                    self._selector.unregister(key.fileobj)
                    os.kill(key.data, signal.SIGKILL)
            self._reap()

    def end(self) -> None:
        """Kills all decoders."""
        for process in self._lives:
            os.kill(process, signal.SIGKILL)
        for process in self._lives:
            os.waitpid(process, 0)

    def _begin(self) -> bool:
        """Forks a decoder; returns False where the service has ended.

        One that cannot be started on this machine ends without a status, and affects no other.
        """
        try:
            head, descriptors, _, _ = socket.recv_fds(self._control, LENGTH.size, _DESCRIPTORS)
            request = self._exactly(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else b""
        except ConnectionError:
            return False
        if not request:
            return False
        try:
            process = os.fork() if len(descriptors) == _DESCRIPTORS else None  # fewer come where no more can be open
        except OSError:
            process = None
        if process is None:
            for descriptor in descriptors:
                os.close(descriptor)
            return True
        if process == 0:
            self._become_decoder(request, descriptors)
        file, pipe, life = descriptors
        os.close(file)
        os.close(pipe)
        self._lives[process] = socket.socket(fileno=life)
        self._selector.register(self._lives[process], selectors.EVENT_READ, process)
        return True

    def _exactly(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            piece = self._control.recv(length - len(data))
            if not piece:
                return b""
            data += piece
        return data

    def _reap(self) -> None:
        for process in list(self._lives):
            found, status = os.waitpid(process, os.WNOHANG)
            if found:
                life = self._lives.pop(process)
                with contextlib.suppress(KeyError):
                    self._selector.unregister(life)
                with contextlib.suppress(OSError):  # the service does not wait for it
                    life.send(STATUS.pack(os.waitstatus_to_exitcode(status)))
                life.close()

    def _become_decoder(self, request: bytes, descriptors: list[int]) -> None:
        """In the new process: closes everything but its file and its pipe, and decodes. Never returns."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            nothing = os.open(os.devnull, os.O_RDWR)
            lives = [life.fileno() for life in self._lives.values()]
            above = 1 + max(
                nothing, *descriptors, *lives, self._control.fileno(), self._selector.fileno(), self._ended, self._wake
            )
            for target, descriptor in enumerate((nothing, nothing, nothing, *descriptors[:2])):
                os.dup2(descriptor, above + target)
            for target in range(5):
                os.dup2(above + target, target)
            os.closerange(5, above + 5)
            decode(Request.unpack(request), parent=self._process, file=3, pipe=4)
            status = 0
        finally:
            os._exit(status)


def decode(request: Request, *, parent: int, file: int, pipe: int) -> None:
    """Confines this process, then decodes the file to the pipe."""
    from steno_transcriber.audio import confine, decoder_child

    confine.confine(parent=parent, memory_bytes=request.memory_bytes, cpu_seconds=request.cpu_seconds)
    decoder_child.decode(file, pipe, name=request.name, headerless=request.headerless)


def main() -> None:
    """Runs the server."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends with the service, which may still be draining
    from steno_transcriber.audio import confine, decoder_child  # noqa: F401

    decoder_child.warm_up()
    gc.collect()
    gc.freeze()  # so that a decoder's memory stays what it shares with this process
    server = ForkServer(socket.socket(fileno=0))
    try:
        server.serve()
    finally:
        server.end()
