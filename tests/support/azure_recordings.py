"""Recordings by Azure through the processes of Steno on a real Kafka: what is killed, and what must be whole afterwards."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from support.azure_process import AzureProcess
from support.azure_world import wav
from support.ingest_process import IngestProcess, eventually
from support.transcriber_process import Installation, installation

from steno.events.records import Phrase, Role, TranscriptCompleted, TranscriptFailed

SECONDS, PHRASES = 6, 6
JOB_RECORDINGS = 3
"""So many are sent in one job."""

_SECRET = "a-secret-of-more-than-32-characters"
_CHANNELS = [{"channel": 0, "role": "agent"}, {"channel": 1, "role": "customer"}]


@dataclass(frozen=True, kw_only=True)
class RecordingsByAzure:
    """The processes: Azure, ingest, which hands out recordings, and a transcriber, which is not started yet."""

    azure: AzureProcess
    steno: Installation
    ingest: IngestProcess

    async def upload(self, count: int) -> None:
        """Uploads recordings with two channels."""
        for index in range(count):
            await self.ingest.upload(wav(seconds=SECONDS), {"call_id": f"call-{index}", "channels": _CHANNELS})

    async def kill_transcriber(self) -> None:
        """Kills the transcriber and starts another one."""
        await self.steno.transcriber.kill()
        await self.steno.transcriber.start()

    async def survive_kills(self, recordings: int) -> None:
        """Kills the transcriber after the first job, then Azure, and the transcriber again after the first phrase."""
        await self.azure.set_faults(ends_after=2.5)
        await self.upload(recordings)
        await self.steno.transcriber.start()
        await eventually(self.azure.jobs)
        await self.kill_transcriber()
        await asyncio.sleep(3)
        await self.azure.kill()
        await asyncio.sleep(1)
        await self.azure.start()
        await self.steno.until(lambda: bool(self.steno.of(Phrase)))
        await self.kill_transcriber()
        await self._are_whole(recordings)

    async def _are_whole(self, recordings: int) -> None:
        """Each recording was in one job, its phrases are there once, and nothing is left at Azure."""
        await self.steno.until(lambda: len(self.steno.ended(TranscriptCompleted)) == recordings, seconds=200)
        await eventually(self._all_deleted)
        sent = await self.azure.sent()
        assert (set(sent.values()), len(sent)) == ({1}, recordings)
        by_recording = self.steno.phrases()
        assert len(by_recording) == recordings
        for phrases in by_recording.values():
            assert [phrase.sequence for phrase in phrases] == list(range(PHRASES))
            assert {(phrase.channel, phrase.role) for phrase in phrases} == {(0, Role.AGENT), (1, Role.CUSTOMER)}
        assert not self.steno.of(TranscriptFailed)
        assert not self.steno.dead_letters

    async def _all_deleted(self) -> bool:
        return all(job.deleted for job in await self.azure.jobs())


@asynccontextmanager
async def recordings_by_azure(servers: str, prefix: str, folder: Path) -> AsyncIterator[RecordingsByAzure]:
    """Starts Azure and ingest, and ends all afterwards."""
    azure = AzureProcess(folder)
    await azure.start()
    try:
        (folder / "keys").write_text("key-one key-two\n")
        (folder / "links").write_text(_SECRET + "\n")
        settings = {
            "STENO_TRANSCRIBER_ENGINE": "azure",
            "STENO_TRANSCRIBER_AZURE_ENDPOINTS": azure.url,
            "STENO_TRANSCRIBER_AZURE_KEYS_FILE": str(folder / "keys"),
            "STENO_TRANSCRIBER_AZURE_JOB_RECORDINGS": str(JOB_RECORDINGS),
            "STENO_TRANSCRIBER_AZURE_JOB_SECONDS": "1",
            "STENO_LINKS_SECRET_FILE": str(folder / "links"),
        }
        ingest = IngestProcess(servers, prefix, folder, f"sqlite:///{folder}/ingest.db")
        ingest.environment["STENO_LINKS_SECRET_FILE"] = str(folder / "links")
        async with installation(servers, prefix, folder, settings) as steno, ingest:
            await ingest.ready()
            steno.transcriber.environment["STENO_LINKS_URL"] = await ingest.url()
            yield RecordingsByAzure(azure=azure, steno=steno, ingest=ingest)
    finally:
        await azure.kill()
