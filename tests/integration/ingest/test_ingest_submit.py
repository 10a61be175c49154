"""Recordings brought by REST: taken in once, on either database."""

import asyncio
import hashlib
import json

from steno_ingest.recordings.tables import entries, idempotency_keys, recordings
from steno_ingest.tables import outbox
from support.ingest import CODEC, KEY, Ingest, problem

from steno.events import ids
from steno.events.records import RecordingSubmitted

AUDIO = b"RIFF" + bytes(range(256)) * 40


async def test_an_upload_is_accepted_and_kept(ingest: Ingest) -> None:
    """202 says where the recording is; its audio is in the store, its submission in the outbox with the trace of the POST."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    response = await ingest.upload(
        AUDIO,
        headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"},
        call_id="call-1",
        channels=[{"channel": 0, "role": "agent"}, {"channel": 1, "role": "customer"}],
        locale="en-GB",
        properties={"queue": "billing"},
    )
    assert response.status_code == 202, response.text
    answer = response.json()
    digest = hashlib.sha256(AUDIO).hexdigest()
    assert answer["recording_id"] == ids.recording_id("call-1", digest)
    assert answer["state"] == "accepted"
    assert response.headers["location"] == answer["links"]["self"]
    key = f"recordings/{answer['recording_id']}/audio.wav"
    assert ingest.kept() == [key]
    assert (ingest.folder / key).read_bytes() == AUDIO
    (row,) = await ingest.rows(outbox)
    record = CODEC.decode(row.value)
    assert isinstance(record, RecordingSubmitted)
    assert (record.recording_id, record.sha256, record.locale) == (answer["recording_id"], digest, "en-GB")
    assert record.role_of(1).value == "customer"
    assert ingest.objects.owns(record.url)
    assert dict(row.headers)["traceparent"].split("-")[1] == trace

    shown = (await ingest.client.get(answer["links"]["self"])).json()
    assert shown["call_id"] == "call-1"
    assert shown["file_name"] == record.file_name == "call.wav"
    assert shown["properties"] == {"queue": "billing"}
    assert shown["channels"][0] == {"channel": 0, "role": "agent"}
    assert shown["accepted_at"].endswith(("Z", "+00:00"))


async def test_the_same_recording_at_once_is_one(ingest: Ingest) -> None:
    """Ten uploads of the same audio for the same call at the same time make one row, one object, one submission."""
    responses = await asyncio.gather(*(ingest.upload(AUDIO, call_id="call-1", name=f"{n}.wav") for n in range(10)))
    assert {response.status_code for response in responses} == {202}
    assert len({response.json()["recording_id"] for response in responses}) == 1
    assert len(await ingest.rows(recordings)) == len(await ingest.rows(outbox)) == len(await ingest.rows(entries)) == 1
    assert len(ingest.kept()) == 1


async def test_an_idempotency_key_makes_requests_one(ingest: Ingest) -> None:
    """Sent again with its key, at once or later, a request without a call id gives the recording of the first."""
    headers = {"Idempotency-Key": "key-1"}
    answers = await asyncio.gather(*(ingest.upload(AUDIO, headers=headers, locale="en-US") for _ in range(5)))
    later = await ingest.upload(AUDIO, headers=headers, locale="en-US")
    assert {answer.status_code for answer in (*answers, later)} == {202}
    assert len({json.dumps(answer.json()) for answer in (*answers, later)}) == 1
    assert len(await ingest.rows(recordings)) == 1
    assert len(ingest.kept()) == 1


async def test_an_idempotency_key_is_for_one_request(ingest: Ingest) -> None:
    """Another request with the same key is refused and leaves nothing; another client may use the key."""
    headers = {"Idempotency-Key": "key-1"}
    await ingest.upload(AUDIO, headers=headers)
    refused = problem(await ingest.upload(AUDIO + b"more", headers=headers), 409)
    assert refused["type"] == "urn:steno:problem:idempotency_key_reused"
    assert len(await ingest.rows(recordings)) == len(ingest.kept()) == 1
    other = {**headers, "X-Api-Key": KEY + "2"}
    assert (await ingest.upload(AUDIO + b"more", headers=other)).status_code == 202


async def test_a_format_makes_another_recording(ingest: Ingest) -> None:
    """What failed for want of a format is submitted again with it; the values there are stand in the refusal of others."""
    failed = await ingest.upload(AUDIO, name="../calls/\u2028a.raw", call_id="call-1")
    again = await ingest.upload(AUDIO, name="C:\\calls\\a.raw", call_id="call-1", format="slin16")
    same = await ingest.upload(AUDIO, name="b.raw", call_id="call-1", format="slin16")
    assert (failed.status_code, again.status_code) == (202, 202)
    assert failed.json()["recording_id"] != again.json()["recording_id"] == same.json()["recording_id"]
    records = [CODEC.decode(row.value) for row in await ingest.rows(outbox)]
    assert [(record.file_name, record.format) for record in records if isinstance(record, RecordingSubmitted)] == [
        ("\ufffda.raw", ""),
        ("a.raw", "slin16"),
    ]
    link = {"url": "https://audio.example/a.raw", "call_id": "call-1", "format": "vox6"}
    linked = (await ingest.client.post("/v1/recordings", json=link)).json()
    assert linked["recording_id"] == ids.recording_id("call-1", link["url"], "vox6")
    refused = problem(await ingest.upload(AUDIO, call_id="call-1", format="opus"), 422)
    assert "'mulaw', 'alaw', 'slin'" in refused["detail"]


async def test_a_key_of_an_older_version_holds(ingest: Ingest) -> None:
    """A field of the metadata that is new makes no other request of one that does without it."""
    await ingest.upload(AUDIO, headers={"Idempotency-Key": "key-1"}, call_id="call-1")
    said = {"call_id": "call-1", "channels": [], "locale": "en-US", "properties": {}}
    digest = hashlib.sha256(AUDIO).hexdigest()
    (claim,) = await ingest.rows(idempotency_keys)
    assert claim.fingerprint == hashlib.sha256(f"{digest}\n{json.dumps(said, sort_keys=True)}".encode()).hexdigest()


async def test_an_empty_file_is_refused_by_name(ingest: Ingest) -> None:
    """Whoever uploads many knows which it was."""
    assert problem(await ingest.upload(b"", name="a.raw"), 422)["detail"] == "a.raw is empty: it has no audio"


async def test_a_link_is_accepted(ingest: Ingest) -> None:
    """JSON with a URL makes a recording whose id follows from call and URL."""
    body = {"url": "https://audio.example/a.wav?sig=x", "call_id": "call-1"}
    first = await ingest.client.post("/v1/recordings", json=body)
    again = await ingest.client.post("/v1/recordings", json=body)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["recording_id"] == again.json()["recording_id"] == ids.recording_id("call-1", body["url"])
    assert len(await ingest.rows(outbox)) == 1
