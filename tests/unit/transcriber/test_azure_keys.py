"""How recordings are found again in jobs at Azure, and what the requests are."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_transcriber.azure import wire
from steno_transcriber.azure.keys import MOST_RECORDINGS, address_of, custom_properties, key_of, recordings_of
from steno_transcriber.azure.result import Result, UnreadableResult, read_result
from steno_transcriber.azure.sent import Sent, SentRecordings
from steno_transcriber.engines.port import RecordingReference
from support.recognition_options import ENGLISH

from steno.events.recognition import RecognitionOptions
from steno.storage.objects import ObjectStore

RECORDING = RecordingReference(
    call_id="call-1", recording_id="recording-1", url="https://calls.example/1.wav", channels=(0, 1), options=ENGLISH
)


@given(st.integers(1, MOST_RECORDINGS))
def test_a_job_names_its_recordings(count: int) -> None:
    """Within the limits of custom properties: ten, of 256 characters."""
    recordings = {
        address_of(f"https://calls.example/{index}.wav"): key_of(replace(RECORDING, recording_id=str(index)))
        for index in range(count)
    }
    custom = custom_properties(recordings)
    assert len(custom) <= 10
    assert all(len(name) <= 64 and len(value) <= 256 for name, value in custom.items())
    assert recordings_of(json.loads(json.dumps({**custom, "owner": "somebody else"}))) == recordings


@given(st.dictionaries(st.text(), st.text()))
def test_foreign_properties_name_nothing_or_do_no_harm(custom: dict[str, str]) -> None:
    """Jobs of others have properties of their own."""
    assert all(len(key) == 12 for key in recordings_of(custom).values())


def test_an_address_does_not_depend_on_the_signature() -> None:
    """Nor on how a URL is encoded, or the letters of its host."""
    address = address_of("https://Calls.example/a%20b.wav?sig=1")
    assert address == address_of("https://calls.example/a b.wav?sig=2")
    assert address != address_of("https://calls.example/a%20c.wav?sig=1")


def test_a_key_stands_for_all_that_is_asked() -> None:
    """But hints, which the API does not take."""
    same = replace(RECORDING, options=ENGLISH.model_copy(update={"hints": ("Contoso",)}))
    others = [
        replace(RECORDING, call_id="call-2"),
        replace(RECORDING, url="https://calls.example/2.wav"),
        replace(RECORDING, channels=(0,)),
        replace(RECORDING, options=ENGLISH.model_copy(update={"words": False})),
    ]
    assert key_of(same) == key_of(RECORDING)
    assert len({key_of(RECORDING), *map(key_of, others)}) == 5


@pytest.mark.parametrize("version", ["v3.2", "2024-11-15"])
def test_a_request_is_as_its_version_has_it(version: wire.ApiVersion) -> None:
    """Path, query, and how long a job is kept."""
    api = wire.Api(version)
    request = api.submit(["https://a/1"], ENGLISH, channels=(), name="steno", custom={})
    assert request.body is not None
    properties = request.body["properties"]
    old = version == "v3.2"
    assert request.path == ("/speechtotext/v3.2/transcriptions" if old else "/speechtotext/transcriptions:submit")
    assert dict(request.query) == ({} if old else {"api-version": "2024-11-15"})
    assert (properties.get("timeToLive"), properties.get("timeToLiveHours")) == (("PT168H", None) if old else (None, 168))
    assert properties["wordLevelTimestampsEnabled"] is True


def test_a_name_is_quoted_in_a_filter() -> None:
    """As OData has it."""
    assert wire.Api("v3.2").find("it's", skip=0).query["filter"] == "displayName eq 'it''s'"


def test_candidates_that_azure_does_not_know_are_left_out() -> None:
    """It would refuse them all."""
    options = RecognitionOptions(candidate_locales=("tlh-US", "en-GB"))
    body = wire.Api("v3.2").submit(["https://a/1"], options, channels=(), name="steno", custom={}).body
    assert body is not None
    assert body["locale"] == "en-GB"
    assert "languageIdentification" not in body["properties"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"error":{"code":"401","message":"Access denied"}}', ("401", "Access denied")),
        (
            b'{"code":"InvalidRequest","message":"m","innerError":{"code":"InvalidLocale","message":"no such locale"}}',
            ("InvalidLocale", "no such locale"),
        ),
        (b"<html>", ("", "<html>")),
        (b"[]", ("", "[]")),
    ],
)
def test_errors_are_told_in_both_forms(body: bytes, told: tuple[str, str]) -> None:
    """The gateway's, and the service's; or what stands there."""
    assert wire.error_of(body) == told


@given(st.binary(max_size=40))
def test_bytes_are_no_job(content: bytes) -> None:
    """And nothing but unreadable."""
    for read in (wire.read_job, wire.read_jobs, wire.read_files):
        with pytest.raises(UnreadableResult):
            read(content)


async def test_what_was_noted_is_read_back(tmp_path: Path) -> None:
    """A note of a job, and an answer with all that it has; only the first who notes it does."""
    sent = SentRecordings(ObjectStore(tmp_path.as_uri()))
    note = Sent(endpoint_url="https://a", settled_at=datetime(2026, 3, 1, tzinfo=UTC))
    assert await sent.read("k") is None
    assert [await sent.claim("k", note), await sent.claim("k", note)] == [True, False]
    assert await sent.read("k") == note
    words = [{"word": "hello", "offsetInTicks": 0, "durationInTicks": 10_000, "confidence": 1}]
    best = {"confidence": 0.8, "display": "Hello.", "words": words}
    spoken = {"channel": 0, "offsetInTicks": 0, "durationInTicks": 10_000_000, "nBest": [best]}
    file = {"source": "s", "durationInTicks": 2 * 10**7, "combinedRecognizedPhrases": [], "recognizedPhrases": [spoken]}
    _, result = read_result(json.dumps(file).encode(), language="en-US")
    await sent.write("k", result)
    read = await sent.read("k")
    assert isinstance(read, Result)
    assert read == result
    await sent.delete("k")
    assert await sent.read("k") is None
