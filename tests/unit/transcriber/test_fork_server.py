"""The process that decoders are forked from, where the machine has no more processes or descriptors."""

import errno
import gc
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import psutil
import pytest
from steno_transcriber.audio.decoders import Decoders
from steno_transcriber.audio.errors import DecoderLost
from steno_transcriber.audio.fork_server import ForkServer
from steno_transcriber.audio.request import Request

REQUEST = Request(name="call.wav", headerless=None, memory_bytes=1, cpu_seconds=1).pack()


@pytest.fixture
def control(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[socket.socket, ForkServer]]:
    """What the service tells a server by, and the server; this process has no signals of it."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(signal, "set_wakeup_fd", lambda *_, **__: None)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, ForkServer(theirs)


def descriptors_open() -> int:
    return psutil.Process().num_fds()


def asked(ours: socket.socket, *, descriptors: int = 3) -> socket.socket:
    """A decoder asked for: its life, at our end."""
    life, far_life = socket.socketpair()
    with ExitStack() as sent:
        sent.enter_context(far_life)
        others = [sent.enter_context(Path(os.devnull).open()).fileno() for _ in range(descriptors - 1)]
        socket.send_fds(ours, [REQUEST], [*others, far_life.fileno()])
    return life


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM])
def test_a_fork_that_fails_costs_one_request(
    control: tuple[socket.socket, ForkServer], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Its life ends without a status, and the server goes on."""
    ours, server = control

    def fails() -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fork", fails)
    for _ in range(3):
        with asked(ours) as life:
            assert server._begin()
            assert life.recv(4) == b""
    assert server._lives == {}


def test_a_request_without_its_descriptors_costs_one_request(control: tuple[socket.socket, ForkServer]) -> None:
    """As the kernel leaves it where the server can have no more open."""
    ours, server = control
    with asked(ours, descriptors=2) as life:
        assert server._begin()
        assert life.recv(4) == b""


def test_a_service_that_is_gone_ends_it(control: tuple[socket.socket, ForkServer]) -> None:
    """As ever."""
    ours, server = control
    ours.close()
    assert not server._begin()


@pytest.mark.parametrize("fails", ["pipe", "socketpair", "Popen"])
def test_a_decoder_that_cannot_be_begun_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """Whatever there is no more of; and the recording comes again later."""

    def none_left(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    (tmp_path / "call.wav").write_bytes(b"")
    for module in (os, socket, subprocess):
        if hasattr(module, fails):
            monkeypatch.setattr(module, fails, none_left)
    # What earlier tests of the process left to the collector is closed first.
    gc.collect()
    before = descriptors_open()
    with pytest.raises(DecoderLost, match="Too many open files"), Decoders().open(tmp_path / "call.wav", name="call.wav"):
        pass
    gc.collect()
    assert descriptors_open() <= before
