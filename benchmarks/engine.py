"""The embedded engine: word error rate and cost on real calls, beside both ways of faster-whisper, in one run.

Calls: two-channel recordings with what was said in a JSON file of the same name. `../shared/data/calls/hvb` when it is
there, else the samples of the repository. Peers decode the same channels with the same model and threads:
`BatchedInferencePipeline` (batch 4, beam 5) and `transcribe(vad_filter=True)` (beam 5), both with word times, which the
engine gives as well. Cost is CPU seconds, so that what else the machine does counts for little.
"""

import json
import re
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np
from faster_whisper import BatchedInferencePipeline, WhisperModel
from measured import report
from steno_transcriber.audio.decode import Block, open_audio
from steno_transcriber.engines.whisper import WhisperEngine
from steno_transcriber.models.errors import ModelError
from steno_transcriber.models.store import ModelStore
from steno_transcriber.recognise import recognise
from steno_transcriber.segmenter import segment
from steno_transcriber.speech import SAMPLE_RATE, Samples
from whisper_normalizer.english import EnglishTextNormalizer

ROOT = Path(__file__).parents[1]
REAL_CALLS = ROOT.parent / "shared" / "data" / "calls" / "hvb"
MODEL = "tiny.en"
THREADS = 2
ROUNDS = 2
AIM = 1.5

normalised = EnglishTextNormalizer()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A recording and what was said on each channel."""

    path: Path
    audio: Block
    said: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Measured:
    """What one way of transcribing wrote and cost, over all rounds."""

    name: str
    transcribe: Callable[[Call], list[str]]
    written: list[list[str]]
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0

    def run(self, calls: list[Call]) -> None:
        """Transcribe all calls once."""
        cpu, wall = time.process_time(), time.perf_counter()
        self.written = [self.transcribe(call) for call in calls]
        self.cpu_seconds += time.process_time() - cpu
        self.wall_seconds += time.perf_counter() - wall

    def errors(self, calls: list[Call]) -> float:
        """The word error rate, in percent."""
        pairs = [
            (_words(said), _words(written))
            for call, texts in zip(calls, self.written, strict=True)
            for said, written in zip(call.said, texts, strict=True)
        ]
        spoken = [pair for pair in pairs if pair[0]]
        return 100 * float(jiwer.wer([said for said, _ in spoken], [written for _, written in spoken]))


def main() -> None:
    """Measure and print."""
    calls = real_calls()
    if not calls:
        print("no calls with references: neither ../shared/data/calls/hvb nor samples/ is there")
        return
    try:
        directory = ModelStore().resolve(MODEL)
    except ModelError as error:
        sys.exit(str(error))
    ways = [steno(directory), *_peers(directory)]
    for _ in range(ROUNDS):
        for way in ways:
            way.run(calls)
    seconds = ROUNDS * sum(call.audio.size for call in calls) / SAMPLE_RATE
    print(f"{len(calls)} calls of {calls[0].path.parent.name}, {seconds / ROUNDS:.0f} s of channels, {THREADS} threads")
    for way in ways:
        cost = way.cpu_seconds / seconds
        print(
            f"{way.name:34} {way.errors(calls):5.1f} % WER  {cost:.4f} CPU s per s of a channel  "
            f"{1 / cost:5.0f} times real time on a core  {seconds / way.wall_seconds:5.0f} times by the clock"
        )
    engine, *peers = ways
    best = min(peers, key=lambda peer: peer.cpu_seconds)
    ratio = best.cpu_seconds / engine.cpu_seconds
    print(f"{ratio:.2f} times the throughput of {best.name} (aim: {AIM})")
    report(
        "engine throughput",
        value=seconds / engine.cpu_seconds,
        unit="s of a channel per CPU s",
        limit=seconds / best.cpu_seconds,
        higher_is_better=True,
        beside=f"{best.name} in this run; WER {engine.errors(calls):.1f} % and {best.errors(calls):.1f} %",
    )


def steno(directory: Path) -> Measured:
    """The engine, in batch."""
    engine = WhisperEngine(directory, threads=THREADS)

    def transcribe(call: Call) -> list[str]:
        texts: list[list[str]] = [[] for _ in call.said]
        with ThreadPoolExecutor(THREADS) as pool, open_audio(call.path) as audio:
            heard = recognise(engine, segment(audio.blocks()), executor=pool, in_flight=2 * THREADS, locale="en")
            for utterance, recognition in heard:
                texts[utterance.channel].append(recognition.text)
        return [" ".join(parts) for parts in texts]

    return Measured(name="steno", transcribe=transcribe, written=[])


def _peers(directory: Path) -> list[Measured]:
    model = WhisperModel(
        str(directory), device="cpu", compute_type="int8", cpu_threads=1, num_workers=THREADS, local_files_only=True
    )

    def batched(samples: Samples) -> str:
        segments, _ = BatchedInferencePipeline(model).transcribe(
            samples, language="en", batch_size=4, beam_size=5, word_timestamps=True
        )
        return " ".join(segment.text for segment in segments)

    def filtered(samples: Samples) -> str:
        segments, _ = model.transcribe(samples, language="en", vad_filter=True, beam_size=5, word_timestamps=True)
        return " ".join(segment.text for segment in segments)

    def by_channel(decode: Callable[[Samples], str]) -> Callable[[Call], list[str]]:
        def transcribe(call: Call) -> list[str]:
            with ThreadPoolExecutor(THREADS) as pool:
                return list(pool.map(decode, call.audio))

        return transcribe

    return [
        Measured(name="faster-whisper batched", transcribe=by_channel(batched), written=[]),
        Measured(name="faster-whisper vad_filter", transcribe=by_channel(filtered), written=[]),
    ]


def real_calls() -> list[Call]:
    """Calls with what was said in them."""
    if REAL_CALLS.is_dir():
        return [_call(path, _said_in_segments(path.with_suffix(".json"))) for path in sorted(REAL_CALLS.glob("*.wav"))]
    references = sorted((ROOT / "samples").glob("*.reference.json"))
    return [_call(Path(str(path).replace(".reference.json", ".wav")), _said_in_channels(path)) for path in references]


def _call(path: Path, said: dict[int, str]) -> Call:
    with open_audio(path) as audio:
        samples = np.concatenate(list(audio.blocks()), axis=1)
    return Call(path=path, audio=samples, said=tuple(said.get(channel, "") for channel in range(len(samples))))


def _said_in_segments(path: Path) -> dict[int, str]:
    said: dict[int, str] = {}
    for part in sorted(json.loads(path.read_text())["segments"], key=lambda part: int(part["start_ms"])):
        said[part["channel"]] = f"{said.get(part['channel'], '')} {part['text']}"
    return said


def _said_in_channels(path: Path) -> dict[int, str]:
    channels = json.loads(path.read_text())["channels"]
    return {part["channel"]: " ".join(phrase["text"] for phrase in part["phrases"]) for part in channels}


def _words(text: str) -> str:
    """Lower-cased, as OpenAI's normaliser writes it, without noises and hesitations."""
    without_noises = re.sub(r"\[[^\]]*\]|<[^>]*>", " ", text.lower())
    return " ".join(word for word in normalised(without_noises).split() if word not in {"um", "uh"})


if __name__ == "__main__":
    main()
