"""Makes phrases and the result document of recognised utterances. Pure."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from steno.events import ids
from steno.events.observations import Observation
from steno.events.recognition import RecognitionOptions
from steno.events.records import Phrase, RecordingSubmitted, Role, Word
from steno.events.result_document import RESULT_PREFIX
from steno_transcriber.audio.wire_format import Flaws
from steno_transcriber.engines.port import EngineInfo, FinalAnswer
from steno_transcriber.engines.refusals import spoken_locale
from steno_transcriber.speech import Recognition, Utterance


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What was recognised in one utterance, without its samples, so that a long recording keeps no audio in memory."""

    channel: int
    start_ms: int
    duration_ms: int
    recognition: Recognition
    #: The engine that heard it, where that is not the one of the transcript.
    engine: EngineInfo | None = None

    @classmethod
    def of(cls, part: Utterance | FinalAnswer, recognition: Recognition) -> "Spoken":
        """Makes it of an utterance, or of the answer of a call engine."""
        return cls(
            channel=part.channel,
            start_ms=part.start_ms,
            duration_ms=part.duration_ms,
            recognition=recognition,
            engine=part.engine if isinstance(part, FinalAnswer) else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """All phrases of a recording in order; empty where there is no speech."""

    phrases: tuple[Phrase, ...]
    channel_count: int
    duration_ms: int
    engine: str
    flaws: Flaws = field(default_factory=Flaws)
    observations: tuple[Observation, ...] = ()


def recording_id(recording: RecordingSubmitted) -> str:
    """The id of a recording, derived where its publisher gave none."""
    return ids.recording_id_of(recording)


def plain_name(identifier: str) -> str:
    """A recording's id as a file name: one with other characters is replaced by a derived name."""
    plain = re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}", identifier) is not None
    return identifier if plain else ids.recording_id("", identifier)


def document_key(identifier: str) -> str:
    """The object key of a recording's result document. Readers accept no document outside this prefix."""
    return f"{RESULT_PREFIX}/{plain_name(identifier)}.json"


def engine_name(info: EngineInfo) -> str:
    """An engine's name in results: name, model and the first digits of the weights' SHA-256."""
    return f"{info.name} {info.model} {info.digest[:12]}"


def phrases(recording: RecordingSubmitted, spoken: Iterable[Spoken], *, engine: EngineInfo) -> tuple[Phrase, ...]:
    """The phrases of a recording, numbered from 0 in order of start, then channel. Utterances without text are left out."""
    heard = sorted((part for part in spoken if part.recognition), key=lambda part: (part.start_ms, part.channel))
    identifier = recording_id(recording)
    return tuple(
        phrase_of(
            part,
            call_id=recording.call_id,
            recording_id=identifier,
            sequence=sequence,
            role=recording.role_of(part.channel),
            options=recording.options,
            tenant=recording.tenant,
            engine=engine,
        )
        for sequence, part in enumerate(heard)
    )


def phrase_of(
    part: Spoken,
    *,
    call_id: str,
    recording_id: str,
    sequence: int,
    role: Role,
    options: RecognitionOptions,
    tenant: str,
    engine: EngineInfo,
) -> Phrase:
    """The phrase of an utterance with text."""
    return Phrase(
        call_id=call_id,
        recording_id=recording_id,
        phrase_id=ids.phrase_id(call_id, recording_id, part.channel, part.start_ms),
        sequence=sequence,
        channel=part.channel,
        role=role,
        start_ms=part.start_ms,
        duration_ms=part.duration_ms,
        text=part.recognition.text,
        confidence=part.recognition.confidence,
        words=tuple(
            Word(text=word.text, start_ms=word.start_ms, duration_ms=word.duration_ms, confidence=word.confidence)
            for word in part.recognition.words
        ),
        locale=spoken_locale(part.recognition.language, options),
        tenant=tenant,
        engine=engine_name(part.engine or engine),
    )


def without_words(phrase: Phrase) -> Phrase:
    """The phrase without the times of its words."""
    return phrase.model_copy(update={"words": ()})


def document(recording: RecordingSubmitted, transcript: Transcript) -> bytes:
    """The result document as UTF-8 JSON, as `GET …/transcript?format=json` returns it."""
    content = {
        "call_id": recording.call_id,
        "recording_id": recording_id(recording),
        "locale": recording.locale,
        "duration_ms": transcript.duration_ms,
        "damaged_ms": transcript.flaws.damaged_ms,
        "missing_ms": transcript.flaws.missing_ms,
        "observations": [observation.model_dump(mode="json") for observation in transcript.observations],
        "channels": transcript.channel_count,
        "engine": transcript.engine,
        "phrases": [_phrase(phrase) for phrase in transcript.phrases],
    }
    return json.dumps(content, ensure_ascii=False).encode()


def _phrase(phrase: Phrase) -> dict[str, Any]:
    wanted = {"phrase_id", "channel", "role", "start_ms", "duration_ms", "text", "confidence", "words", "engine"}
    return phrase.model_dump(mode="json", include=wanted)
