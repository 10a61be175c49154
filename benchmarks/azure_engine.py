"""What a live call by Azure costs this machine: processor time and memory a call, with a far end that answers at once.

The same calls, at the pace of speech, through the scripted call engine and through the Speech SDK (one stream of two channels,
and one a channel). The far end runs in a process of its own, so that its work does not count.
"""

import asyncio
import hashlib
import json
import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import httpx
import numpy as np
import psutil
from measured import report
from steno_transcriber.azure.credentials import Credentials
from steno_transcriber.azure.endpoints import parse_endpoint
from steno_transcriber.azure.languages import LANGUAGES
from steno_transcriber.azure.live_access import LiveAccess
from steno_transcriber.azure.live_engine import AzureLiveEngine
from steno_transcriber.azure.settings import AzureSettings
from steno_transcriber.engines.port import CallAudio, CallEngine, EngineInfo, FinalAnswer
from steno_transcriber.engines.scripted_call import ScriptedCallEngine
from steno_transcriber.speech import SAMPLE_RATE, Samples
from websockets.asyncio.server import ServerConnection, serve

from steno.events.recognition import RecognitionOptions
from steno.local_ports import HOST

CALLS = 25
SECONDS = 40
WARM_UP_SECONDS = 5
CHUNK = SAMPLE_RATE // 5
PHRASE_SECONDS = 4
TICKS_PER_SECOND = 10_000_000
OPTIONS = RecognitionOptions(locale="en-US")
INFO = EngineInfo(name="azure", model="speech", digest=hashlib.sha256(b"azure").hexdigest(), languages=LANGUAGES)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What calls have cost: the share of a processor that one takes, and the memory that it adds."""

    cores_a_call: float
    bytes_a_call: float
    phrases: int


def speech(calls: int, seconds: int) -> list[Samples]:
    """Two channels a call, one of them loud at a time, for the length of a phrase each."""
    random = np.random.default_rng(1)
    times = np.arange(seconds * SAMPLE_RATE) // SAMPLE_RATE
    loud = np.stack([times // PHRASE_SECONDS % 2 == 0, times // PHRASE_SECONDS % 2 == 1])
    return [(random.normal(0, 0.1, loud.shape) * loud).astype(np.float32) for _ in range(calls)]


async def heard(engine: CallEngine, audio: Samples) -> int:
    """One call at the pace of speech; gives the number of its phrases."""
    session, found = engine.open(channels=2, options=OPTIONS), 0
    began = time.monotonic()

    async def send() -> None:
        for position in range(0, audio.shape[1], CHUNK):
            await asyncio.sleep(max(0.0, began + position / SAMPLE_RATE - time.monotonic()))
            await session.send(CallAudio(position=position, samples=audio[:, position : position + CHUNK]))
        await session.finish()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(send())
        async for answer in session.answers():
            found += isinstance(answer, FinalAnswer)
    await session.close()
    return found


async def cost(engine: CallEngine, calls: Sequence[Samples]) -> Cost:
    """What the calls cost together."""
    await heard(engine, calls[0][:, : WARM_UP_SECONDS * SAMPLE_RATE])  # what is loaded with the first call is not the calls'
    process = psutil.Process()
    before, used = process.memory_info().rss, time.process_time()
    most = before

    async def watch() -> None:
        nonlocal most
        while True:
            await asyncio.sleep(1)
            most = max(most, process.memory_info().rss)

    watching = asyncio.create_task(watch())
    phrases = sum(await asyncio.gather(*(heard(engine, audio) for audio in calls)))
    watching.cancel()
    used = time.process_time() - used
    return Cost(cores_a_call=used / SECONDS / len(calls), bytes_a_call=(most - before) / len(calls), phrases=phrases)


async def far_end(connection: ServerConnection) -> None:
    """Answers a hypothesis each second of audio, and a phrase after each few."""
    request_id, heard_bytes, channels, phrases, hypotheses = "", 0, 0, 0, 0

    async def say(path: str, **body: object) -> None:
        await connection.send(
            f"X-RequestId:{request_id}\r\nContent-Type:application/json\r\nPath:{path}\r\n\r\n{json.dumps(body)}"
        )

    async for message in connection:
        head = (
            message.partition("\r\n\r\n")[0]
            if isinstance(message, str)
            else message[2 : 2 + message[0] * 256 + message[1]].decode()
        )
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head.split("\r\n"))
        }
        if headers["path"] == "speech.context":
            request_id = headers["x-requestid"]
            await say("turn.start", context={"serviceTag": "far-end"})
        if not isinstance(message, bytes) or headers["path"] != "audio":
            continue
        body = message[2 + message[0] * 256 + message[1] :]
        if not body:
            await say("turn.end")
            continue
        if not channels:
            channels = int.from_bytes(body[22:24], "little")
            body = body[44:]
        heard_bytes += len(body)
        seconds = heard_bytes // (SAMPLE_RATE * 2 * channels)
        while seconds >= (phrases + 1) * PHRASE_SECONDS:
            span = {"Offset": phrases * PHRASE_SECONDS * TICKS_PER_SECOND, "Duration": PHRASE_SECONDS * TICKS_PER_SECOND}
            words = [{"Word": "word", "Offset": span["Offset"], "Duration": 3_000_000, "Confidence": 0.9}] * 10
            best = {"Confidence": 0.9, "Lexical": "word " * 10, "Display": "Word " * 10, "Words": words}
            for channel in range(channels):
                await say(
                    "speech.phrase",
                    RecognitionStatus="Success",
                    DisplayText="Word " * 10,
                    Channel=channel,
                    NBest=[best],
                    **span,
                )
            phrases += 1
        if seconds > hypotheses:
            hypotheses = seconds
            begin = phrases * PHRASE_SECONDS * TICKS_PER_SECOND
            for channel in range(channels):
                await say("speech.hypothesis", Text="word word", Channel=channel, Offset=begin, Duration=TICKS_PER_SECOND)


def run_far_end(started: Connection) -> None:
    """The far end, until its process is ended."""

    async def run() -> None:
        async with serve(far_end, HOST, 0, max_size=None) as server:
            started.send(next(iter(server.sockets)).getsockname()[1])
            await server.serve_forever()

    asyncio.run(run())


async def main() -> None:
    """Measures each way, and reports the dearer one beside the scripted engine."""
    calls = speech(CALLS, SECONDS)
    scripted = await cost(ScriptedCallEngine(), calls)
    print(f"scripted: {scripted}")
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=run_far_end, args=(theirs,), daemon=True)
    process.start()
    endpoint = parse_endpoint(f"http://{HOST}:{ours.recv()}")
    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder) / "keys"
        keys.write_text("0" * 32)
        keys.chmod(0o600)
        async with httpx.AsyncClient() as http:
            credentials = Credentials(AzureSettings(endpoints=(endpoint,), keys_file=keys), http)
            found = {}
            for stereo in (True, False):
                engine = AzureLiveEngine(INFO, LiveAccess([endpoint], credentials), streams=100, stereo=stereo)
                found[stereo] = await cost(engine, calls)
                print(f"azure, {'one stream of two channels' if stereo else 'one stream a channel'}: {found[stereo]}")
                await engine.stop()
                engine.close()
    process.terminate()
    process.join()
    together, apart = found[True], found[False]
    print(
        f"memory a call: {together.bytes_a_call / 1e6:.2f} MB in one stream, {apart.bytes_a_call / 1e6:.2f} MB in one a channel"
    )
    report(
        "azure_engine_cpu",
        value=apart.cores_a_call * 1000,
        unit="thousandths of a core a call",
        limit=scripted.cores_a_call * 1000,
        higher_is_better=False,
        beside="the scripted call engine with the same calls",
    )


if __name__ == "__main__":
    asyncio.run(main())
