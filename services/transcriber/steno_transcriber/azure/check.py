"""Tries each way to Azure that is set up with one short recording, and says what works."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx

from steno.errors import StenoError
from steno.events.recognition import RecognitionOptions
from steno.retry import RetryPolicy
from steno.storage.objects import ObjectStore
from steno_transcriber.audio.decoders import Decoders
from steno_transcriber.azure.audio_urls import AudioUrls
from steno_transcriber.azure.batch import azure_info
from steno_transcriber.azure.client import TIMEOUT, AzureClient
from steno_transcriber.azure.credentials import Credentials
from steno_transcriber.azure.endpoints import Endpoint
from steno_transcriber.azure.live_access import LiveAccess
from steno_transcriber.azure.live_engine import AzureLiveEngine
from steno_transcriber.azure.result import UnreadableResult, read_fast, read_result
from steno_transcriber.azure.wire import Api, locales_of, read_report
from steno_transcriber.engines.port import CallAudio, CallSession, EngineUnavailable, FinalAnswer, RecognitionFailed
from steno_transcriber.settings import TranscriberSettings
from steno_transcriber.speech import Samples

POLLS = RetryPolicy(first_seconds=1.0, longest_seconds=10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of one way: `text` is what was heard, or why it does not work."""

    way: str
    endpoint: str
    works: bool
    seconds: float
    text: str


class Check:
    """One recognition by each way, at each endpoint."""

    def __init__(
        self, settings: TranscriberSettings, recording: Path, *, url: str | None, locale: str, most_seconds: float
    ) -> None:
        """
        Args:
            url: Where Azure can read a recording; by default `recording` is put into the object store meanwhile.
            most_seconds: How long each way may take.
        """
        self._settings = settings
        self._azure = settings.azure
        self._recording = recording
        self._url = url
        self._options = RecognitionOptions(locale=locale)
        self._most_seconds = most_seconds

    async def run(self) -> list[Tried]:
        """Tries all ways. Raises `SecretFileUnreadable`."""
        async with httpx.AsyncClient(timeout=TIMEOUT) as http:
            credentials = Credentials(self._azure, http)
            client = AzureClient(http, credentials, Api(self._azure.api_version))
            ways: Sequence[tuple[str, Callable[[Endpoint], Awaitable[str]]]] = (
                ("batch", lambda endpoint: self._batch(client, endpoint)),
                ("fast", lambda endpoint: self._fast(client, endpoint)),
                ("live", lambda endpoint: self._live(credentials, endpoint)),
            )
            return [await self._try(way, endpoint, step) for endpoint in self._azure.endpoints for way, step in ways]

    async def _try(self, way: str, endpoint: Endpoint, step: Callable[[Endpoint], Awaitable[str]]) -> Tried:
        began, works = time.monotonic(), False
        try:
            async with asyncio.timeout(self._most_seconds):
                text = await step(endpoint)
            works = True
        except TimeoutError:
            text = f"there was no answer in {self._most_seconds:g} s"
        except (StenoError, UnreadableResult, OSError) as error:
            text = str(error)
        return Tried(way=way, endpoint=endpoint.name, works=works, seconds=time.monotonic() - began, text=text)

    async def _batch(self, client: AzureClient, endpoint: Endpoint) -> str:
        if self._url is not None:
            return await self._job(client, endpoint, self._url)
        store = ObjectStore(self._settings.objects.url, self._settings.objects.options)
        key = f"recordings/azure-check-{uuid4().hex}/audio{self._recording.suffix}"
        stored = await store.put(key, await asyncio.to_thread(self._recording.read_bytes))
        valid_for = timedelta(hours=self._azure.url_hours)
        try:
            urls = AudioUrls(store, self._settings.links, valid_for=valid_for, clock=lambda: datetime.now(UTC))
            return await self._job(client, endpoint, await urls.of(stored))
        finally:
            await store.delete(stored)

    async def _job(self, client: AzureClient, endpoint: Endpoint, url: str) -> str:
        api = Api(self._azure.api_version)
        name = f"{self._azure.job_name} check"
        made = await client.submit(endpoint, api.submit([url], self._options, channels=(), name=name, custom={}))
        try:
            polls = 0
            while not (job := (await client.job(endpoint, made.id))[0]).has_ended:
                polls += 1
                await asyncio.sleep(POLLS.after(polls))
            reason = job.error.message
            for file in await client.files(endpoint, made.id):
                content = await client.download(endpoint, file.links.content_url)
                if file.kind == "Transcription":
                    _, result = read_result(content, language=self._options.locale)
                    return " ".join(final.recognition.text for final in result.answer.finals)
                reason = "; ".join(entry.reason for entry in read_report(content)) or reason
            raise RecognitionFailed(reason or "the job ended without a result")
        finally:
            with suppress(StenoError):  # a job that cannot be deleted now deletes itself
                await client.delete(endpoint, made.id)

    async def _fast(self, client: AzureClient, endpoint: Endpoint) -> str:
        audio = await asyncio.to_thread(self._recording.read_bytes)
        definition = json.dumps({"locales": locales_of(self._options), "profanityFilterMode": "None"})
        content = await client.transcribe(endpoint, audio=audio, definition=definition)
        return " ".join(final.recognition.text for final in read_fast(content, language=self._options.locale).answer.finals)

    async def _live(self, credentials: Credentials, endpoint: Endpoint) -> str:
        engine = AzureLiveEngine(azure_info(self._azure), LiveAccess((endpoint,), credentials), streams=1, stereo=False)
        try:
            blocks = await asyncio.to_thread(self._blocks)
            session = engine.open(channels=1, options=self._options)
            try:
                # Side by side: with too many answers unread no more audio is sent.
                finals, _ = await asyncio.gather(_finals(session), _send(session, blocks))
            finally:
                await session.close()
        finally:
            await engine.stop()
            engine.close()
        if not finals:
            raise EngineUnavailable("nothing was heard on the first channel")
        return " ".join(final.recognition.text for final in finals)

    def _blocks(self) -> list[Samples]:
        """The audio of the recording. Blocks."""
        with (
            closing(Decoders()) as decoders,
            decoders.open(self._recording, name=self._recording.name, headerless=None, stop=lambda: False) as file,
        ):
            return list(file.blocks())


async def _send(session: CallSession, blocks: Sequence[Samples]) -> None:
    """Sends the first channel, to its end."""
    position = 0
    for block in blocks:
        await session.send(CallAudio(position=position, samples=block[:1]))
        position += int(block.shape[1])
    await session.finish()


async def _finals(session: CallSession) -> list[FinalAnswer]:
    """The phrases, once all are there."""
    return [answer async for answer in session.answers() if isinstance(answer, FinalAnswer)]
