"""Fetching recordings over HTTP, from a server that misbehaves."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_network
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from steno_transcriber.fetch.errors import (
    ChecksumMismatch,
    FetchFailed,
    FetchGivenUp,
    FetchLater,
    NoDiskSpace,
    RecordingMissing,
    RecordingRefused,
    RecordingTooLarge,
    UnsupportedUrl,
)
from steno_transcriber.fetch.fetcher import Fetcher, FetchLimits, fetching_session, redact
from support.fetching import AUDIO, LIMITS, fetched

from steno.http.client import ForbiddenAddress
from steno.storage.objects import ObjectStore

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Source:
    """An HTTP server whose answer a test gives; counts how often it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.raw_path)
        return await self.answers[request.path](request)

    def answer(self, path: str, answer: Answer) -> str:
        self.answers[path] = answer
        return f"{self.url}{path}"


@pytest.fixture
async def source() -> AsyncIterator[Source]:
    made = Source()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


async def whole(_request: web.Request) -> web.StreamResponse:
    return web.Response(body=AUDIO)


def status(code: int) -> Answer:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=code)

    return answer


def redirect(location: str) -> Answer:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": location})

    return answer


async def cut_short(request: web.Request) -> web.StreamResponse:
    """Announces the whole and sends half of it."""
    response = web.StreamResponse(headers={"Content-Length": str(len(AUDIO))})
    await response.prepare(request)
    await response.write(AUDIO[: len(AUDIO) // 2])
    assert request.transport is not None
    request.transport.close()
    return response


async def hang(request: web.Request) -> web.StreamResponse:
    """Sends a little, then nothing until the other side hangs up."""
    response = web.StreamResponse(headers={"Content-Length": str(len(AUDIO))})
    await response.prepare(request)
    await response.write(AUDIO[:1000])
    while request.transport is not None and not request.transport.is_closing():
        await asyncio.sleep(0.01)
    return response


async def endless(request: web.Request) -> web.StreamResponse:
    """Tells no length and never ends."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(AUDIO)


async def test_a_recording_is_fetched_whole(fetcher: Fetcher, source: Source) -> None:
    """Its bytes, under the name its source gives it."""
    url = source.answer("/calls/call%201.ulaw", whole)
    source.answers["/calls/call 1.ulaw"] = whole
    async with fetcher.fetch(url, sha256=hashlib.sha256(AUDIO).hexdigest()) as audio:
        assert audio.path.read_bytes() == AUDIO
        assert audio.name == "call 1.ulaw"


async def test_nothing_is_left_in_the_temporary_folder(fetcher: Fetcher, source: Source, tmp_path: Path) -> None:
    """Not even while it is read: the file has no name, so that a kill leaves nothing."""
    async with fetcher.fetch(source.answer("/a.wav", whole)) as audio:
        assert audio.path.stat().st_size == len(AUDIO)
        assert list((tmp_path / "temporary").iterdir()) == []


async def test_a_signed_query_arrives_as_it_was_given(fetcher: Fetcher, source: Source) -> None:
    """A signature holds for the very bytes of the URL."""
    query = "?sv=2024&sig=a%2Bb%2Fc%3D&se=2026-01-01T00%3A00%3A00Z"
    await fetched(fetcher, source.answer("/a.wav", whole) + query)
    assert source.asked == [f"/a.wav{query}"]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (404, RecordingMissing),
        (410, RecordingMissing),
        (403, RecordingRefused),
        (401, RecordingRefused),
        (204, RecordingRefused),
    ],
)
async def test_a_refusal_is_final(fetcher: Fetcher, source: Source, code: int, error: type[FetchFailed]) -> None:
    """Asked once, and the reason has the status in it."""
    url = source.answer("/a.wav", status(code))
    with pytest.raises(error, match=str(code)):
        await fetched(fetcher, url)
    assert len(source.asked) == 1


@pytest.mark.parametrize("code", [500, 503, 429, 408])
async def test_a_server_in_trouble_is_asked_again_and_then_given_up(
    fetcher: Fetcher, source: Source, pauses: list[float], code: int
) -> None:
    """As often as the settings say, with growing pauses."""
    url = source.answer("/a.wav", status(code))
    with pytest.raises(FetchGivenUp, match=f"{code}.*3 attempts"):
        await fetched(fetcher, url)
    assert len(source.asked) == 3
    assert len(pauses) == 2
    assert 0.5 <= pauses[0] <= 1 <= pauses[1] <= 2


class Patient:
    """A fetcher that waits for what is not there yet, by a clock that a test turns."""

    def __init__(self, session: aiohttp.ClientSession, store: ObjectStore, folder: Path) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self.fetcher = Fetcher(
            store=store,
            session=session,
            limits=replace(LIMITS, missing_seconds=60),
            folders=(folder,),
            sleep=self._sleep,
            clock=lambda: self.now,
        )

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


@pytest.fixture
def patient(inside: aiohttp.ClientSession, store: ObjectStore, tmp_path: Path) -> Patient:
    return Patient(inside, store, tmp_path)


@pytest.mark.parametrize("code", [202, 404, 409, 423, 425])
async def test_what_is_not_there_yet_comes_again(patient: Patient, source: Source, code: int) -> None:
    """Recorders tell the link before there is something behind it: it is fetched once it is there."""
    url = source.answer("/a.wav", status(code))
    for patient.now in (0, 59):
        with pytest.raises(FetchLater, match=str(code)):
            await fetched(patient.fetcher, url)
    source.answer("/a.wav", whole)
    assert await fetched(patient.fetcher, url) == AUDIO
    assert len(source.asked) == 3


@pytest.mark.parametrize("code", [202, 404, 409, 423, 425])
async def test_what_never_comes_is_missing(patient: Patient, source: Source, code: int) -> None:
    """With the status in the reason, and how long it was asked for."""
    url = source.answer("/a.wav", status(code))
    with pytest.raises(FetchLater):
        await fetched(patient.fetcher, url)
    patient.now = 60
    with pytest.raises(RecordingMissing, match=f"{code}.*asked again for 60 s"):
        await fetched(patient.fetcher, url)


async def test_a_file_that_is_not_there_yet_comes_again(patient: Patient, store: ObjectStore, tmp_path: Path) -> None:
    """A file below an allowed folder, that is: what is in our own store is there before anything is said of it."""
    path = tmp_path / "late.wav"
    with pytest.raises(FetchLater):
        await fetched(patient.fetcher, path.as_uri())
    path.write_bytes(AUDIO)
    assert await fetched(patient.fetcher, path.as_uri()) == AUDIO
    with pytest.raises(RecordingMissing):
        await fetched(patient.fetcher, f"{store.url}/recordings/1/audio.wav")


@pytest.mark.parametrize(("code", "seconds"), [(404, 20), (202, 20), (503, 20), (429, 20), (404, 60), (503, 60)])
@pytest.mark.parametrize("dated", [False, True])
async def test_a_server_says_when_to_come_again(patient: Patient, source: Source, code: int, seconds: int, dated: bool) -> None:
    """In seconds or by a date, and no place is held meanwhile; for no longer than there is time."""
    asked = 20 if seconds == 20 else 86_000

    async def answer(_request: web.Request) -> web.StreamResponse:
        told = format_datetime(datetime.now(UTC) + timedelta(seconds=asked), usegmt=True) if dated else str(asked)
        return web.Response(status=code, headers={"Retry-After": told})

    with pytest.raises(FetchLater) as later:
        await fetched(patient.fetcher, source.answer("/a.wav", answer))
    assert seconds - 2 <= later.value.again_in_seconds <= seconds
    assert patient.pauses == []


async def test_a_short_pause_is_made_at_once(patient: Patient, source: Source) -> None:
    """It is not worth giving the place away."""
    answers = iter([web.Response(status=503, headers={"Retry-After": "4"}), web.Response(body=AUDIO)])

    async def answer(_request: web.Request) -> web.StreamResponse:
        return next(answers)

    assert await fetched(patient.fetcher, source.answer("/a.wav", answer)) == AUDIO
    assert patient.pauses == [4]


async def test_a_server_that_comes_back_is_fetched_from(fetcher: Fetcher, source: Source) -> None:
    """What an attempt before has left counts for nothing."""
    answers = iter([cut_short, status(502), whole])

    async def answer(request: web.Request) -> web.StreamResponse:
        return await next(answers)(request)

    assert await fetched(fetcher, source.answer("/a.wav", answer)) == AUDIO


async def test_a_lie_about_the_length_is_found(fetcher: Fetcher, source: Source) -> None:
    """Half a recording is never taken for a whole one."""
    url = source.answer("/a.wav", cut_short)
    with pytest.raises(FetchGivenUp, match="less than it announced"):
        await fetched(fetcher, url)
    assert len(source.asked) == 3


async def test_a_server_that_hangs_is_given_up(fetcher: Fetcher, source: Source) -> None:
    """After the read timeout, each time."""
    url = source.answer("/a.wav", hang)
    with pytest.raises(FetchGivenUp, match="in time"):
        await fetched(fetcher, url)


async def test_no_attempt_is_begun_after_the_time_to_give_up(
    inside: aiohttp.ClientSession, store: ObjectStore, source: Source
) -> None:
    """However many attempts are left."""
    limits = FetchLimits(max_bytes=10, connect_seconds=1, read_seconds=1, total_seconds=1, attempts=1000, give_up_seconds=0)
    url = source.answer("/a.wav", status(500))
    with pytest.raises(FetchGivenUp, match="1 attempts"):
        await fetched(Fetcher(store=store, session=inside, limits=limits), url)


async def test_nobody_at_the_address_is_given_up(fetcher: Fetcher) -> None:
    """A refused connection may pass, but not for ever."""
    with pytest.raises(FetchGivenUp, match="cannot be reached"):
        await fetched(fetcher, "http://127.0.0.1:1/a.wav")


@pytest.mark.parametrize("announced", [True, False])
async def test_too_large_a_recording_is_not_fetched(fetcher: Fetcher, source: Source, announced: bool) -> None:
    """Refused at its announced length, or where it exceeds the limit."""

    async def large(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=AUDIO * 3)

    url = source.answer("/a.wav", large if announced else endless)
    with pytest.raises(RecordingTooLarge, match=str(LIMITS.max_bytes)):
        await fetched(fetcher, url)


async def test_other_bytes_than_submitted_are_refused(fetcher: Fetcher, source: Source) -> None:
    """Where the record has a digest, nothing else is transcribed."""
    url = source.answer("/a.wav", whole)
    with pytest.raises(ChecksumMismatch, match="0" * 64) as refused:
        await fetched(fetcher, url, sha256="0" * 64)
    assert hashlib.sha256(AUDIO).hexdigest()[:8] not in str(refused.value), "what is there is not told"


@asynccontextmanager
async def outside_only(store: ObjectStore) -> AsyncIterator[Fetcher]:
    async with fetching_session(LIMITS) as session:
        yield Fetcher(store=store, session=session, limits=LIMITS)


async def test_an_inside_address_is_refused_by_default(store: ObjectStore, source: Source) -> None:
    """Whoever submits a URL cannot make us call inside."""
    url = source.answer("/a.wav", whole)
    async with outside_only(store) as fetcher:
        for inside_url in (url, url.replace("127.0.0.1", "localhost"), url.replace("127.0.0.1", "[::1]")):
            with pytest.raises(ForbiddenAddress, match="not a public address"):
                await fetched(fetcher, inside_url)
    assert source.asked == []


async def test_a_redirect_to_a_forbidden_address_is_refused(store: ObjectStore, source: Source) -> None:
    """Each hop is checked, not the first alone."""
    url = source.answer("/a.wav", redirect("http://127.0.0.2:1/a.wav"))
    async with fetching_session(LIMITS, allowed_networks=(ip_network("127.0.0.1/32"),)) as session:
        with pytest.raises(ForbiddenAddress):
            await fetched(Fetcher(store=store, session=session, limits=LIMITS), url)


async def test_redirects_are_followed_five_times(fetcher: Fetcher, source: Source) -> None:
    """Five lead to the recording; six do not."""
    source.answer("/0", whole)
    for hop in range(1, 7):
        source.answer(f"/{hop}", redirect(f"/{hop - 1}"))
    assert await fetched(fetcher, f"{source.url}/5") == AUDIO
    with pytest.raises(RecordingRefused, match="more than 5 times"):
        await fetched(fetcher, f"{source.url}/6")


async def test_a_redirect_to_a_file_is_refused(fetcher: Fetcher, source: Source) -> None:
    """HTTP leads to HTTP only."""
    url = source.answer("/a.wav", redirect("file:///etc/passwd"))
    with pytest.raises(UnsupportedUrl):
        await fetched(fetcher, url)


@pytest.mark.parametrize(
    "url", ["ftp://host/a.wav", "calls/a.wav", "http://", "http://[::1", "http://a\ufffdb/", "s3://bucket/a.wav", "data:,x"]
)
async def test_what_is_no_url_of_recordings_fails(fetcher: Fetcher, url: str) -> None:
    """Said once, not tried again."""
    with pytest.raises(UnsupportedUrl):
        await fetched(fetcher, url)


@pytest.mark.parametrize(
    "authority", ["a" * 64 + ".example", "a..b", ".a", "a" * 300, "a:99999", "[::1]:99999", "a:-1", "a:b", "256.1.1.1"]
)
async def test_what_no_server_can_be_fails(fetcher: Fetcher, source: Source, authority: str) -> None:
    """By a reason, be it the recording's URL or where a server leads."""
    with pytest.raises(UnsupportedUrl):
        await fetched(fetcher, f"http://{authority}/a.wav")
    with pytest.raises(UnsupportedUrl):
        await fetched(fetcher, source.answer("/a.wav", redirect(f"http://{authority}/a.wav")))


async def test_a_temporary_folder_that_is_away_is_no_fault_of_the_recording(
    inside: aiohttp.ClientSession, store: ObjectStore, source: Source, tmp_path: Path
) -> None:
    """It is tried again later."""
    fetcher = Fetcher(store=store, session=inside, limits=LIMITS, temporary_folder=tmp_path / "gone")
    with pytest.raises(NoDiskSpace):
        await fetched(fetcher, source.answer("/a.wav", whole))


async def test_recordings_of_one_server_have_nothing_in_common(fetcher: Fetcher, source: Source) -> None:
    """Each has a connection of its own, so that what went before on another cannot make it fail."""
    ports = set[int]()

    async def noted(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername")[1])
        return await whole(request)

    for number in range(3):
        assert await fetched(fetcher, source.answer(f"/{number}.wav", noted)) == AUDIO
    assert len(ports) == 3


def test_secrets_of_a_url_are_not_shown() -> None:
    """Reasons go to logs, to REST and to webhooks."""
    assert redact("https://user:password@host:8443/a.wav?sig=secret#part") == "https://host:8443/a.wav"
    assert redact("user:password@host/a@b.wav") == "user://host/a@b.wav"
    assert redact("//user:password@host/a.wav?sig=secret") == "://host/a.wav"
