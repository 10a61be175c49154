"""What is published of a phrase has gone through the steps, in batch and live, whoever takes a call over."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from steno_transcriber.audio.decoders import Decoders
from steno_transcriber.decode_pool import DecodePool
from steno_transcriber.engines.scripted import ScriptedEngine
from steno_transcriber.fetch.fetcher import FetchedAudio
from steno_transcriber.result import document
from steno_transcriber.steps import Steps
from steno_transcriber.transcribe import transcribe
from support.live_bed import PARTITION, Bed, log_of
from support.live_transcriber import undisturbed
from support.recordings import sample_call

from steno.events.recognition import RecognitionDetails
from steno.events.records import Phrase, RecordingSubmitted, TranscriptCompleted


class Numbering:
    """Puts before each phrase how many there were, and takes the middle of it for a secret."""

    name = "numbering"

    def apply(self, phrase: Phrase, state: str) -> tuple[Phrase, str]:
        seen = int(state or 0) + 1
        words = tuple(word for word in phrase.words if word.text != "card")
        text = f"{seen}: {phrase.text.replace('card', '***')}"
        return phrase.model_copy(update={"text": text, "words": words, "phrase_id": "a step may not change this"}), str(seen)


STEPS = Steps([Numbering()])


@pytest.fixture
def decoders() -> Iterator[Decoders]:
    made = Decoders()
    yield made
    made.close()


def transcribed(decoders: Decoders, steps: Steps, *, words: bool = True) -> tuple[tuple[Phrase, ...], bytes]:
    """The phrases of a recording, and its result document."""
    recording = RecordingSubmitted(call_id="c", url="https://e/a.wav", recognition=RecognitionDetails(words=words))
    audio = FetchedAudio(path=Path(sample_call()), name="a.wav")
    with DecodePool(1) as pool:
        transcript = transcribe(
            audio,
            recording,
            decoders=decoders,
            engine=ScriptedEngine(),
            pool=pool,
            steps=steps,
            max_audio_ms=3_600_000,
            stop=threading.Event(),
        )
    return transcript.phrases, document(recording, transcript)


def test_phrases_of_a_recording_go_through_the_steps_in_their_order(decoders: Decoders) -> None:
    """On the topic and in the result document, and with their ids as they were."""
    plain, _ = transcribed(decoders, Steps())
    stepped, written = transcribed(decoders, STEPS)
    assert [phrase.text for phrase in stepped] == list(numbered(plain))
    assert [phrase.phrase_id for phrase in stepped] == [phrase.phrase_id for phrase in plain]
    assert all(word.text != "card" for phrase in stepped for word in phrase.words)
    assert [phrase["text"] for phrase in json.loads(written)["phrases"]] == [phrase.text for phrase in stepped]


def numbered(plain: tuple[Phrase, ...]) -> Iterator[str]:
    return (f"{number}: {phrase.text.replace('card', '***')}" for number, phrase in enumerate(plain, 1))


def test_words_are_left_out_where_nobody_wants_them(decoders: Decoders) -> None:
    """The text stays."""
    with_words, _ = transcribed(decoders, Steps())
    without, _ = transcribed(decoders, Steps(), words=False)
    assert any(phrase.words for phrase in with_words)
    assert [phrase.model_copy(update={"words": ()}) for phrase in with_words] == list(without)


async def test_phrases_of_a_live_call_go_through_the_steps_whoever_has_it() -> None:
    """The state of a step is part of the checkpoint: a takeover in the midst of the call changes nothing."""
    log, bed = log_of(30), Bed()
    expected = list(STEPS.apply_to_all(undisturbed(log, ScriptedEngine())))
    assert len(expected) > 4
    bed.steps, half = STEPS, len(log) // 2
    bed.handler = bed.another()
    await bed.handler.open(PARTITION)
    await bed.play(log[:half])
    await bed.until(Phrase, 2)
    begin = await bed.hand_over()
    assert bed.topics.checkpoints["call-1"].step_states["numbering"] != ""
    await bed.play([entry for entry in log if entry.offset >= begin])
    await bed.until(TranscriptCompleted)
    by_id = {phrase.phrase_id: phrase for phrase in bed.topics.of(Phrase) if isinstance(phrase, Phrase)}
    assert list(by_id.values()) == expected
