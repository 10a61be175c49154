"""One stretch of a call at Azure, with streams that say what a test has them say."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from steno_transcriber.azure import audio_pipe, live_run, live_session
from steno_transcriber.azure.audio_pipe import AudioPipe
from steno_transcriber.azure.availability import Availability
from steno_transcriber.azure.credentials import Credential
from steno_transcriber.azure.endpoints import Endpoint, parse_endpoint
from steno_transcriber.azure.live_access import LiveAccess
from steno_transcriber.azure.live_results import TICKS_PER_MS, Result
from steno_transcriber.azure.live_run import LiveRun, LiveShared
from steno_transcriber.azure.live_session import LiveSession
from steno_transcriber.azure.speech_sdk import (
    Canceled,
    Connected,
    Disconnected,
    Ended,
    Hypothesis,
    Nothing,
    Phrase,
    SdkEvent,
    StreamRequest,
)
from steno_transcriber.azure.stream_line import StreamLine
from steno_transcriber.engines.port import (
    Answer,
    CallAudio,
    EngineUnavailable,
    FinalAnswer,
    PartialAnswer,
    SilentUntil,
    Unsupported,
)
from support.recognition_options import ENGLISH

from steno.errors import StenoError

RATE = 16_000
KEYS = [Credential(kind="key", secret=letter * 32) for letter in "ab"]


class Offered:
    """The credentials of every endpoint."""

    async def of(self, endpoint: Endpoint) -> Sequence[Credential]:
        return KEYS

    def accepted(self, endpoint: Endpoint, credential: Credential) -> None: ...

    def refused(self, endpoint: Endpoint, credential: Credential) -> None: ...


@dataclass
class Said:
    """A stream in the hands of a test."""

    request: StreamRequest
    pipe: AudioPipe
    report: Callable[[SdkEvent], None]
    started: bool = False
    stopped: bool = False

    def start(self) -> None:
        self.started = True

    def stop(self) -> None:
        self.stopped = True

    def take(self, seconds: float) -> int:
        """Takes so much of a stream of one channel."""
        return self.pipe.read(memoryview(bytearray(int(seconds * RATE) * 2)))


@dataclass
class Service:
    """What all streams of a test are opened with, and what comes of them."""

    stereo: bool = False
    streams: list[Said] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    errors: list[StenoError] = field(default_factory=list)
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4))

    def __post_init__(self) -> None:
        self.line = StreamLine(10)
        self.availability = Availability(5.0)
        endpoints = [parse_endpoint("westeurope"), parse_endpoint("northeurope")]
        self.access = LiveAccess(endpoints, Offered())  # type: ignore[arg-type]
        self.shared = LiveShared(
            access=self.access,
            line=self.line,
            open_stream=self._open,
            threads=self.threads,
            availability=self.availability,
            stereo=self.stereo,
        )

    def _open(self, request: StreamRequest, pipe: AudioPipe, report: Callable[[SdkEvent], None]) -> Said:
        self.streams.append(Said(request, pipe, report))
        return self.streams[-1]

    async def run(self, *, channels: int = 1, begin: int = 0) -> LiveRun:
        made = LiveRun(
            self.shared,
            channels=channels,
            options=ENGLISH,
            begin=begin,
            answered=self.answers.append,
            lost=self.errors.append,
        )
        await made.start()
        return made


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    made = Service()
    yield made
    await ended(made)


async def ended(service: Service) -> None:
    for stream in service.streams:
        stream.pipe.end(at_once=True)
    while service.shared.ending:
        await asyncio.gather(*service.shared.ending)
    service.line.close()
    service.threads.shutdown()


async def told() -> None:
    """What the streams have said is taken."""
    for _ in range(5):
        await asyncio.sleep(0)


def result(begin_ms: int, end_ms: int, text: str = "word", channel: int = 0) -> Result:
    offset, duration = begin_ms * TICKS_PER_MS, (end_ms - begin_ms) * TICKS_PER_MS
    return Result(channel=channel, offset=offset, duration=duration, text=text, detail="{}")


def silence(seconds: float, channels: int = 1) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.zeros((channels, int(seconds * RATE)), dtype=np.float32)


async def test_each_channel_has_a_stream_of_its_own(service: Service) -> None:
    """Whatever the SDK says of a channel is of the one whose stream it is."""
    run = await service.run(channels=2)
    assert [stream.request.channels for stream in service.streams] == [1, 1]
    sending = asyncio.create_task(run.send(silence(2.0, 2)))
    await told()
    service.streams[1].report(Phrase(result(1000, 2000)))
    await told()
    (final,) = service.answers
    assert (final.channel, isinstance(final, FinalAnswer)) == (1, True)
    run.close()
    await sending


async def test_audio_that_was_not_sent_yet_is_not_answered(service: Service) -> None:
    """Whatever the service says: it would not be sent again after a kill, and phrases of it would be dropped."""
    run = await service.run()
    await run.send(silence(1.0))
    service.streams[0].report(Phrase(result(500, 90_000)))
    await told()
    await run.send(silence(0.5))
    service.streams[0].report(Phrase(result(1100, 1400)))
    await told()
    assert [(answer.start_ms, answer.end_ms) for answer in service.answers if isinstance(answer, FinalAnswer)] == [
        (500, 1000),
        (1100, 1400),
    ]


async def test_a_report_that_cannot_be_taken_loses_the_stretch(service: Service) -> None:
    """Its audio is sent again; without that a phrase would be missing."""
    run = await service.run()
    await run.send(silence(1.0))
    service.streams[0].report(Phrase(replace(result(0, 500), detail="[" * 100_000)))
    await told()
    (error,) = service.errors
    assert isinstance(error, EngineUnavailable)
    assert service.answers == []


async def test_a_stretch_begins_at_a_whole_tenth_of_a_second() -> None:
    """With silence before the first sample: frames lie as they do in a stretch that began earlier, and so do answers."""
    service = Service()
    run = await service.run(begin=2 * RATE + 100)
    await run.send(silence(0.5) + 0.5)
    taken = memoryview(bytearray(400))
    service.streams[0].pipe.read(taken)
    samples = np.frombuffer(taken, dtype="<i2")
    assert not samples[:100].any()
    assert samples[100:].all()
    service.streams[0].report(Phrase(result(100, 200)))
    await told()
    (final,) = service.answers
    assert isinstance(final, FinalAnswer)
    assert final.start_ms == 2100
    await ended(service)


async def test_a_lost_connection_of_one_channel_is_the_sdks_to_mend(service: Service) -> None:
    """It sends what was not answered."""
    await service.run()
    service.streams[0].report(Disconnected())
    await told()
    assert service.errors == []


async def test_a_lost_connection_of_two_channels_loses_the_stretch() -> None:
    """The SDK forgets audio that was answered on one channel, and the other may still need it."""
    service = Service(stereo=True)
    await service.run(channels=2)
    assert [stream.request.channels for stream in service.streams] == [2]
    service.streams[0].report(Disconnected())
    await told()
    (error,) = service.errors
    assert isinstance(error, EngineUnavailable)
    await ended(service)


@pytest.mark.parametrize(
    ("code", "kind", "next_one"),
    [
        ("BadRequest", Unsupported, ("westeurope", KEYS[0])),
        ("AuthenticationFailure", EngineUnavailable, ("westeurope", KEYS[1])),
        ("TooManyRequests", EngineUnavailable, ("westeurope", KEYS[0])),
        ("ConnectionFailure", EngineUnavailable, ("northeurope", KEYS[0])),
        ("ServiceTimeout", EngineUnavailable, ("northeurope", KEYS[0])),
        ("AnythingNew", EngineUnavailable, ("northeurope", KEYS[0])),
    ],
)
async def test_what_follows_of_an_error_is_told_by_its_code(
    service: Service, code: str, kind: type[StenoError], next_one: tuple[str, Credential]
) -> None:
    """A bad request fails the call; a key is followed by the other one, an endpoint by the next."""
    await service.run()
    service.streams[0].report(Canceled(code, "because"))
    service.streams[0].report(Ended())
    await told()
    (error,) = service.errors
    assert type(error) is kind
    assert "because" in str(error)
    access = await service.access.next()
    assert (access.endpoint.name, access.credential) == next_one
    assert service.availability.in_doubt == (kind is EngineUnavailable)


@pytest.mark.parametrize("event", [Hypothesis(result(0, 500)), Canceled("BadRequest", "no such language")])
async def test_whatever_azure_answers_shows_that_it_is_there(service: Service, event: SdkEvent) -> None:
    """A refused request as well: calls would stay with the other engine as long as the refused one is what is tried."""
    service.availability.lost()
    await service.run()
    service.streams[0].report(event)
    await told()
    assert not service.availability.in_doubt


async def test_a_stream_that_ends_before_its_audio_is_lost(service: Service) -> None:
    """What was not answered is sent again."""
    await service.run()
    service.streams[0].report(Ended())
    await told()
    assert "before the audio ended" in str(service.errors[0])


async def test_at_its_end_all_of_the_audio_is_answered(service: Service) -> None:
    """Also what was open, and the places are free."""
    run = await service.run()
    await run.send(silence(1.0))
    service.streams[0].report(Connected())
    service.streams[0].report(Hypothesis(result(200, 500)))
    finishing = asyncio.create_task(run.finish())
    await told()
    assert not finishing.done()
    service.streams[0].report(Ended())
    await asyncio.wait_for(finishing, 5)
    partial, final = service.answers
    assert isinstance(partial, PartialAnswer)
    assert isinstance(final, FinalAnswer)
    assert (final.start_ms, final.end_ms, final.recognition.text) == (200, 1000, "")
    while service.shared.ending:
        await asyncio.gather(*service.shared.ending)
    assert service.streams[0].stopped
    assert not service.availability.in_doubt


async def test_audio_of_more_than_a_minute_ago_is_answered(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the service says so or not: the SDK would have given the stream up. What is open is not."""
    monkeypatch.setattr(audio_pipe, "AHEAD_SECONDS", 1e9)
    monkeypatch.setattr(live_run, "REPORTED_SECONDS", 0.0)
    run = await service.run(channels=2)
    service.streams[1].report(Hypothesis(result(3000, 4000)))
    for _ in range(80):
        await run.send(silence(1.0, 2))
        for stream in service.streams:
            stream.take(1.0)
    await told()
    settled = [answer.until_ms for answer in service.answers if isinstance(answer, SilentUntil)]
    assert settled[-1] == 15_000
    assert {answer.channel for answer in service.answers if isinstance(answer, SilentUntil)} == {0}


async def test_the_sender_waits_for_the_sdk(service: Service) -> None:
    """No more than a few seconds of audio are kept."""
    run = await service.run()
    sending = asyncio.create_task(run.send(silence(3.0)))
    await told()
    assert not sending.done()
    service.streams[0].take(1.5)
    async with asyncio.timeout(5):
        await sending


async def test_a_stream_that_takes_no_audio_is_lost(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the SDK has fallen silent: whoever sends does not wait for ever."""
    monkeypatch.setattr(live_run, "STALLED_SECONDS", 0.05)
    run = await service.run()
    async with asyncio.timeout(5):
        await run.send(silence(3.0))
    assert "takes no audio" in str(service.errors[0])
    assert service.availability.in_doubt


async def test_a_stream_that_is_held_is_not_lost(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody reads its answers: it is not to take audio."""
    monkeypatch.setattr(live_run, "STALLED_SECONDS", 0.02)
    run = await service.run()
    run.hold(True)
    sending = asyncio.create_task(run.send(silence(3.0)))
    await asyncio.sleep(0.1)
    assert service.errors == []
    assert not sending.done()
    run.close()
    async with asyncio.timeout(5):
        await sending


async def test_a_stream_that_does_not_end_is_lost(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as it reports anything it is waited for."""
    monkeypatch.setattr(live_run, "UNREPORTED_SECONDS", 0.2)
    run = await service.run()
    finishing = asyncio.create_task(run.finish())
    for end_ms in range(100, 500, 100):
        await asyncio.sleep(0.1)
        service.streams[0].report(Nothing(result(0, end_ms)))
    assert not finishing.done()
    async with asyncio.timeout(5):
        await finishing
    assert "does not end" in str(service.errors[0])


async def test_a_gap_ends_the_stretch_and_another_one_begins(service: Service) -> None:
    """Its answers have come before anything of the next, which counts from where it begins."""
    session = LiveSession(service.shared, channels=1, options=ENGLISH)
    await session.send(CallAudio(position=0, samples=silence(0.5)))
    sending = asyncio.create_task(session.send(CallAudio(position=10 * RATE, samples=silence(0.5))))
    await told()
    assert len(service.streams) == 1
    service.streams[0].report(Phrase(result(100, 300)))
    service.streams[0].report(Ended())
    async with asyncio.timeout(5):
        await sending
    service.streams[1].report(Nothing(result(400, 400)))
    await told()
    answers = session.answers()
    found = [await anext(answers) for _ in range(3)]
    assert isinstance(found[0], FinalAnswer)
    assert found[1:] == [SilentUntil(channel=0, until_ms=500), SilentUntil(channel=0, until_ms=10_400)]
    await session.close()


async def test_a_call_on_hold_gives_its_stream_back(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """And has another one with the next audio, which may be the very next sample."""
    monkeypatch.setattr(live_session, "IDLE_SECONDS", 0.02)
    session = LiveSession(service.shared, channels=1, options=ENGLISH)
    await session.send(CallAudio(position=0, samples=silence(0.5)))
    service.streams[0].take(0.5)
    await asyncio.sleep(0.05)
    assert service.streams[0].take(0.1) == 0, "its audio has ended"
    service.streams[0].report(Ended())
    await told()
    await session.send(CallAudio(position=RATE // 2, samples=silence(0.5)))
    assert len(service.streams) == 2
    await session.close()


async def test_answers_that_nobody_reads_hold_the_audio(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hypotheses are dropped, phrases are not; it goes on when they are read."""
    monkeypatch.setattr(live_session, "MOST_ANSWERS", 4)
    session = LiveSession(service.shared, channels=1, options=ENGLISH)
    await session.send(CallAudio(position=0, samples=silence(1.0)))
    for index in range(6):
        service.streams[0].report(Hypothesis(result(100 * index, 100 * index + 50)))
        service.streams[0].report(Phrase(result(100 * index, 100 * index + 90)))
    await told()
    taking = asyncio.get_running_loop().run_in_executor(None, service.streams[0].take, 0.5)
    await asyncio.sleep(0.05)
    assert not taking.done()
    answers = session.answers()
    found = [await anext(answers) for _ in range(8)]
    assert sum(isinstance(answer, FinalAnswer) for answer in found) == 6
    async with asyncio.timeout(5):
        assert await taking == RATE
    await session.close()
