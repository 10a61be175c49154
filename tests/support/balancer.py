"""A TCP balancer in front of one address: a client that connects waits until somebody listens there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_WAIT_SECONDS = 20
_PIECE = 65_536


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def balancer(port: int) -> AsyncIterator[int]:
    """Forwards connections to a port of this machine; gives its own port."""

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(_WAIT_SECONDS):
            while True:
                try:
                    return await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.05)

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream, downstream = await connect()
        except TimeoutError:
            writer.close()
            return
        await asyncio.gather(_copy(reader, downstream), _copy(upstream, writer))

    server = await asyncio.start_server(forward, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
