"""The embedded engine: word error rate and cost on recordings with references, beside both ways of faster-whisper, in one run.

Every group of recordings (`spoken.py`) is measured: those on which something was tuned are not those that count. Peers decode
the same channels with the same model and threads: `BatchedInferencePipeline` (batch 4, beam 5) and
`transcribe(vad_filter=True)` (beam 5), both with word times, which the engine gives as well. Cost is CPU seconds, so that
what else the machine does counts for little. The result in the last line is about calls alone, real ones where they are there.
"""

import sys
from collections.abc import Sequence

from measured import report
from spoken import REAL_CALLS, SAMPLES, Call, groups
from steno_transcriber.engines.whisper import WhisperEngine
from steno_transcriber.models.errors import ModelError
from steno_transcriber.models.store import ModelStore
from steno_transcriber.speech import SAMPLE_RATE
from ways import THREADS, Measured, batch, live, peers

MODEL = "tiny.en"
ROUNDS = 2
AIM = 1.5


def main() -> None:
    """Measure and print."""
    try:
        directory = ModelStore().resolve(MODEL)
    except ModelError as error:
        sys.exit(str(error))
    engine = WhisperEngine(directory, threads=THREADS)
    measured: dict[str, tuple[list[Call], list[Measured]]] = {}
    for name, calls in groups().items():
        ways = [batch(engine), live(engine), *peers(directory)]
        for _ in range(ROUNDS):
            for way in ways:
                way.run(calls)
        print(f"{name}: {len(calls)} recordings, {_seconds(calls):.0f} s of channels, {THREADS} threads")
        for way in ways:
            print(_line(way, calls), flush=True)
        measured[name] = calls, ways
    _report(*measured[REAL_CALLS if REAL_CALLS in measured else SAMPLES])


def _report(calls: list[Call], ways: Sequence[Measured]) -> None:
    engine, _, *rivals = ways
    seconds = ROUNDS * _seconds(calls)
    best = min(rivals, key=lambda peer: peer.cpu_seconds)
    print(f"{best.cpu_seconds / engine.cpu_seconds:.2f} times the throughput of {best.name} (aim: {AIM})")
    report(
        "engine throughput",
        value=seconds / engine.cpu_seconds,
        unit="s of a channel per CPU s",
        limit=seconds / best.cpu_seconds,
        higher_is_better=True,
        beside=f"{best.name} in this run; WER {engine.errors(calls):.1f} % and {best.errors(calls):.1f} %",
    )


def _line(way: Measured, calls: list[Call]) -> str:
    seconds = ROUNDS * _seconds(calls)
    cost = way.cpu_seconds / seconds
    return (
        f"  {way.name:26} {way.errors(calls):5.1f} % WER  {cost:.4f} CPU s per s of a channel  "
        f"{1 / cost:5.0f} times real time on a core  {seconds / way.wall_seconds:5.0f} times by the clock"
    )


def _seconds(calls: list[Call]) -> float:
    return sum(call.audio.size for call in calls) / SAMPLE_RATE


if __name__ == "__main__":
    main()
