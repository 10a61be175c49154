"""Live calls through a transcriber that runs as a process: their logs are played, their phrases collected."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from steno_transcriber.engines.port import Pack, UtteranceEngine
from steno_transcriber.live.call import LiveCall, first_checkpoint
from steno_transcriber.result import Spoken, phrase_of
from support.live_calls import CallWriter, Entry, Heard
from support.service_process import ServiceProcess
from support.transcriber_process import Installation, installation

from steno.events import ids
from steno.events.catalogue import CALL_AUDIO, CALL_CHECKPOINTS
from steno.events.records import AudioChunk, CallStarted, Phrase, TranscriptCompleted
from steno.kafka.topics import create_topics


def written(call_id: str, audio: Heard, **fields: object) -> list[Entry]:
    """The log of a call that says this and ends."""
    call = CallWriter(call_id=call_id, **fields)  # type: ignore[arg-type]  # whatever it takes
    call.start()
    call.say(audio)
    call.end()
    return call.log


def undisturbed(log: Sequence[Entry], engine: UtteranceEngine) -> list[Phrase]:
    """The phrases of a call when nothing goes wrong, transcribed here."""
    assert isinstance(log[0].record, CallStarted)
    call, phrases = LiveCall(first_checkpoint(log[0].record, log[0].offset)), list[Phrase]()
    for entry in log:
        for found in call.add_record(entry.record, offset=entry.offset, written_at=entry.written_at):
            (recognition,) = engine.decode(Pack(utterances=(found.utterance,)), found.options)
            if recognition:
                phrase = phrase_of(
                    Spoken.of(found.utterance, recognition),
                    call_id=call.call_id,
                    recording_id=ids.live_pass_id(call.call_id),
                    sequence=len(phrases),
                    role=found.role,
                    options=found.options,
                    tenant=call.tenant,
                    engine=engine.info,
                )
                phrases.append(phrase)
    return phrases


class LiveInstallation:
    """Topics and as many transcribers as a test starts; what they publish is collected as it comes."""

    def __init__(self, made: Installation, servers: str, prefix: str) -> None:
        self.made = made
        self._servers = servers
        self._prefix = prefix
        self.workers: list[ServiceProcess] = []

    def worker(self, name: str) -> ServiceProcess:
        """A transcriber under a name of its own."""
        made = ServiceProcess(
            "transcriber",
            servers=self._servers,
            prefix=self._prefix,
            partitions=self.made.topics.partitions,
            environment={**self.made.transcriber.environment, "STENO_TRANSCRIBER_INSTANCE": name},
        )
        self.workers.append(made)
        return made

    async def play(self, log: Sequence[Entry], *, faster: float = 0) -> None:
        """Puts the log of a call on the topic, so many times faster than it was spoken, or at once."""
        began = asyncio.get_running_loop().time()
        for entry in log:
            if faster:
                due = began + (entry.written_at - log[0].written_at).total_seconds() / faster
                await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            if isinstance(entry.record, AudioChunk):
                await self.made.producer.send_bare(CALL_AUDIO, entry.record)
            else:
                await self.made.producer.send(CALL_AUDIO, entry.record)

    async def completed(self, logs: Sequence[Sequence[Entry]], *, seconds: float = 90) -> None:
        """Returns when the transcripts of all these calls are complete."""
        wanted = {ids.live_pass_id(log[0].record.call_id) for log in logs}
        await self.made.until(lambda: wanted <= self.made.ended(TranscriptCompleted), seconds=seconds)

    def phrases(self, log: Sequence[Entry]) -> list[Phrase]:
        """What was published of a call, one of each id."""
        return self.made.phrases()[ids.live_pass_id(log[0].record.call_id)]


@asynccontextmanager
async def live_installation(
    servers: str, prefix: str, folder: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[LiveInstallation]:
    """Topics of its own and no transcriber yet; those that run are ended afterwards."""
    async with installation(servers, prefix, folder, environment) as made:
        await create_topics(made.kafka, made.topics, (CALL_AUDIO, CALL_CHECKPOINTS))
        live = LiveInstallation(made, servers, prefix)
        try:
            yield live
        finally:
            for worker in live.workers:
                if worker.running:
                    await worker.kill()
