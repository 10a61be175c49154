"""A transport of calls over plain TCP: several calls on one connection, each message headed by its call, kind and length."""

import asyncio
import struct
from collections.abc import Callable

from steno_ingest.calls.doors.actions import Close, SendBytes, SendText
from steno_ingest.calls.doors.port import AcceptedPeer
from steno_ingest.calls.hosting.driver import CallDriver
from steno_ingest.calls.hosting.drivers import Drivers

from steno.http.websockets import MAX_FRAME_BYTES

_HEAD = struct.Struct(">BcI")

Frame = tuple[int, bytes, bytes]
"""The number of a call, `t`, `b` or `c` (text, binary, close), and the message."""

Inbox = asyncio.Queue[Frame | None]
"""The next message of a call; None at the end of the connection."""


async def read_frame(reader: asyncio.StreamReader) -> Frame | None:
    """The next message; None where the connection is over, or its peer sends more than anybody takes."""
    try:
        call, kind, length = _HEAD.unpack(await reader.readexactly(_HEAD.size))
        if length > MAX_FRAME_BYTES:
            return None
        return call, kind, await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def write_frame(writer: asyncio.StreamWriter, call: int, kind: bytes, message: bytes) -> None:
    """Sends a message."""
    writer.write(_HEAD.pack(call, kind, len(message)) + message)


class TcpTransport:
    """Runs a driver for each call of each connection."""

    def __init__(self, drivers: Drivers, let_in: Callable[[], AcceptedPeer]) -> None:
        self._drivers = drivers
        self._let_in = let_in

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carries the calls of a connection until it is over."""
        inboxes: dict[int, Inbox] = {}
        try:
            async with asyncio.TaskGroup() as calls:
                while (frame := await read_frame(reader)) is not None:
                    if frame[0] not in inboxes:
                        inboxes[frame[0]] = asyncio.Queue(maxsize=1)
                        calls.create_task(self._run(frame[0], inboxes, writer))
                    await inboxes[frame[0]].put(frame)
                for inbox in list(inboxes.values()):
                    await inbox.put(None)
        finally:
            writer.close()

    async def _run(self, call: int, inboxes: dict[int, Inbox], writer: asyncio.StreamWriter) -> None:
        inbox = inboxes[call]
        try:
            with self._drivers.open(self._let_in()) as driver:
                await driver.run(self._read(driver, inbox), self._write(driver, call, writer))
        finally:
            # Nobody reads it any more: whoever waits to put something there goes on.
            del inboxes[call]
            while not inbox.empty():
                inbox.get_nowait()

    async def _read(self, driver: CallDriver, inbox: Inbox) -> None:
        while (frame := await inbox.get()) is not None and frame[1] != b"c":
            if frame[1] == b"t":
                await driver.receive_text(frame[2].decode(errors="replace"))
            else:
                await driver.receive_bytes(frame[2])

    async def _write(self, driver: CallDriver, call: int, writer: asyncio.StreamWriter) -> None:
        while True:
            match await driver.outgoing().get():
                case SendText(text=text):
                    write_frame(writer, call, b"t", text.encode())
                case SendBytes(data=data):
                    write_frame(writer, call, b"b", data)
                case Close(why=why):
                    write_frame(writer, call, b"c", why.value.encode())
                    return
            try:
                await writer.drain()
            except OSError:
                return  # whoever reads sees that the peer is gone
