"""What a publisher asks of an engine is one value, whichever record carries it."""

from datetime import UTC, datetime

import pytest
from pydantic import BaseModel, ValidationError

from steno.events.codec import Codec
from steno.events.recognition import AsksForRecognition, Profanity, RecognitionDetails, RecognitionOptions
from steno.events.records import AudioCodec, CallChannel, CallStarted, RecordingSubmitted
from steno.events.schemas import ShippedSchemaIds

DETAILS = RecognitionDetails(
    candidate_locales=("en-US", "es-US"), hints=("Contoso",), model="base", profanity=Profanity.MASKED, words=False
)


def test_a_record_that_asks_for_nothing_has_the_defaults() -> None:
    """Publishers that know nothing of options get what they got."""
    assert RecordingSubmitted(call_id="c", url="https://e/a").options == RecognitionOptions(locale="en-US")


def test_a_recording_and_a_call_carry_the_same_options() -> None:
    """The language stands beside the rest in a record, and with it in the value."""
    recording = RecordingSubmitted(call_id="c", url="https://e/a", locale="", recognition=DETAILS)
    call = CallStarted(
        call_id="c",
        codec=AudioCodec.PCMU,
        sample_rate=8000,
        channels=(CallChannel(channel=0),),
        locale="",
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        recognition=DETAILS,
    )
    assert recording.options == call.options == RecognitionOptions(locale="", **DETAILS.model_dump())


def test_options_come_back_from_their_bytes() -> None:
    """They go through Avro as they are."""
    codec = Codec(ShippedSchemaIds())
    recording = RecordingSubmitted(call_id="c", url="https://e/a", recognition=DETAILS)
    assert codec.decode(codec.encode(recording)) == recording


def test_options_are_bounded() -> None:
    """A record of a call stays small, whatever is asked for."""
    with pytest.raises(ValidationError):
        RecognitionDetails(hints=("word",) * 201)


@pytest.mark.parametrize("record", AsksForRecognition.__subclasses__(), ids=lambda record: record.__name__)
def test_what_a_record_allows_is_an_option(record: type[BaseModel]) -> None:
    """A record that was read gives its options: none of its fields may hold more than they do."""
    assert record.model_fields["locale"].metadata == RecognitionOptions.model_fields["locale"].metadata
    assert record.model_fields["recognition"].annotation is RecognitionDetails
