"""POST to webhook: how much longer a short call takes through the suite than in the engine alone.

Aim: at most 300 ms more.
"""

import asyncio
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from measured import SAMPLES, measured_suite, report
from steno_transcriber import engines
from steno_transcriber.audio.decode import open_audio
from steno_transcriber.models.store import ModelStore
from steno_transcriber.recognise import recognise
from steno_transcriber.settings import TranscriberSettings
from steno_transcriber.utterances import utterances

from steno.cli.recordings import sidecar
from steno.cli.webhook_receiver import WebhookReceiver
from steno.events.recognition import RecognitionOptions

ENGLISH = RecognitionOptions(locale="en-US")

ROUNDS = 15
LIMIT_SECONDS = 0.3
CALL = min(SAMPLES, key=lambda sample: sample.stat().st_size)


def engine_seconds() -> float:
    """Median time of the engine alone on the call, its channels side by side in as many threads as the suite has."""
    settings = TranscriberSettings()
    threads = settings.decode_threads
    engine = engines.load("whisper", ModelStore().resolve(settings.model[0]), threads=threads)
    taken = []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(ROUNDS + 1):
            began = time.perf_counter()
            with open_audio(CALL, name=CALL.name) as file:
                list(
                    recognise(
                        engine,
                        utterances(file.blocks(), report=lambda _: None),
                        executor=pool,
                        in_flight=2 * threads,
                        options=ENGLISH,
                    )
                )
            taken.append(time.perf_counter() - began)
    engine.close()
    return statistics.median(taken[1:])


async def webhook_seconds() -> list[float]:
    """Time from the POST to the verified `transcript.completed` webhook, one call at a time."""
    taken = []
    async with measured_suite() as (_, api), WebhookReceiver() as receiver:
        receiver.secret = (await api.register_webhook(receiver.url))["secret"]
        for number in range(ROUNDS + 1):
            began = time.monotonic()
            accepted = await api.submit(CALL, sidecar(CALL) | {"call_id": f"latency-{number}"})
            arrived = None
            async with asyncio.timeout(60):
                while arrived is None:
                    await asyncio.sleep(0.002)
                    arrived = next(
                        (
                            event.received_at
                            for event in receiver.pop_events()
                            if event.type == "transcript.completed" and event.recording_id == accepted["recording_id"]
                        ),
                        None,
                    )
            taken.append(arrived - began)
    return taken[1:]


async def main() -> None:
    """Measures both, one after the other."""
    engine = await asyncio.to_thread(engine_seconds)
    whole = await webhook_seconds()
    median = statistics.median(whole)
    print(f"{CALL.name}: engine alone {engine * 1000:.0f} ms")
    print(f"POST to webhook: median {median * 1000:.0f} ms, worst {max(whole) * 1000:.0f} ms")
    report(
        "post_to_webhook_beyond_engine",
        value=median - engine,
        unit="seconds",
        limit=LIMIT_SECONDS,
        higher_is_better=False,
        beside="the aim: 0.3 s beyond the engine's own time, median",
    )


if __name__ == "__main__":
    asyncio.run(main())
