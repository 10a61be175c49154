"""What is brought by REST is taken whole or not at all, and refused with a problem that says why."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.requests import ClientDisconnect
from steno_ingest.recordings.tables import recordings
from support.ingest import KEY, MAX_BYTES, Ingest, problem

AUDIO = b"RIFF" + bytes(range(256)) * 40


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One kind of database is enough where nothing gets into it."""
    return sqlite_url


async def test_another_suffix_leaves_no_second_object(ingest: Ingest) -> None:
    """The same audio under another file name is the same recording; only the first object stays."""
    first = (await ingest.upload(AUDIO, call_id="call-1", name="a.wav")).json()
    second = (await ingest.upload(AUDIO, call_id="call-1", name="a.mp3")).json()
    assert first["recording_id"] == second["recording_id"]
    assert ingest.kept() == [f"recordings/{first['recording_id']}/audio.wav"]


async def test_a_call_id_is_made_when_left_out(ingest: Ingest) -> None:
    """Without a call id each upload is a call of its own."""
    answers = [(await ingest.upload(AUDIO)).json() for _ in range(2)]
    assert len({answer["call_id"] for answer in answers}) == len({answer["recording_id"] for answer in answers}) == 2


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://host/a.wav",
        "https://user:secret@host/a.wav",
        "https://user@host/a.wav",
        "https://",
        "https:///a.wav",
        "http://host/a b.wav",
        "http://host/\n.wav",
        "http://host:99999/a.wav",
        "http://[::1/a.wav",
        "",
        "a.wav",
        "https://host/" + "a" * 5000,
    ],
)
async def test_a_url_that_leads_nowhere_is_refused(ingest: Ingest, url: str) -> None:
    """Only http(s) without a sign-in, and objects of the store; the problem says so and names the field."""
    refused = problem(await ingest.client.post("/v1/recordings", json={"url": url}), 422)
    assert refused["errors"][0]["where"] == "body.url"
    assert await ingest.rows(recordings) == []


async def test_an_object_of_another_store_is_refused(ingest: Ingest) -> None:
    """It is well-formed, but not ours to read: 403 says what to do instead."""
    refused = problem(await ingest.client.post("/v1/recordings", json={"url": "s3://somebody-elses/a.wav"}), 403)
    assert "upload" in refused["detail"]
    assert await ingest.rows(recordings) == []


@pytest.mark.parametrize(
    ("metadata", "where"),
    [
        ("{", "metadata"),
        ("[]", "metadata"),
        ('{"colour": "blue"}', "metadata.colour"),
        (json.dumps({"call_id": "x" * 257}), "metadata.call_id"),
        (json.dumps({"call_id": ""}), "metadata.call_id"),
        (json.dumps({"call_id": "a\0b"}), "metadata.call_id"),
        (json.dumps({"call_id": "a\nb"}), "metadata.call_id"),
        ('{"call_id": "\\ud800"}', "metadata"),
        (json.dumps({"channels": [{"channel": 0, "role": "boss"}]}), "metadata.channels.0.role"),
        (json.dumps({"channels": [{"channel": 2**40, "role": "agent"}]}), "metadata.channels.0.channel"),
        (json.dumps({"channels": [{"channel": 0, "role": "agent"}, {"channel": 0, "role": "ivr"}]}), "metadata.channels"),
        (json.dumps({"locale": "english please"}), "metadata.locale"),
        ('{"channels": [{"channel": "0", "role": "agent"}]}', "metadata.channels.0.channel"),
        (json.dumps({"properties": {"a": 1}}), "metadata.properties.a"),
        (json.dumps({"properties": {"a": "x" * 3000}}), "metadata.properties.a"),
        ("[" * 100_000, "metadata"),
        (b"\xff\xfe", "metadata"),
    ],
)
async def test_metadata_that_are_not_valid_are_refused(ingest: Ingest, metadata: str | bytes, where: str) -> None:
    """The problem names the field; the audio that came with it does not stay."""
    for order in (["file", "metadata"], ["metadata", "file"]):
        parts: dict[str, Any] = {"file": ("a.wav", AUDIO), "metadata": (None, metadata, "application/json")}
        refused = problem(await ingest.client.post("/v1/recordings", files=[(name, parts[name]) for name in order]), 422)
        assert refused["errors"][0]["where"] == where
    assert await ingest.rows(recordings) == []
    assert ingest.kept() == []


async def test_an_empty_file_is_refused(ingest: Ingest) -> None:
    """There is no audio in it, and nothing is kept."""
    problem(await ingest.upload(b""), 422)
    assert ingest.kept() == []


async def test_a_body_without_a_file_is_refused(ingest: Ingest) -> None:
    """The problem names the missing part."""
    refused = problem(await ingest.client.post("/v1/recordings", files={"metadata": (None, "{}", "application/json")}), 422)
    assert refused["errors"] == [{"where": "body.file", "problem": "is missing"}]


async def test_what_is_too_large_is_refused(ingest: Ingest) -> None:
    """Beyond the limit an upload stops with 413, whether or not it says its length; nothing is kept."""
    problem(await ingest.upload(b"x" * (MAX_BYTES + 1)), 413)
    assert (await ingest.upload(b"x" * MAX_BYTES)).status_code == 202
    assert len(ingest.kept()) == 1


async def test_metadata_of_eleven_megabytes_are_refused(ingest: Ingest) -> None:
    """The part is read no further than its limit."""
    files: dict[str, Any] = {"file": ("a.wav", AUDIO), "metadata": (None, " " * (11 << 20), "application/json")}
    problem(await ingest.client.post("/v1/recordings", files=files), 413)
    problem(
        await ingest.client.post("/v1/recordings", content=b" " * (11 << 20), headers={"content-type": "application/json"}), 413
    )
    assert ingest.kept() == []


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        (None, b"", 415),
        ("text/plain", b"hello", 415),
        ("audio/wav", AUDIO, 415),
        ("multipart/form-data", AUDIO, 400),
        ("multipart/form-data; boundary=x", b"", 400),
        ("multipart/form-data; boundary=x", b"--y\r\n", 400),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nabc', 400),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="else"\r\n\r\nabc\r\n--x--\r\n', 422),
        ("multipart/form-data; boundary=x", b"--x\r\nA: " + b"b" * 100_000 + b"\r\n\r\nabc\r\n--x--\r\n", 400),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n\r\n" * 40 + b"--x--\r\n", 422),
        (f"multipart/form-data; boundary={'x' * 500}", b"", 400),
        ("application/json", b"", 422),
        ("application/json", b"\xff", 422),
        ("application/json", b'{"url": 5}', 422),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(
    ingest: Ingest, content_type: str | None, body: bytes, status: int
) -> None:
    """Each with a problem, and nothing is kept of it."""
    headers = {} if content_type is None else {"content-type": content_type}
    problem(await ingest.client.post("/v1/recordings", content=body, headers=headers), status)
    assert ingest.kept() == []


async def test_a_file_twice_is_refused(ingest: Ingest) -> None:
    """Which of the two was meant is not guessed."""
    files = [("file", ("a.wav", AUDIO)), ("file", ("b.wav", AUDIO))]
    problem(await ingest.client.post("/v1/recordings", files=files), 422)
    assert ingest.kept() == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b.wav", "..\\..\\x.exe", "x." + "y" * 300, ".wav", "ä\u202e.wäv"])
async def test_a_file_name_leads_nowhere(ingest: Ingest, name: str) -> None:
    """Nothing of what a client calls a file gets into a path but a plain suffix."""
    answer = (await ingest.upload(AUDIO, name=name, call_id="call-1")).json()
    (kept,) = ingest.kept()
    assert kept.startswith(f"recordings/{answer['recording_id']}/audio")
    assert len(kept) < 70


async def test_a_broken_off_upload_leaves_nothing(ingest: Ingest) -> None:
    """A client that goes away in the middle leaves no object and no row."""

    async def body() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + AUDIO
        raise ClientDisconnect

    headers = {"content-type": "multipart/form-data; boundary=x"}
    problem(await ingest.client.post("/v1/recordings", content=body(), headers=headers), 400)
    assert ingest.kept() == []
    assert await ingest.rows(recordings) == []


async def test_a_store_that_cannot_take_more_is_said(ingest: Ingest) -> None:
    """503 with Retry-After, nothing written; once it can again the same request is accepted."""
    blocker = ingest.folder / "uploads"
    blocker.write_bytes(b"")
    response = await ingest.upload(AUDIO)
    assert problem(response, 503)["type"] == "urn:steno:problem:store_unavailable"
    assert response.headers["retry-after"]
    assert await ingest.rows(recordings) == []
    blocker.unlink()
    assert (await ingest.upload(AUDIO)).status_code == 202


@pytest.mark.parametrize(
    "headers", [{}, {"X-Api-Key": "steno_wrong"}, {"Authorization": "Bearer "}, {"Authorization": "Basic x"}]
)
async def test_nobody_gets_in_without_a_key(ingest: Ingest, headers: dict[str, str]) -> None:
    """Every route but the documents answers 401 and says how to send a key."""
    for method, path in [("POST", "/v1/recordings"), ("GET", "/v1/recordings"), ("GET", "/v1/ledger"), ("GET", "/v1/webhooks")]:
        response = await ingest.stranger.request(method, path, headers=headers)
        assert "X-Api-Key" in problem(response, 401)["detail"] or "operator" in response.text
        assert response.headers["www-authenticate"].startswith("Bearer")
    bearer = await ingest.stranger.get("/v1/ledger", headers={"Authorization": f"Bearer {KEY}"})
    assert bearer.status_code == 200
    assert (await ingest.stranger.get("/openapi.json")).status_code == 200
    assert (await ingest.stranger.get("/docs")).status_code == 200


async def test_what_is_not_there_is_a_problem_too(ingest: Ingest) -> None:
    """Unknown paths and methods are answered like every other error."""
    problem(await ingest.client.get("/v2/recordings"), 404)
    response = await ingest.client.delete("/v1/ledger")
    problem(response, 405)
    assert response.headers["allow"] == "GET"
    problem(await ingest.client.get("/v1/recordings/unknown"), 404)
    problem(await ingest.client.get("/v1/recordings/a%00b"), 422)


async def test_an_upload_is_never_whole_in_memory(ingest: Ingest) -> None:
    """Pieces reach the store while the body is still coming: the client waits for nothing else."""
    seen: list[int] = []

    async def body() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        for _ in range(40):
            yield b"y" * 65536
            seen.append(len(seen))
        yield b"\r\n--x--\r\n"

    headers = {"content-type": "multipart/form-data; boundary=x", "X-Api-Key": KEY}
    transport = httpx.ASGITransport(ingest.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:
        response = await client.post("/v1/recordings", content=body(), headers=headers)
    assert response.status_code == 202
    assert len(seen) == 40
    (kept,) = ingest.kept()
    assert (ingest.folder / kept).stat().st_size == 40 * 65536
