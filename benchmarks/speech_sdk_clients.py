"""A hundred clients of Azure's Speech SDK for Python at once, in real time: whether each gets all of its phrases, and how late.

The clients run in processes of their own, as they are published (each has several threads). Audio begins once all are
connected. A phrase counts from when the audio at its end was given to the SDK to when the SDK reports it; the engine takes next
to no time. Processor time of clients and of the suite is shown apart.

`python benchmarks/speech_sdk_clients.py [CLIENTS]`
"""

import asyncio
import json
import multiprocessing
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

import azure.cognitiveservices.speech as sdk
import psutil
from live_load import cpu_seconds, processes, suite_without_engine
from measured import SAMPLES, quantile, report

from steno.cli import api
from steno.cli.clients.audio import open_call_audio

CLIENTS, A_PROCESS = 100, 25
SECONDS = 24
FRAME_MS = 100
MOST_LATE_SECONDS = 1.5
"""The silence that ends an utterance, and what the SDK, the doors and the log take."""

_SETTLE_SECONDS = 20


class Client:
    """One recogniser, its push stream, and what it reported."""

    def __init__(self, url: str, key: str) -> None:
        config = sdk.SpeechConfig(host=url.replace("http", "ws", 1), subscription=key)
        form = sdk.audio.AudioStreamFormat(
            samples_per_second=8000, bits_per_sample=8, channels=2, wave_stream_format=sdk.audio.AudioStreamWaveFormat.MULAW
        )
        self.stream = sdk.audio.PushAudioInputStream(stream_format=form)
        self._recogniser = sdk.SpeechRecognizer(config, sdk.audio.AudioConfig(stream=self.stream))
        self.given: list[float] = []
        self.phrases: list[tuple[int, float]] = []
        self.fault = ""
        self.connected, self.done = threading.Event(), threading.Event()
        self._connection = sdk.Connection.from_recognizer(self._recogniser)
        self._connection.connected.connect(lambda _: self.connected.set())
        self._recogniser.recognized.connect(self._note)
        self._recogniser.canceled.connect(self._cancel)
        self._recogniser.session_stopped.connect(lambda _: self.done.set())

    def begin(self) -> None:
        """Begins to recognise."""
        self._recogniser.start_continuous_recognition_async()
        self.stream.write(bytes(2))

    def give(self, frame: bytes) -> None:
        """Gives the SDK the next 100 ms."""
        self.stream.write(frame)
        self.given.append(time.monotonic())

    def late(self) -> list[float]:
        """How late each phrase was reported, in seconds."""
        return [at - self.given[min(end_ms // FRAME_MS, len(self.given) - 1)] for end_ms, at in self.phrases]

    def _note(self, event: Any) -> None:
        if event.result.reason == sdk.ResultReason.RecognizedSpeech:
            self.phrases.append(((event.result.offset + event.result.duration) // 10_000, time.monotonic()))

    def _cancel(self, event: Any) -> None:
        self.fault = event.cancellation_details.error_details


def play(connection: Connection, url: str, key: str, count: int) -> None:
    """Runs so many clients; the body of a process."""
    audio = open_call_audio(SAMPLES[0])
    frames = list(audio.frames(FRAME_MS))[: SECONDS * 1000 // FRAME_MS]
    clients = [Client(url, key) for _ in range(count)]
    begun = time.monotonic()
    for client in clients:
        client.begin()
    for client in clients:
        client.connected.wait(_SETTLE_SECONDS)
    connecting = time.monotonic() - begun
    due = time.monotonic()
    for frame in frames:
        for client in clients:
            client.give(frame)
        due += FRAME_MS / 1000
        time.sleep(max(0.0, due - time.monotonic()))
    for client in clients:
        client.stream.close()
    until = time.monotonic() + _SETTLE_SECONDS
    for client in clients:
        client.done.wait(max(0.0, until - time.monotonic()))
    told = [{"phrases": len(client.phrases), "late": client.late(), "fault": client.fault} for client in clients]
    connection.send(json.dumps({"clients": told, "cpu": time.process_time(), "connecting": connecting}))


async def main() -> None:
    """Plays all clients at one suite."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else CLIENTS
    context = multiprocessing.get_context("spawn")
    async with suite_without_engine() as (suite, _):
        place = api.find_api(suite.data)
        running: dict[str, psutil.Process] = processes(suite)
        before, begun = cpu_seconds(running), time.monotonic()
        ends, workers = [], []
        for first in range(0, count, A_PROCESS):
            ours, theirs = context.Pipe()
            worker = context.Process(
                target=play, args=(theirs, place.url, place.key, min(A_PROCESS, count - first)), daemon=True
            )
            worker.start()
            ends.append(ours)
            workers.append(worker)
        told = [json.loads(await asyncio.to_thread(end.recv)) for end in ends]
        lasted = time.monotonic() - begun
        spent = {name: seconds - before[name] for name, seconds in cpu_seconds(running).items()}
        for worker in workers:
            worker.kill()
    clients = [client for process in told for client in process["clients"]]
    late = [seconds for client in clients for seconds in client["late"]]
    counts = sorted({client["phrases"] for client in clients})
    faults = {client["fault"] for client in clients if client["fault"]}
    cores = ", ".join(f"{name} {seconds / lasted:.2f}" for name, seconds in spent.items())
    print(
        f"{count} clients: connected after {max(process['connecting'] for process in told):.1f} s; phrases each {counts}, "
        f"faults {faults or 'none'}; late p50 {quantile(late, 0.5):.2f} s, p99 "
        f"{quantile(late, 0.99):.2f} s; cores: {cores}, clients {sum(process['cpu'] for process in told) / lasted:.2f}"
    )
    report(
        f"speech_sdk_clients_served_of_{count}",
        value=sum(client["phrases"] == counts[-1] and not client["fault"] for client in clients),
        unit="clients with every phrase",
        limit=count,
        higher_is_better=True,
        beside="all clients play the same call",
    )
    report(
        f"speech_sdk_clients_phrase_late_p99_at_{count}",
        value=quantile(late, 0.99),
        unit="seconds",
        limit=MOST_LATE_SECONDS,
        higher_is_better=False,
        beside="the aim: from the audio at the end of a phrase to the phrase in the client",
    )


if __name__ == "__main__":
    asyncio.run(main())
