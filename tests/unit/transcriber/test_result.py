"""Phrases and the result document."""

import json
from dataclasses import replace
from typing import Any

import jsonschema_rs
import numpy as np
import pytest
from steno_transcriber.audio.wire_format import Flaws
from steno_transcriber.engines.port import EngineInfo
from steno_transcriber.result import Spoken, Transcript, document, document_key, phrases, recording_id
from steno_transcriber.speech import Recognition, Utterance, Word

from steno.events import ids
from steno.events.observations import Observation
from steno.events.records import ChannelRole, RecordingSubmitted, Role
from steno.events.result_document import Transcript as ResultDocument
from steno.events.schemas import schemas_folder

ENGINE = EngineInfo(name="whisper", model="tiny.en", digest="0123456789abcdef" * 4, languages=frozenset(["en"]))
RECORDING = RecordingSubmitted(
    call_id="call-1",
    url="https://recorder.example/call-1.wav",
    recording_id="recording-1",
    channels=(ChannelRole(channel=1, role=Role.CUSTOMER), ChannelRole(channel=0, role=Role.AGENT)),
    locale="en-GB",
)


def spoken(channel: int, start_ms: int, text: str) -> Spoken:
    words = tuple(
        Word(text=word, start_ms=start_ms + 100 * index, duration_ms=90, confidence=0.5)
        for index, word in enumerate(text.split())
    )
    return Spoken(
        channel=channel,
        start_ms=start_ms,
        duration_ms=1000,
        recognition=Recognition(text=text, confidence=0.75, words=words),
    )


def test_phrases_are_numbered_over_channels_by_start() -> None:
    """Sequence follows the start over all channels, and the channel where two start together."""
    made = phrases(
        RECORDING,
        [spoken(1, 500, "two"), spoken(1, 900, "four"), spoken(0, 500, "one"), spoken(0, 600, "three")],
        engine=ENGINE,
    )
    assert [(p.sequence, p.channel, p.text) for p in made] == [(0, 0, "one"), (1, 1, "two"), (2, 0, "three"), (3, 1, "four")]


def test_phrases_do_not_depend_on_the_order_of_recognition() -> None:
    """Whichever thread is done first, the same phrases come out."""
    parts = [spoken(channel, start, f"{channel} at {start}") for channel in (0, 1) for start in (0, 2000, 1000)]
    assert phrases(RECORDING, parts, engine=ENGINE) == phrases(RECORDING, reversed(parts), engine=ENGINE)


def test_utterances_without_text_are_no_phrases() -> None:
    """What the engine heard nothing in leaves no gap in the sequence."""
    made = phrases(RECORDING, [spoken(0, 0, "hello"), spoken(0, 1000, ""), spoken(0, 2000, "bye")], engine=ENGINE)
    assert [(p.sequence, p.text) for p in made] == [(0, "hello"), (1, "bye")]


def test_a_phrase_carries_role_times_words_and_derived_id() -> None:
    """Role by the record, times from the start of the call, the id from what it describes."""
    (phrase,) = phrases(RECORDING, [spoken(1, 1500, "my card")], engine=ENGINE)
    assert phrase.role is Role.CUSTOMER
    assert phrase.phrase_id == ids.phrase_id("call-1", "recording-1", 1, 1500)
    assert (phrase.start_ms, phrase.duration_ms, phrase.confidence, phrase.locale) == (1500, 1000, 0.75, "en-GB")
    assert [(w.text, w.start_ms, w.duration_ms, w.confidence) for w in phrase.words] == [
        ("my", 1500, 90, 0.5),
        ("card", 1600, 90, 0.5),
    ]


def test_a_channel_without_a_role_is_unknown() -> None:
    """Roles are never guessed from the order of channels."""
    (phrase,) = phrases(RECORDING, [spoken(2, 0, "press one")], engine=ENGINE)
    assert phrase.role is Role.UNKNOWN


@pytest.mark.parametrize(
    ("sha256", "audio"), [("a" * 64, "a" * 64), ("", "https://recorder.example/call-1.wav")], ids=["sha256", "url"]
)
def test_a_recording_without_id_gets_a_derived_one(sha256: str, audio: str) -> None:
    """From the digest of its bytes where that is known, else from its URL; the same each time."""
    recording = RECORDING.model_copy(update={"recording_id": "", "sha256": sha256})
    assert recording_id(recording) == ids.recording_id("call-1", audio)


def test_what_was_spoken_holds_no_audio() -> None:
    """A long recording's samples go as soon as they are understood."""
    utterance = Utterance(
        channel=1, start_ms=300, duration_ms=600, padding_before_ms=30, samples=np.zeros(16, dtype=np.float32)
    )
    recognition = Recognition(text="yes", confidence=1.0)
    assert Spoken.of(utterance, recognition) == Spoken(channel=1, start_ms=300, duration_ms=600, recognition=recognition)


def test_the_document_has_the_shape_of_the_rest_answer() -> None:
    """The fields that `GET …/transcript?format=json` promises, phrases in order, text as it is."""
    made = phrases(RECORDING, [spoken(0, 0, "café")], engine=ENGINE)
    transcript = Transcript(phrases=made, channel_count=2, duration_ms=20_000, engine="whisper tiny.en 0123")
    music = Observation(kind="music", channel=1, start_ms=2_000, duration_ms=9_000)
    transcript = replace(transcript, flaws=Flaws(damaged_ms=60, missing_ms=5_000), observations=(music,))
    content = json.loads(document(RECORDING, transcript))
    assert content == {
        "call_id": "call-1",
        "recording_id": "recording-1",
        "locale": "en-GB",
        "duration_ms": 20_000,
        "damaged_ms": 60,
        "missing_ms": 5_000,
        "observations": [{"kind": "music", "channel": 1, "start_ms": 2_000, "duration_ms": 9_000}],
        "channels": 2,
        "engine": "whisper tiny.en 0123",
        "phrases": [
            {
                "phrase_id": made[0].phrase_id,
                "channel": 0,
                "role": "agent",
                "start_ms": 0,
                "duration_ms": 1000,
                "text": "café",
                "confidence": 0.75,
                "words": [{"text": "café", "start_ms": 0, "duration_ms": 90, "confidence": 0.5}],
                "engine": "whisper tiny.en 0123456789ab",
            }
        ],
    }


def test_the_document_of_a_plain_id_is_named_by_it() -> None:
    """Whoever has the id of a recording finds its document."""
    assert document_key("0b4c4f0e-6b1e-5f0a-9d55-7f2d9a6a5e3c") == "transcripts/0b4c4f0e-6b1e-5f0a-9d55-7f2d9a6a5e3c.json"


@pytest.mark.parametrize("identifier", ["../secrets", "a/b", ".hidden", "x" * 250, "call 1", "%2e%2e"])
def test_an_id_that_is_no_file_name_leads_nowhere_else(identifier: str) -> None:
    """An upstream's id cannot name another object, nor one that no store can keep."""
    key = document_key(identifier)
    assert key.removeprefix("transcripts/").removesuffix(".json").replace("-", "").isalnum()
    assert key == document_key(identifier)


def published_schema(*, closed: bool) -> dict[str, Any]:
    """The published JSON Schema of result documents; a closed one takes no field that it does not name."""
    schema: dict[str, Any] = json.loads((schemas_folder() / "result-document.schema.json").read_text("utf-8"))
    for part in (schema, *schema["$defs"].values()):
        if closed and part["type"] == "object":
            part["additionalProperties"] = False
    return schema


@pytest.mark.parametrize("parts", [[], [spoken(0, 0, "hello there"), spoken(1, 400, "my card")]], ids=["no_speech", "phrases"])
def test_the_document_is_what_its_published_schema_says(parts: list[Spoken]) -> None:
    """It has every field of the schema, and no other."""
    transcript = Transcript(
        phrases=phrases(RECORDING, parts, engine=ENGINE),
        channel_count=2,
        duration_ms=5000,
        engine="scripted",
        flaws=Flaws(damaged_ms=20, missing_ms=100),
        observations=(Observation(kind="music", channel=1, start_ms=0, duration_ms=900),),
    )
    jsonschema_rs.validate(published_schema(closed=True), json.loads(document(RECORDING, transcript)))


def test_a_document_of_a_later_version_is_valid_too() -> None:
    """It may have fields that this version does not know."""
    content = json.loads(document(RECORDING, Transcript(phrases=(), channel_count=1, duration_ms=0, engine="scripted")))
    jsonschema_rs.validate(published_schema(closed=False), content | {"summary": "later"})


def test_a_document_reads_back_as_it_was_written() -> None:
    """The reader of result documents knows every field that is written."""
    parts = [spoken(0, 0, "hello there"), spoken(1, 400, "my card")]
    observations = (Observation(kind="music", channel=1, start_ms=0, duration_ms=900),)
    transcript = Transcript(
        phrases=phrases(RECORDING, parts, engine=ENGINE),
        channel_count=2,
        duration_ms=5000,
        engine="scripted",
        observations=observations,
    )
    content = document(RECORDING, transcript)
    assert ResultDocument.model_validate_json(content).model_dump(mode="json") == json.loads(content)
