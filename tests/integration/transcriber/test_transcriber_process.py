"""The transcriber's process on a real Kafka: recordings in, transcripts out, whatever is thrown at it."""

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil
import pytest
from aiohttp import web
from steno_transcriber import engines
from steno_transcriber.audio.decoders import Decoders
from steno_transcriber.decode_pool import DecodePool
from steno_transcriber.engines.port import UtteranceEngine
from steno_transcriber.engines.scripted import ScriptedEngine
from steno_transcriber.fetch.fetcher import FetchedAudio
from steno_transcriber.models.errors import ModelError
from steno_transcriber.models.store import ModelStore
from steno_transcriber.steps import Steps
from steno_transcriber.transcribe import transcribe
from support.live_calls import coded
from support.recordings import excerpt, silence
from support.speech import call_audio
from support.transcriber_process import Installation, installation

from steno.events.catalogue import RECORDINGS
from steno.events.records import (
    AudioCodec,
    Phrase,
    RecordingCancelled,
    RecordingSubmitted,
    Role,
    TranscriptCompleted,
    TranscriptFailed,
    TranscriptStarted,
)

LOOPBACK_ALLOWED = {
    "STENO_TRANSCRIBER_ALLOWED_NETWORKS": "127.0.0.1/32",
    "STENO_TRANSCRIBER_FETCH_ATTEMPTS": "2",
    "STENO_TRANSCRIBER_FETCH_READ_SECONDS": "0.5",
}


def undisturbed(path: Path, recording: RecordingSubmitted, engine: UtteranceEngine) -> Sequence[Phrase]:
    """What the recording's phrases are when nothing goes wrong, transcribed here."""
    decoders = Decoders()
    with closing(decoders), DecodePool(1) as pool:
        transcript = transcribe(
            FetchedAudio(path=path, name=path.name),
            recording,
            decoders=decoders,
            engine=engine,
            pool=pool,
            steps=Steps(),
            max_audio_ms=10**9,
            stop=threading.Event(),
        )
    return list(transcript.phrases)


def memory(process: psutil.Process) -> int:
    """Bytes of a process, of the one that decoders come from, and of decoders; what they share is counted once."""
    total = 0
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            total += one.memory_full_info().pss
    return total


class SlowSource:
    """An HTTP server of recordings that hands those under /held/ out only when told to, and lies, hangs and redirects."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.release = asyncio.Event()
        self.asked = asyncio.Event()
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        match request.match_info["how"]:
            case "held":
                self.asked.set()
                await self.release.wait()
            case "hang":
                while request.transport is not None and not request.transport.is_closing():
                    await asyncio.sleep(0.01)
            case "redirect":
                raise web.HTTPFound("http://127.0.0.2:1/inside.wav")
            case "short":
                response = web.StreamResponse(headers={"Content-Length": "1000000"})
                await response.prepare(request)
                await response.write(b"RIFF")
                assert request.transport is not None
                request.transport.close()
                return response
        return web.FileResponse(self._folder / request.match_info["name"])


@pytest.fixture
async def source(tmp_path: Path) -> AsyncIterator[SlowSource]:
    (tmp_path / "calls").mkdir(exist_ok=True)
    made = SlowSource(tmp_path / "calls")
    app = web.Application()
    app.router.add_get("/{how}/{name}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    made.release.set()
    await runner.cleanup()


@pytest.fixture
async def steno(kafka: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Installation]:
    """An installation whose transcriber has the scripted engine and may fetch from this machine."""
    async with installation(kafka, topic_prefix, tmp_path, LOOPBACK_ALLOWED) as made:
        yield made


async def test_a_call_comes_back_with_its_phrases(steno: Installation, tmp_path: Path) -> None:
    """The phrases that the engine makes of the file, with roles, and a completion that leads to the same in a document."""
    path = excerpt(tmp_path / "calls" / "call.wav", seconds=15)
    await steno.transcriber.start()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    recording = await steno.submit("one", path.as_uri(), sha256=digest, properties={"queue": "cards"})
    await steno.until(lambda: "one" in steno.ended())
    expected = undisturbed(path, recording, ScriptedEngine())
    await steno.until(lambda: len(steno.of(Phrase)) == len(expected))
    assert steno.phrases()["one"] == expected
    assert {phrase.role for phrase in expected} == {Role.AGENT, Role.CUSTOMER}
    (completed,) = steno.of(TranscriptCompleted)
    assert (completed.phrase_count, completed.duration_ms, completed.channel_count) == (len(expected), 15_000, 2)
    assert completed.properties == {"queue": "cards"}
    assert expected[0].phrase_id.encode() in await steno.store.get(completed.result_url)
    shown = await steno.transcriber.metrics()
    assert 'steno_transcriber_recordings_total{state="completed"} 1.0' in shown
    assert "steno_transcriber_audio_seconds_total 15.0" in shown


async def test_bad_input_fails_with_a_reason_and_the_rest_goes_on(
    steno: Installation, source: SlowSource, tmp_path: Path
) -> None:
    """Each broken recording ends as failed with its class; the good one after them is completed; no dead letters."""
    calls = tmp_path / "calls"
    good = excerpt(calls / "good.wav", seconds=5)
    (calls / "letter.wav").write_text("Dear customer, thank you for your letter of the third.\n" * 100)
    (calls / "empty.wav").touch()
    (calls / "header.wav").write_bytes(good.read_bytes()[:30])
    (calls / "half.wav").write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    expected = {
        "text": ((calls / "letter.wav").as_uri(), "unreadable_audio", "is text, not audio"),
        "empty": ((calls / "empty.wav").as_uri(), "unreadable_audio", "empty"),
        "header": ((calls / "header.wav").as_uri(), "unreadable_audio", ""),
        "missing": ((calls / "gone.wav").as_uri(), "recording_missing", "no file"),
        "elsewhere": ((tmp_path / "objects.wav").as_uri(), "file_forbidden", "STENO_TRANSCRIBER_FILE_FOLDERS"),
        "404": (f"{source.url}/plain/gone.wav", "recording_missing", "404"),
        "hang": (f"{source.url}/hang/good.wav", "fetch_given_up", "in time"),
        "inside": (f"{source.url}/redirect/good.wav", "forbidden_address", "not a public address"),
        "short": (f"{source.url}/short/good.wav", "fetch_given_up", "less than it announced"),
        "german": (good.as_uri(), "unsupported_locale", "de-DE"),
        "ftp": ("ftp://recorder.example/call.wav", "unsupported_url", "ftp://recorder.example/call.wav"),
    }
    await steno.transcriber.start()
    for recording_id, (url, _, _) in expected.items():
        await steno.submit(recording_id, url, locale="de-DE" if recording_id == "german" else "en-US")
    await steno.submit("half", (calls / "half.wav").as_uri())
    await steno.submit("good", f"{source.url}/plain/good.wav")
    await steno.until(lambda: steno.ended() == {"good", "half"} and steno.ended(TranscriptFailed) == set(expected))
    for recording_id, (_, error, reason) in expected.items():
        failed = steno.failure(recording_id)
        assert failed.error == error, recording_id
        assert reason in failed.reason, recording_id
    assert steno.dead_letters == []


async def test_a_link_that_is_told_too_early_comes_back(steno: Installation, source: SlowSource, tmp_path: Path) -> None:
    """As a server's answer and as a file: each is completed once it is there, and what came after them was not kept waiting."""
    calls = tmp_path / "calls"
    good = excerpt(calls / "good.wav", seconds=5)
    await steno.transcriber.start()
    await steno.submit("early", f"{source.url}/plain/late.wav")
    await steno.submit("early file", (calls / "late.wav").as_uri())
    await steno.submit("good", good.as_uri())
    await steno.until(lambda: steno.ended() == {"good"})
    good.rename(calls / "late.wav")
    await steno.until(lambda: steno.ended() == {"good", "early", "early file"})
    assert steno.ended(TranscriptFailed) == set()


async def test_a_record_that_cannot_be_read_is_passed_over(steno: Installation, tmp_path: Path) -> None:
    """What is no recording at all is ingest's to put aside; here it is counted, and the rest goes on."""
    path = excerpt(tmp_path / "calls" / "call.wav", seconds=5)
    await steno.transcriber.start()
    await steno.producer.send_raw(RECORDINGS, key=b"call", value=b"not avro", headers=[])
    await steno.submit("one", path.as_uri())
    await steno.until(lambda: "one" in steno.ended())
    passed_over = 'steno_kafka_records_passed_over_total{error_class="undecodable"'
    while passed_over not in await steno.transcriber.metrics():
        await asyncio.sleep(0.05)
    assert steno.dead_letters == []


async def test_a_replay_writes_the_same(steno: Installation, tmp_path: Path) -> None:
    """A recording submitted again: the same ids, text and times (`phrases` checks), the same document."""
    path = excerpt(tmp_path / "calls" / "call.wav", seconds=8)
    await steno.transcriber.start()
    await steno.submit("one", path.as_uri())
    await steno.until(lambda: len(steno.of(TranscriptCompleted)) == 1)
    document = await steno.store.get(steno.of(TranscriptCompleted)[0].result_url)
    await steno.submit("one", path.as_uri())
    await steno.until(lambda: len(steno.of(TranscriptCompleted)) == 2)
    first, second = steno.of(TranscriptCompleted)
    await steno.until(lambda: len(steno.of(Phrase)) == 2 * first.phrase_count)
    assert len(steno.phrases()["one"]) == first.phrase_count > 0
    assert first.model_copy(update={"completed_at": second.completed_at}) == second
    assert await steno.store.get(second.result_url) == document


async def test_a_kill_in_the_middle_loses_and_changes_nothing(steno: Installation, source: SlowSource, tmp_path: Path) -> None:
    """kill -9 with some recordings done and some under way: all completed, each as undisturbed, nothing left behind."""
    names = ("lost-card", "billing-dispute", "delivery-enquiry")
    paths = {
        f"{name}-{how}": excerpt(tmp_path / "calls" / f"{name}.wav", seconds=10, name=name)
        for name in names
        for how in ("plain", "held")
    }
    held = {recording_id for recording_id in paths if recording_id.endswith("held")}
    await steno.transcriber.start()
    recordings = {
        recording_id: await steno.submit(recording_id, f"{source.url}/{recording_id.rpartition('-')[2]}/{path.name}")
        for recording_id, path in paths.items()
    }
    await steno.until(lambda: steno.ended(TranscriptStarted) == set(paths) and steno.ended() == set(paths) - held)
    await steno.transcriber.kill()
    source.release.set()
    await steno.transcriber.start()
    await steno.until(lambda: steno.ended() == set(paths))
    expected = {
        recording_id: undisturbed(path, recordings[recording_id], ScriptedEngine()) for recording_id, path in paths.items()
    }
    await steno.until(lambda: steno.phrases() == expected)
    assert steno.dead_letters == []
    assert steno.of(TranscriptFailed) == []


async def test_a_stop_finishes_what_is_under_way(steno: Installation, source: SlowSource, tmp_path: Path) -> None:
    """SIGTERM in the middle of a recording: it is completed, once, and the process ends well."""
    path = excerpt(tmp_path / "calls" / "call.wav", seconds=5)
    await steno.transcriber.start()
    await steno.submit("one", f"{source.url}/held/{path.name}")
    async with asyncio.timeout(60):
        await source.asked.wait()
    stopping = asyncio.create_task(steno.transcriber.stop())
    await steno.until(lambda: any(line["event"] == "service.draining" for line in steno.transcriber.lines))
    source.release.set()
    assert await stopping == 0
    await steno.until(lambda: "one" in steno.ended())
    assert len(steno.of(TranscriptCompleted)) == 1


async def test_a_cancelled_recording_is_dropped(steno: Installation, source: SlowSource, tmp_path: Path) -> None:
    """Cancelled while it is fetched: nothing is told of it but that it had begun; the next one is completed."""
    path = excerpt(tmp_path / "calls" / "call.wav", seconds=5)
    await steno.transcriber.start()
    recording = await steno.submit("one", f"{source.url}/held/{path.name}")
    await steno.until(lambda: "one" in steno.ended(TranscriptStarted))
    cancellation = RecordingCancelled(call_id=recording.call_id, recording_id="one", cancelled_at=datetime.now(UTC))
    await steno.producer.send(RECORDINGS, cancellation)
    await steno.until(lambda: any(line["event"] == "recording.cancelled" for line in steno.transcriber.lines))
    source.release.set()
    await steno.until(lambda: any(line["event"] == "recording.dropped" for line in steno.transcriber.lines))
    await steno.submit("two", path.as_uri())
    await steno.until(lambda: "two" in steno.ended())
    assert steno.ended() == {"two"}
    assert {phrase.recording_id for phrase in steno.of(Phrase)} == {"two"}


async def test_a_recording_that_ends_its_decoder_twice_fails(steno: Installation, tmp_path: Path) -> None:
    """Once before a restart and once after it; the transcriber lives, and what comes next is completed."""
    with (tmp_path / "calls" / "bad.ulaw").open("wb") as file:
        for _ in range(5 * 60):
            file.write(b"\xff" * 480_000)
    await steno.transcriber.start()
    await steno.submit("bad", (tmp_path / "calls" / "bad.ulaw").as_uri())
    (await a_decoder(steno)).kill()
    await steno.until(lambda: any(line["event"] == "recording.decoder_died" for line in steno.transcriber.lines))
    await a_decoder(steno)
    await steno.transcriber.kill()
    await steno.transcriber.start()
    (await a_decoder(steno)).kill()
    await steno.until(lambda: steno.ended(TranscriptFailed) == {"bad"})
    assert steno.failure("bad").error == "decoder_died"
    path = excerpt(tmp_path / "calls" / "call.wav", seconds=5)
    await steno.submit("good", path.as_uri())
    await steno.until(lambda: "good" in steno.ended())
    assert steno.dead_letters == []


async def a_decoder(steno: Installation) -> psutil.Process:
    """The process that decodes now."""
    async with asyncio.timeout(60):
        while True:
            with suppress(psutil.NoSuchProcess):
                for server in psutil.Process(steno.transcriber.pid).children():
                    for decoder in server.children():
                        if decoder.status() != psutil.STATUS_ZOMBIE:
                            return decoder
            await asyncio.sleep(0.01)


async def test_tarpits_hold_up_no_recording(kafka: str, topic_prefix: str, source: SlowSource, tmp_path: Path) -> None:
    """Thirty recordings of a server that hangs, and one behind them, which is completed while they are still waited for."""
    path = excerpt(tmp_path / "calls" / "call.wav", seconds=5)
    patient = LOOPBACK_ALLOWED | {"STENO_TRANSCRIBER_FETCH_READ_SECONDS": "60"}
    async with installation(kafka, topic_prefix, tmp_path, patient) as steno:
        await steno.transcriber.start()
        for number in range(30):
            await steno.submit(f"tarpit-{number}", f"{source.url}/held/{number}.wav")
        await steno.submit("good", path.as_uri())
        await steno.until(lambda: "good" in steno.ended())
        assert steno.ended() == {"good"}
        await steno.transcriber.kill()


async def test_a_store_that_is_away_is_waited_for(steno: Installation, tmp_path: Path) -> None:
    """No document can be written: nothing is published, nothing fails; when the store is back, it is completed."""
    path = excerpt(tmp_path / "calls" / "call.wav", seconds=5)
    blocker = tmp_path / "objects" / "transcripts"
    blocker.write_text("a file where the folder should be")
    await steno.transcriber.start()
    await steno.submit("one", path.as_uri())
    await steno.until(lambda: any(line.get("error_class") == "store_unavailable" for line in steno.transcriber.lines))
    assert steno.of(Phrase) == []
    blocker.unlink()
    await steno.until(lambda: "one" in steno.ended())
    assert steno.of(TranscriptFailed) == []
    assert steno.dead_letters == []


async def test_memory_does_not_grow_with_the_length_of_a_recording(steno: Installation, tmp_path: Path) -> None:
    """Half an hour of two people talking takes no more memory than a minute of them, give or take 30 MB."""
    calls = tmp_path / "calls"
    minute = coded(np.resize(call_audio()[:1, ::2], (1, 480_000)), AudioCodec.PCMU)
    (calls / "short.ulaw").write_bytes(minute)
    with (calls / "long.ulaw").open("wb") as file:
        for _ in range(30):
            file.write(minute)
    await steno.transcriber.start()
    await steno.submit("warm", (calls / "short.ulaw").as_uri())
    await steno.until(lambda: "warm" in steno.ended())
    process = psutil.Process(steno.transcriber.pid)
    before = memory(process)
    most = before
    await steno.submit("long", (calls / "long.ulaw").as_uri())
    async with asyncio.timeout(100):
        while "long" not in steno.ended():
            most = max(most, memory(process))
            await asyncio.sleep(0.05)
    (completed,) = (record for record in steno.of(TranscriptCompleted) if record.recording_id == "long")
    assert completed.duration_ms == 1_800_000
    assert completed.phrase_count > 100
    assert (most - before) >> 20 < 30


async def test_five_hours_of_silence_are_no_speech(steno: Installation, tmp_path: Path) -> None:
    """Heard to the end, in the memory that a minute takes and that of the processes that decode it, which begin with it."""
    with (tmp_path / "calls" / "silence.ulaw").open("wb") as file:
        for _ in range(5 * 60):
            file.write(b"\xff" * 480_000)
    await steno.transcriber.start()
    await steno.transcriber.ready()
    process = psutil.Process(steno.transcriber.pid)
    most = before = memory(process)
    await steno.submit("silence", (tmp_path / "calls" / "silence.ulaw").as_uri())
    async with asyncio.timeout(100):
        while "silence" not in steno.ended():
            most = max(most, memory(process))
            await asyncio.sleep(0.05)
    (completed,) = steno.of(TranscriptCompleted)
    assert (completed.phrase_count, completed.duration_ms) == (0, 5 * 3_600_000)
    assert (most - before) >> 20 < 130


async def test_many_channels_at_a_high_rate_are_transcribed(steno: Installation, tmp_path: Path) -> None:
    """192 kHz and 11 channels of silence: no speech, which is a result."""
    path = silence(tmp_path / "calls" / "wide.wav", seconds=5, channels=11, rate=192_000)
    await steno.transcriber.start()
    await steno.submit("wide", path.as_uri())
    await steno.until(lambda: "wide" in steno.ended())
    (completed,) = steno.of(TranscriptCompleted)
    assert (completed.phrase_count, completed.channel_count, completed.duration_ms) == (0, 11, 5000)


async def test_a_missing_model_ends_the_process_with_what_to_do(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """One line says which model, and the command that brings it."""
    environment = {"STENO_TRANSCRIBER_ENGINE": "whisper", "STENO_CACHE": str(tmp_path / "cache")}
    async with installation(kafka, topic_prefix, tmp_path, environment) as steno:
        await steno.transcriber.start()
        assert await steno.transcriber.ended() == 1
        (line,) = (line for line in steno.transcriber.lines if line["event"] == "service.cannot_start")
        assert "steno models pull tiny.en" in line["reason"]


async def test_whisper_survives_a_kill_with_the_same_words(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """The sample calls by tiny.en, killed once the first one is done: all completed, word for word as undisturbed."""
    try:
        model = ModelStore().resolve("tiny.en")
    except ModelError as error:
        pytest.skip(str(error))
    paths = {
        f"{name}-{part}": excerpt(tmp_path / f"{name}-{part}.wav", seconds=12, begin=12 * part, name=name)
        for name in ("lost-card", "billing-dispute", "delivery-enquiry")
        for part in (0, 1)
    }
    environment = {"STENO_TRANSCRIBER_ENGINE": "whisper", "STENO_TRANSCRIBER_FILE_FOLDERS": str(tmp_path)}
    async with installation(kafka, topic_prefix, tmp_path, environment) as steno:
        await steno.transcriber.start()
        recordings = {recording_id: await steno.submit(recording_id, path.as_uri()) for recording_id, path in paths.items()}
        await steno.until(lambda: bool(steno.of(TranscriptCompleted)))
        await steno.transcriber.kill()
        await steno.transcriber.start()
        await steno.until(lambda: steno.ended() == set(paths))
        engine = engines.load("whisper", model)
        expected = {
            recording_id: await asyncio.to_thread(undisturbed, path, recordings[recording_id], engine)
            for recording_id, path in paths.items()
        }
        engine.close()
        await steno.until(lambda: steno.phrases() == expected)
        assert "card" in " ".join(phrase.text for phrase in expected["lost-card-0"]).lower()
