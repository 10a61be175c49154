"""What it costs to look whether an utterance is a tone or music, beside what it costs to decode it, in one run.

The utterances of the sample calls, each looked at and each decoded: in packs, as recordings are, which is the cheapest. One
thread, CPU seconds.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from measured import SAMPLES, report
from steno_transcriber.audio.decode import open_audio
from steno_transcriber.engines.whisper import WhisperEngine
from steno_transcriber.models.errors import ModelError
from steno_transcriber.models.store import ModelStore
from steno_transcriber.speech import SAMPLE_RATE, Utterance
from steno_transcriber.tones_and_music import classify
from steno_transcriber.utterances import utterances

from steno.events.recognition import RecognitionOptions

ENGLISH = RecognitionOptions(locale="en-US")

REAL_CALLS = sorted((Path(__file__).parents[2] / "shared" / "data" / "calls" / "hvb").glob("*.wav"))
LIMIT = 0.02
ROUNDS = 5


def main() -> None:
    """Measure and print."""
    try:
        engine = WhisperEngine(ModelStore().resolve("tiny.en"))
    except ModelError as error:
        sys.exit(str(error))
    calls = [_utterances(path) for path in REAL_CALLS or SAMPLES]
    seconds = sum(len(one.samples) for call in calls for one in call) / SAMPLE_RATE
    looking = min(_cpu_seconds(lambda: [classify(one.samples) for call in calls for one in call]) for _ in range(ROUNDS))
    decoding = _cpu_seconds(lambda: [engine.decode(pack, ENGLISH) for call in calls for pack in engine.packs(call)])
    print(f"{seconds:.0f} s of utterances: {1000 * looking / seconds:.3f} ms of CPU to look at a second of them,", end=" ")
    print(f"{1000 * decoding / seconds:.1f} ms to decode it")
    report(
        "tones and music",
        value=looking / decoding,
        unit="of the CPU time of decoding",
        limit=LIMIT,
        higher_is_better=False,
        beside="the aim; decoding in packs, in this run",
    )


def _utterances(path: Path) -> list[Utterance]:
    with open_audio(path) as audio:
        return list(utterances(audio.blocks(), report=lambda _: None))


def _cpu_seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()
