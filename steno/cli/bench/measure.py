"""Measures what a suite on this machine carries: recordings in bulk, live calls at once, and the way to a webhook."""

import asyncio
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from steno.cli.api import Api, ApiAddress, ApiError
from steno.cli.bench.figures import SERVICES, Batch, Figures, Live
from steno.cli.clients.audio import CallAudio, open_call_audio, paced
from steno.cli.clients.stream import CallDescription, StreamClient, StreamPlayer
from steno.cli.recordings import sidecar
from steno.cli.webhook_receiver import WebhookReceiver

Report = Callable[[str], None]

FINAL_SECONDS = 1.5
"""Calls are kept up with while 95 of 100 phrases are there so long after the end of their utterance."""
BATCH_SECONDS = 20.0
CALL_SECONDS = 30.0
WEBHOOKS = 8
_TRIAL_CALLS = 2
_ROUNDS = 4
_BUSY = 0.85
_FRAME_MS = 20
_LEAST_UTTERANCES = 5


@dataclass(frozen=True, slots=True)
class Usage:
    """What the processes of the suite have used so far."""

    cpu: Mapping[str, float]
    memory_mb: Mapping[str, float]
    at: float


class Meter:
    """Reads the CPU time and memory of each process of a suite, with its children."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._processes = {name: psutil.Process(pids[name]) for name in SERVICES if name in pids}

    def read(self) -> Usage:
        """Reads them now."""
        cpu, memory = {}, {}
        for name, process in self._processes.items():
            family = [process, *process.children(recursive=True)]
            times = [used for used in map(_used, family) if used is not None]
            cpu[name] = sum(used.user + used.system for used, _ in times)
            ended = process.cpu_times()
            cpu[name] += getattr(ended, "children_user", 0.0) + getattr(ended, "children_system", 0.0)
            memory[name] = sum(held for _, held in times) / 1e6
        return Usage(cpu, memory, time.monotonic())


def _used(process: psutil.Process) -> tuple[Any, int] | None:
    try:
        return process.cpu_times(), process.memory_info().rss
    except psutil.NoSuchProcess:  # a child that has ended since
        return None


@dataclass(slots=True)
class _Lateness:
    """When phrases came, by the clock of the caller."""

    seconds: list[float] = field(default_factory=list)

    def p95(self) -> float:
        """Infinite where too few came to say."""
        if len(self.seconds) < _LEAST_UTTERANCES:
            return float("inf")
        return sorted(self.seconds)[int(0.95 * (len(self.seconds) - 1))]


class Measurement:
    """Measures one suite, step by step."""

    def __init__(self, client: Api, address: ApiAddress, meter: Meter, files: Sequence[Path], report: Report) -> None:
        self._client = client
        self._address = address
        self._meter = meter
        self._files = files
        self._report = report
        self._audio = [open_call_audio(file) for file in files]
        self._seconds = [_seconds(audio) for audio in self._audio]

    async def run(self) -> Figures:
        """Measures everything; takes about three minutes."""
        await self._bulk(len(self._files))  # each process loads what it needs at its first recording
        rest = self._meter.read().memory_mb
        batch = await self.batch()
        self._report(f"recordings: {batch.speed:.1f} x real time on the whole machine")
        shortest = min(range(len(self._files)), key=lambda index: self._seconds[index])
        webhook = await self.webhook(self._files[shortest])
        self._report(f"POST to webhook: {webhook:.2f} s for {self._seconds[shortest]:.0f} s of audio")
        live = await self.live(rest)
        return Figures(
            cores=len(os.sched_getaffinity(0)),
            batch=batch,
            live=live,
            webhook_seconds=webhook,
            webhook_audio_seconds=self._seconds[shortest],
            memory_mb=rest,
        )

    async def batch(self) -> Batch:
        """As many recordings as take some time, all submitted at once."""
        began = time.monotonic()
        await self._bulk(len(self._files))
        count = len(self._files) * max(1, round(BATCH_SECONDS / max(0.1, time.monotonic() - began)))
        before = self._meter.read()
        await self._bulk(count)
        after = self._meter.read()
        chosen = [index % len(self._files) for index in range(count)]
        seconds = sum(self._seconds[index] for index in chosen)
        return Batch(
            audio_seconds=seconds,
            wall_seconds=after.at - before.at,
            cpu={name: (after.cpu[name] - before.cpu[name]) / seconds for name in after.cpu},
            bytes_per_second=sum(self._files[index].stat().st_size for index in chosen) / seconds,
        )

    async def webhook(self, file: Path) -> float:
        """The median time from a POST to the webhook, one recording at a time."""
        taken = []
        async with WebhookReceiver() as receiver:
            registered = await self._client.register_webhook(receiver.url)
            receiver.secret = registered["secret"]
            for number in range(WEBHOOKS):
                began = time.monotonic()
                accepted = await self._client.submit(file, sidecar(file) | {"call_id": f"bench-webhook-{number}"})
                taken.append(await _arrival(receiver, accepted["recording_id"]) - began)
            await self._client.delete_webhook(registered["webhook_id"])
        return statistics.median(taken)

    async def live(self, rest: Mapping[str, float]) -> Live | None:
        """The most calls at once that are found to be kept up with, starting from what the CPU time of a few lets hope for."""
        trial = await self._play(_TRIAL_CALLS, rest)
        cores = len(os.sched_getaffinity(0))
        calls = max(1, int(_BUSY * cores / sum(trial.cpu.values())))
        best = trial if trial.final_seconds <= FINAL_SECONDS else None
        most = None
        for _ in range(_ROUNDS):
            if calls <= (best.calls if best else 0) or calls == most:
                break
            played = await self._play(calls, rest)
            if played.final_seconds <= FINAL_SECONDS:
                best = played
                calls = int(calls * 1.25) + 1 if most is None else (calls + most) // 2
            else:
                most = calls
                calls = ((best.calls if best else 0) + calls) // 2
            if calls < 1:
                break
        return best

    async def _play(self, calls: int, rest: Mapping[str, float]) -> Live:
        lateness = _Lateness()
        before = self._meter.read()
        playing = [asyncio.create_task(self._call(index, lateness)) for index in range(calls)]
        await asyncio.sleep(CALL_SECONDS)
        at_work = self._meter.read()
        lost = [ended for ended in await asyncio.gather(*playing, return_exceptions=True) if isinstance(ended, ApiError)]
        after = self._meter.read()
        seconds = sum(min(CALL_SECONDS, self._seconds[index % len(self._seconds)]) for index in range(calls))
        found = Live(
            calls=calls,
            final_seconds=float("inf") if lost else lateness.p95(),
            cpu={name: (after.cpu[name] - before.cpu[name]) / seconds for name in after.cpu},
            memory_mb={name: max(0.0, held - rest[name]) / calls for name, held in at_work.memory_mb.items()},
        )
        verdict = "kept up" if found.final_seconds <= FINAL_SECONDS else "too many"
        seen = f"{len(lost)} of them lost: {lost[0]}" if lost else f"phrases {lateness.p95():.2f} s after utterances (p95)"
        self._report(f"{calls} live calls: {verdict}, {seen}")
        return found

    async def _call(self, index: int, lateness: _Lateness) -> None:
        audio = self._audio[index % len(self._audio)]
        # Calls do not begin all at the same moment: their utterances would end together.
        await asyncio.sleep(index * 0.37 % 3)
        description = CallDescription(call_id=f"bench-{index}-{time.monotonic_ns()}", roles=[], locale="en-US", properties={})
        began = time.monotonic()

        def note(message: Mapping[str, Any]) -> None:
            if message["type"] == "phrase":
                lateness.seconds.append(time.monotonic() - began - (message["start_ms"] + message["duration_ms"]) / 1000)

        client = StreamClient(description, audio)
        player = StreamPlayer(client, url=f"{self._address.url}/v1/stream", key=self._address.key, on_message=note)
        frames = [frame for _, frame in zip(range(int(1000 * CALL_SECONDS / _FRAME_MS)), audio.frames(_FRAME_MS), strict=False)]
        await player.play(paced(frames, seconds=_FRAME_MS / 1000))

    async def _bulk(self, count: int) -> None:
        submitted = []
        for number in range(count):
            file = self._files[number % len(self._files)]
            call_id = f"bench-{number}-{time.monotonic_ns()}"
            submitted.append((await self._client.submit(file, sidecar(file) | {"call_id": call_id}))["recording_id"])
        for number, recording_id in enumerate(submitted):
            recording = await self._client.wait_for_recording(recording_id)
            if recording["state"] not in ("completed", "no_speech"):
                file = self._files[number % len(self._files)]
                raise ApiError(f"{file} was not transcribed: {recording['state']}, {recording['reason']}")


async def _arrival(receiver: WebhookReceiver, recording_id: str) -> float:
    async with asyncio.timeout(120):
        while True:
            for event in receiver.pop_events():
                if event.type == "transcript.completed" and event.recording_id == recording_id:
                    return event.received_at
            await asyncio.sleep(0.005)


def _seconds(audio: CallAudio) -> float:
    return sum(len(frame) for frame in audio.frames(1000)) / audio.bytes_of(1000)
