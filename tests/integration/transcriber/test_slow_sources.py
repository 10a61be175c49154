"""Servers that send hardly anything, or what was not asked for: each attempt at them ends, and soon there are few."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from ipaddress import ip_network
from pathlib import Path

import pytest
from steno_transcriber.fetch.errors import FetchGivenUp, RecordingRefused
from steno_transcriber.fetch.fetcher import Fetcher, FetchLimits, fetching_session

from steno.storage.objects import ObjectStore

AUDIO = bytes(range(256)) * 400
HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
LIMITS = FetchLimits(max_bytes=10**9, connect_seconds=0.2, read_seconds=0.3, total_seconds=20, attempts=2, give_up_seconds=60)
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Source:
    """A server that answers as a test says, whatever it is asked."""

    def __init__(self) -> None:
        self.answer: Answer = whole
        self.asked = 0
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        try:
            await self.answer(writer)
        except ConnectionError:
            pass  # the other side has hung up
        finally:
            writer.close()


async def whole(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD % len(AUDIO) + AUDIO)
    await writer.drain()


async def packed(writer: asyncio.StreamWriter) -> None:
    content = gzip.compress(bytes(10**6))
    writer.write((HEAD % len(content)).replace(b"\r\n", b"\r\nContent-Encoding: gzip\r\n", 1) + content)
    await writer.drain()


def dribble(head: bytes) -> Answer:
    """A head, then a byte now and then."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    return answer


async def burst(writer: asyncio.StreamWriter) -> None:
    """Much at once, then a byte now and then."""
    await dribble(HEAD % 10**8 + bytes(10**6))(writer)


async def chunks(writer: asyncio.StreamWriter) -> None:
    """Chunks of a byte, without end."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"1\r\nx\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


@pytest.fixture
async def source() -> AsyncIterator[Source]:
    made = Source()
    server = await asyncio.start_server(made.handle, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a.wav"
    yield made
    server.close()


@pytest.fixture
async def fetcher(tmp_path: Path) -> AsyncIterator[Fetcher]:
    async def no_pause(_seconds: float) -> None:
        pass

    async with fetching_session(LIMITS, allowed_networks=(ip_network("127.0.0.0/8"),)) as session:
        yield Fetcher(store=ObjectStore((tmp_path / "objects").as_uri()), session=session, limits=LIMITS, sleep=no_pause)


async def fetched(fetcher: Fetcher, source: Source, answer: Answer) -> bytes:
    source.answer = answer
    async with fetcher.fetch(source.url) as audio:
        return audio.path.read_bytes()


@pytest.mark.parametrize("answer", [dribble(HEAD % 10**6), dribble(b"HTTP/1.1 200 OK\r\nX-A: "), burst, chunks, dribble(b"")])
async def test_a_server_that_sends_a_byte_now_and_then_is_given_up(fetcher: Fetcher, source: Source, answer: Answer) -> None:
    """Although it is never silent for long: in its content, in its head, after a burst, in chunks."""
    began = asyncio.get_running_loop().time()
    with pytest.raises(FetchGivenUp, match=r"given up after [12] attempts"):
        await fetched(fetcher, source, answer)
    assert asyncio.get_running_loop().time() - began < 10


async def hang_up(_writer: asyncio.StreamWriter) -> None:
    """Ends before it says anything."""


async def test_a_host_that_was_too_slow_gets_one_attempt(fetcher: Fetcher, source: Source) -> None:
    """Others wait for its places; once it hands a recording out, it is asked as often as any."""
    for attempts in (2, 1, 1):
        with pytest.raises(FetchGivenUp, match=f"after {attempts} attempts"):
            await fetched(fetcher, source, dribble(HEAD % 10**6))
    # Others on the same machine may be quick, and fail for another reason.
    with pytest.raises(FetchGivenUp, match="after 2 attempts"):
        await fetched(fetcher, source, hang_up)
    assert await fetched(fetcher, source, whole) == AUDIO
    with pytest.raises(FetchGivenUp, match="after 2 attempts"):
        await fetched(fetcher, source, dribble(HEAD % 10**6))


async def test_a_packed_answer_is_refused(fetcher: Fetcher, source: Source) -> None:
    """A few kilobytes that would unpack to gigabytes, which nobody asked for: not a byte of it is unpacked."""
    with pytest.raises(RecordingRefused, match="compressed"):
        await fetched(fetcher, source, packed)
    assert source.asked == 1


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://user:secret@Recorder.example:8443/a.wav", "recorder.example"),
        ("http://recorder.example.:80/a.wav", "recorder.example"),
        ("http://[2001:db8::1]:8443/a.wav", "2001:db8::/64"),
        ("http://[2001:db8::ffff:2]/a.wav", "2001:db8::/64"),
        ("http://[::1", ""),
        ("file:///a.wav", ""),
        ("nothing", ""),
        ("s3://bucket/a.wav", ""),
    ],
)
async def test_a_host_is_that_of_a_server_elsewhere(fetcher: Fetcher, url: str, host: str) -> None:
    """Whatever is given for a URL."""
    assert fetcher.host(url) == host
