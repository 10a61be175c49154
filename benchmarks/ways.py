"""Ways of transcribing a recording, each with what it wrote and cost: the engine's two faces, and two of faster-whisper."""

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import jiwer
import numpy as np
import numpy.typing as npt
import soxr
from faster_whisper import BatchedInferencePipeline, WhisperModel
from spoken import Call
from steno_transcriber.audio.decode import open_audio
from steno_transcriber.engines.port import Pack, UtteranceEngine
from steno_transcriber.live.audio import LiveForm
from steno_transcriber.recognise import recognise
from steno_transcriber.screening import Screen
from steno_transcriber.segmenter import Segmenter
from steno_transcriber.speech import SAMPLE_RATE, Samples, Utterance
from steno_transcriber.utterances import utterances
from whisper_normalizer.english import EnglishTextNormalizer

from steno.events.recognition import RecognitionOptions

ENGLISH = RecognitionOptions(locale="en-US")

THREADS = 2
LIVE_RATE = 8000

normalised = EnglishTextNormalizer()


@dataclass(slots=True, kw_only=True)
class Measured:
    """What one way of transcribing wrote and cost, over all runs."""

    name: str
    transcribe: Callable[[Call], list[str]]
    written: list[list[str]] = field(default_factory=list)
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0

    def run(self, calls: list[Call]) -> None:
        """Transcribe all calls once."""
        cpu, wall = time.process_time(), time.perf_counter()
        self.written = [self.transcribe(call) for call in calls]
        self.cpu_seconds += time.process_time() - cpu
        self.wall_seconds += time.perf_counter() - wall

    def errors(self, calls: list[Call]) -> float:
        """The word error rate of the last run, in percent."""
        pairs = [
            (_words(said), _words(written))
            for call, texts in zip(calls, self.written, strict=True)
            for said, written in zip(call.said, texts, strict=True)
        ]
        spoken = [pair for pair in pairs if pair[0]]
        return 100 * float(jiwer.wer([said for said, _ in spoken], [written for _, written in spoken]))


def batch(engine: UtteranceEngine) -> Measured:
    """As recordings are transcribed: quiet channels raised, tones and music left out, utterances in shared windows."""

    def transcribe(call: Call) -> list[str]:
        texts: list[list[str]] = [[] for _ in call.said]
        screen = Screen()
        with ThreadPoolExecutor(THREADS) as pool, open_audio(call.path) as audio:
            heard = screen.filter(utterances(audio.blocks(), report=screen.observations.add))
            for utterance, recognition in recognise(engine, heard, executor=pool, in_flight=2 * THREADS, options=ENGLISH):
                texts[utterance.channel].append(recognition.text)
        return [" ".join(parts) for parts in texts]

    return Measured(name="steno", transcribe=transcribe)


def live(engine: UtteranceEngine) -> Measured:
    """The engine as the finals of live calls are made: 8 kHz, each utterance alone."""

    def transcribe(call: Call) -> list[str]:
        texts = []
        with ThreadPoolExecutor(THREADS) as pool:
            for channel, audio in enumerate(narrow(call)):
                packs = [Pack(utterances=(utterance,)) for utterance in _utterances(channel, audio)]
                heard = pool.map(lambda pack: engine.decode(pack, ENGLISH)[0], packs)
                texts.append(" ".join(recognition.text for recognition in heard))
        return texts

    return Measured(name="steno live", transcribe=transcribe)


def peers(directory: Path) -> list[Measured]:
    """faster-whisper, with word times, on the same model and as many threads: batched, and as it transcribes by default."""
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
        Measured(name="faster-whisper batched", transcribe=by_channel(batched)),
        Measured(name="faster-whisper vad_filter", transcribe=by_channel(filtered)),
    ]


def narrow(call: Call) -> npt.NDArray[np.int16]:
    """The audio as a live call has it: linear, 8 kHz, shape (channels, samples)."""
    heard = soxr.resample(call.audio.T, SAMPLE_RATE, LIVE_RATE).T
    linear: npt.NDArray[np.int16] = (heard * 32767).clip(-32768, 32767).astype("<i2")
    return linear


def _utterances(channel: int, audio: npt.NDArray[np.int16]) -> Iterator[Utterance]:
    segmenter = Segmenter(channel=channel, form=LiveForm(LIVE_RATE))
    yield from segmenter.accept(audio.tobytes())
    yield from segmenter.finish()


def _words(text: str) -> str:
    """Lower-cased, as OpenAI's normaliser writes it, without noises and hesitations, and a digit a word."""
    without_noises = re.sub(r"\[[^\]]*\]|<[^>]*>", " ", text.lower())
    by_digit = re.sub(r"(?<=\d)(?=\d)", " ", normalised(without_noises))
    return " ".join(word for word in by_digit.split() if word not in {"um", "uh"})
