"""The line before Azure's streams, the choice of endpoint and key, and the audio on its way to the SDK."""

import asyncio
import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest
from steno_transcriber.azure import stream_line
from steno_transcriber.azure.audio_pipe import AHEAD_SECONDS, AudioPipe, pcm16
from steno_transcriber.azure.credentials import Credential
from steno_transcriber.azure.endpoints import Endpoint, parse_endpoint
from steno_transcriber.azure.live_access import PASSED_OVER_SECONDS, LiveAccess
from steno_transcriber.azure.stream_line import StreamLine

ONE, TWO = (Credential(kind="key", secret=letter * 32) for letter in "ab")
WEST, NORTH = parse_endpoint("westeurope"), parse_endpoint("northeurope")


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_places_are_given_in_the_order_in_which_they_were_asked_for() -> None:
    """A call of two channels waits for two, and nobody overtakes it."""
    line, entered = StreamLine(2), list[str]()

    async def enter(name: str, count: int) -> None:
        await line.enter(count)
        entered.append(name)

    tasks = [asyncio.create_task(enter(name, count)) for name, count in (("a", 1), ("b", 2), ("c", 1))]
    await settled()
    assert entered == ["a"]
    line.leave(1)
    await settled()
    assert entered == ["a", "b"]
    line.leave(2)
    await asyncio.gather(*tasks)
    assert entered == ["a", "b", "c"]


async def test_who_leaves_the_line_takes_no_place() -> None:
    """Nor does it hold up those behind it."""
    line = StreamLine(1)
    await line.enter(1)
    waiting = asyncio.create_task(line.enter(1))
    behind = asyncio.create_task(line.enter(1))
    await settled()
    waiting.cancel()
    await settled()
    line.leave(1)
    async with asyncio.timeout(5):
        await behind


async def test_a_call_with_more_channels_than_places_has_them_all() -> None:
    """It would wait for ever otherwise."""
    line = StreamLine(1)
    async with asyncio.timeout(5):
        await line.enter(2)


async def test_after_too_many_fewer_are_opened() -> None:
    """Half of those that were open."""
    line = StreamLine(100)
    await line.enter(8)
    line.throttled()
    assert line.allowed == 4
    line.leave(8)
    await line.enter(4)
    waiting = asyncio.create_task(line.enter(1))
    await settled()
    assert not waiting.done()
    waiting.cancel()
    line.close()


async def test_refusals_that_come_together_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """All streams above a quota are refused at once; one that is refused later, with fewer open, counts again."""
    line = StreamLine(100)
    await line.enter(80)
    for _ in range(20):
        line.throttled()
    assert line.allowed == 40
    monkeypatch.setattr(stream_line, "SAME_REFUSAL_SECONDS", 0.0)
    line.throttled()
    assert line.allowed == 20
    line.close()


class Offered:
    """Credentials of every endpoint."""

    def __init__(self, *offered: Credential) -> None:
        self.offered: Sequence[Credential] = offered

    async def of(self, endpoint: Endpoint) -> Sequence[Credential]:
        return self.offered

    def accepted(self, endpoint: Endpoint, credential: Credential) -> None: ...

    def refused(self, endpoint: Endpoint, credential: Credential) -> None: ...


def access(offered: Offered, *, now: list[float]) -> LiveAccess:
    return LiveAccess([WEST, NORTH], offered, monotonic=lambda: now[0])  # type: ignore[arg-type]


async def test_each_key_is_tried_and_then_the_next_endpoint() -> None:
    """As `Credentials` offers them."""
    choice = access(Offered(ONE, TWO), now=[0.0])
    tried = []
    for _ in range(4):
        found = await choice.next()
        tried.append((found.endpoint.name, found.credential))
        choice.refused(found)
    assert tried == [("westeurope", ONE), ("westeurope", TWO), ("northeurope", ONE), ("northeurope", TWO)]


async def test_an_endpoint_that_failed_is_tried_again_after_a_while() -> None:
    """Or at once, where all have failed."""
    now = [0.0]
    choice = access(Offered(ONE), now=now)
    choice.failed(await choice.next())
    assert (await choice.next()).endpoint is NORTH
    now[0] = 1.0
    choice.failed(await choice.next())
    assert (await choice.next()).endpoint is WEST
    now[0] = PASSED_OVER_SECONDS + 0.5
    assert (await choice.next()).endpoint is WEST


async def test_a_new_key_is_tried_where_all_were_refused() -> None:
    """The file of keys has changed."""
    offered = Offered(ONE)
    choice = access(offered, now=[0.0])
    first = await choice.next()
    choice.refused(first)
    offered.offered = (TWO,)
    choice.accepted(await choice.next())
    assert (await choice.next()).credential == TWO


def test_the_sdk_gets_whole_buffers_and_the_rest_at_the_end() -> None:
    """It would misplace what follows a buffer that is not full."""
    taken: list[int] = []
    pipe, buffer, got = AudioPipe(bytes_per_second=20, taken=taken.append), bytearray(10), list[bytes]()

    def take() -> None:
        while (count := pipe.read(memoryview(buffer))) > 0:
            got.append(bytes(buffer[:count]))

    thread = threading.Thread(target=take)
    thread.start()
    for piece in (b"abcd", b"efghijkl", b"mnopqrstuvw"):
        pipe.put(piece)
    pipe.end()
    thread.join(5)
    assert got == [b"abcdefghij", b"klmnopqrst", b"uvw"]
    assert taken == [10, 20]


def test_a_pipe_is_full_until_the_sdk_has_taken() -> None:
    """And never again once it has ended."""
    pipe = AudioPipe(bytes_per_second=4, taken=lambda _: None)
    pipe.put(bytes(8))
    assert pipe.full
    assert pipe.read(memoryview(bytearray(4))) == 4
    assert not pipe.full
    pipe.put(bytes(8))
    pipe.end(at_once=True)
    assert not pipe.full
    assert pipe.read(memoryview(bytearray(4))) == 0


@pytest.mark.parametrize("value", [-2.0, -1.0, 0.0, 0.5, 1.0, 2.0])
def test_samples_become_sixteen_bits(value: float) -> None:
    """Too loud ones are clipped; channels are interleaved."""
    found = np.frombuffer(pcm16(np.array([[value], [0.25]], dtype=np.float32)), dtype="<i2")
    assert found.tolist() == [max(-32768, min(32767, round(value * 32768))), 8192]


def test_audio_far_ahead_of_its_answers_is_given_at_twice_its_pace() -> None:
    """The rest at once, as soon as what was given is answered."""
    pipe, buffer = AudioPipe(bytes_per_second=1000, taken=lambda _: None), memoryview(bytearray(1000))
    pipe.put(bytes(100_000))
    began = time.monotonic()
    for _ in range(int(AHEAD_SECONDS) + 1):
        pipe.read(buffer)
    assert time.monotonic() - began < 0.4
    pipe.read(buffer)
    assert time.monotonic() - began >= 0.4
    pipe.note_answered(20_000)
    began = time.monotonic()
    for _ in range(15):
        pipe.read(buffer)
    assert time.monotonic() - began < 0.4
