"""Bulk throughput of the whole suite, beside the same engine in a bare loop with as many threads, on the same files.

Aim: at least 0.9 of the bare loop, although Kafka, the databases and three more services work beside it.
"""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from measured import SAMPLES, measured_suite, report
from steno_transcriber import engines
from steno_transcriber.audio.decode import open_audio
from steno_transcriber.engines.port import UtteranceEngine
from steno_transcriber.models.store import ModelStore
from steno_transcriber.settings import TranscriberSettings
from steno_transcriber.utterances import utterances

from steno.cli.api import Api
from steno.cli.recordings import sidecar
from steno.events.recognition import RecognitionOptions

ENGLISH = RecognitionOptions(locale="en-US")

RECORDINGS = 45


def bare(engine: UtteranceEngine, audio: Path) -> float:
    """Recognises one recording with nothing around the engine; returns its seconds of audio."""
    with open_audio(audio, name=audio.name) as file:
        for pack in engine.packs(utterances(file.blocks(), report=lambda _: None)):
            engine.decode(pack, ENGLISH)
    return file.duration_ms / 1000


async def whole(api: Api, files: list[Path]) -> None:
    """Puts recordings through the suite, until the last has its transcript."""
    for number, audio in enumerate(files):
        await api.submit(audio, sidecar(audio) | {"call_id": f"bulk-{number}-{time.monotonic_ns()}"})
    while (await api.ledger())["in_progress"]:
        await asyncio.sleep(0.1)


async def main() -> None:
    """Measures both, one after the other."""
    files = [SAMPLES[number % len(SAMPLES)] for number in range(RECORDINGS)]
    settings = TranscriberSettings()
    threads = settings.decode_threads
    engine = engines.load("whisper", ModelStore().resolve(settings.model[0]), threads=threads)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda audio: bare(engine, audio), SAMPLES))  # warm
        began = time.perf_counter()
        audio_seconds = sum(pool.map(lambda audio: bare(engine, audio), files))
        bare_speed = audio_seconds / (time.perf_counter() - began)
    engine.close()
    async with measured_suite() as (_, api):
        await whole(api, list(SAMPLES))  # warm
        began = time.perf_counter()
        await whole(api, files)
        speed = audio_seconds / (time.perf_counter() - began)
    print(f"{RECORDINGS} recordings, {audio_seconds:.0f} s of two-channel audio, {threads} threads")
    print(f"bare engine loop {bare_speed:.1f} x real time, whole suite {speed:.1f} x real time")
    report(
        "bulk_throughput",
        value=speed,
        unit="seconds of audio a second",
        limit=bare_speed,
        higher_is_better=True,
        beside="the same engine in a bare loop, same threads and files, same run",
    )


if __name__ == "__main__":
    asyncio.run(main())
