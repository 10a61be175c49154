"""What one tenant brings is not there for another: every route, by the API's own document."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from steno_ingest.calls.ledger.tables import calls
from steno_ingest.calls.ledger.view import fingerprint
from steno_ingest.errors import CallIdInUse, ForeignUrl, KeyReused, NotThere
from steno_ingest.recordings.intake import ClientKey
from steno_ingest.recordings.metadata import Link
from steno_ingest.recordings.tables import recordings
from steno_ingest.recordings.view import Door
from steno_ingest.recordings.watched_folder import WatchedFolder
from steno_ingest.tables import metadata, outbox
from support.calls import call_started, live_phrase
from support.ingest import CODEC, KEY, Ingest, problem, running_ingest
from support.route_walk import operations, undocumented

from steno.events.records import RecordingSubmitted
from steno.tenants import Caller

CALL = "call-of-acme"
RECORDED = "recorded-call-of-acme"
BODIES: dict[str, Any] = {
    "post /v1/recordings": {"url": "https://example.com/a.wav", "call_id": "mine"},
    "post /v1/webhooks": {"url": "https://example.com/hook"},
    "post /v1/recordings/{recording_id}/cancel": None,
    "post /v1/calls/{call_id}/pause": {"reason": "card number"},
    "post /v1/calls/{call_id}/resume": {"reason": ""},
    "post /v1/calls/{call_id}/end": None,
    "put /v1/calls/{call_id}/roles": {"channels": [{"channel": 0, "role": "agent"}]},
    "patch /v1/webhooks/{webhook_id}": {"enabled": False},
    "post /v1/webhooks/{webhook_id}/rotate": {"overlap_seconds": 0},
}


@pytest.fixture
async def ingest(tmp_path: Path, database_url: str) -> AsyncIterator[Ingest]:
    """Ingest on either database; `tester` is an operator, `other` and `acme` are tenants."""
    async with running_ingest(tmp_path, database_url) as ingest:
        yield ingest


def client_of(ingest: Ingest, number: str) -> httpx.AsyncClient:
    """A client with a key."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(ingest.app, raise_app_exceptions=False),
        base_url="http://ingest",
        headers={"X-Api-Key": KEY + number},
    )


@pytest.fixture
async def acme(ingest: Ingest) -> AsyncIterator[httpx.AsyncClient]:
    """Whose things are there."""
    async with client_of(ingest, "3") as client:
        yield client


@pytest.fixture
async def other(ingest: Ingest) -> AsyncIterator[httpx.AsyncClient]:
    """Who is to find none of them."""
    async with client_of(ingest, "2") as client:
        yield client


@pytest.fixture
async def theirs(ingest: Ingest, acme: httpx.AsyncClient) -> dict[str, str]:
    """A call with a phrase, a recording and a webhook of acme's."""
    await ingest.calls.begin(call_started(CALL, tenant="acme"), door="stream", instance="elsewhere", paused=False, chunk_ms=100)
    await ingest.calls.note_phrase(live_phrase(0, call_id=CALL))
    recording = await acme.post("/v1/recordings", json={"url": "https://acme.example/a.wav", "call_id": RECORDED})
    webhook = await acme.post("/v1/webhooks", json={"url": "https://acme.example/hook"})
    return {
        "call_id": CALL,
        "recording_id": recording.json()["recording_id"],
        "webhook_id": webhook.json()["webhook_id"],
    }


async def everything(ingest: Ingest) -> dict[str, list[Any]]:
    """All rows."""
    return {table.name: await ingest.rows(table) for table in metadata.sorted_tables}


async def test_every_route_says_of_somebody_elses_what_it_says_of_nothing(
    ingest: Ingest, theirs: dict[str, str], acme: httpx.AsyncClient, other: httpx.AsyncClient
) -> None:
    """The same 404, word by word, and nothing changes; whose it is finds it by the same request."""
    assert undocumented(ingest.app) == set()
    about = [operation for operation in operations(ingest.app) if operation.has_id]
    before = await everything(ingest)
    unknown = dict.fromkeys(theirs, "unknown")
    for operation in about:
        answer = await operation.ask(other, theirs, BODIES)
        nothing = await operation.ask(other, unknown, BODIES)
        assert answer.status_code == 404, operation
        said = answer.text
        for value in theirs.values():
            said = said.replace(value, "unknown")
        assert said == nothing.text, operation
    assert await everything(ingest) == before
    for operation in about:
        assert (await operation.ask(acme, theirs, BODIES)).status_code != 404, operation


async def test_no_list_and_no_count_tells_of_somebody_elses(
    ingest: Ingest, theirs: dict[str, str], acme: httpx.AsyncClient, other: httpx.AsyncClient
) -> None:
    """Lists are without it whatever is filtered for, and the ledger counts one's own."""
    for operation in (each for each in operations(ingest.app) if not each.has_id and each.method == "get"):
        for query in ("", f"?call_id={RECORDED}", "?state=active", "?state=accepted"):
            answer = await other.get(operation.path + query)
            assert not any(value in answer.text for value in (*theirs.values(), RECORDED, "acme")), operation
    counts = [(await client.get("/v1/ledger")).json() for client in (acme, other, ingest.client)]
    assert [count["accepted"] for count in counts] == [1, 0, 1]
    assert [count["calls"]["accepted"] for count in counts] == [1, 0, 1]
    assert all(count["balanced"] for count in counts)


@pytest.mark.parametrize("call_id", [CALL, RECORDED])
async def test_nobody_attaches_a_recording_to_somebody_elses_call(
    ingest: Ingest, theirs: dict[str, str], other: httpx.AsyncClient, call_id: str
) -> None:
    """By upload or link, of a live call or a recorded one: a 409 that tells nothing; no audio is left, none replaced."""
    before, kept = await everything(ingest), ingest.kept()
    metadata_ = json.dumps({"call_id": call_id})
    answers = [
        await other.post("/v1/recordings", json={"url": "https://other.example/a.wav", "call_id": call_id}),
        await other.post(
            "/v1/recordings",
            files={"file": ("a.wav", b"audio", "audio/wav"), "metadata": (None, metadata_, "application/json")},
        ),
    ]
    for answer in answers:
        assert problem(answer, 409)["detail"] == f"the call id {call_id} cannot be used; give each call its own id"
    assert await everything(ingest) == before
    assert ingest.kept() == kept


async def test_a_call_by_the_id_of_somebody_elses_is_refused(ingest: Ingest, theirs: dict[str, str]) -> None:
    """At the doors, and the same where only recordings of the id are there; nobody goes on with somebody else's call."""
    for call_id in (CALL, RECORDED):
        started = call_started(call_id, tenant="other")
        with pytest.raises(CallIdInUse, match="cannot be used"):
            await ingest.calls.begin(started, door="stream", instance="elsewhere", paused=False, chunk_ms=100)
    with pytest.raises(NotThere):
        await ingest.calls.resume(CALL, instance="here", caller=Caller("other", "other"))
    assert (await ingest.calls.call(CALL)).instance == "elsewhere"


async def test_what_is_the_houses_is_shown_to_operators_alone(ingest: Ingest, other: httpx.AsyncClient) -> None:
    """Calls and recordings that came straight by Kafka without a tenant; with one they are that tenant's."""
    for tenant in ("", "other"):
        await ingest.calls.note_started(call_started(f"call-{tenant}", tenant=tenant))
        await ingest.ledger.note_submission(
            RecordingSubmitted(call_id=f"r-{tenant}", recording_id=f"r-{tenant}", url="https://a.example/", tenant=tenant)
        )
    for kind, seen in (("calls", {"call-other", "call-"}), ("recordings", {"r-other", "r-"})):
        listed = [
            {each["call_id"] for each in (await client.get(f"/v1/{kind}")).json()["items"]} for client in (other, ingest.client)
        ]
        assert listed == [{call_id for call_id in seen if call_id.endswith("other")}, seen]


async def test_an_operator_brings_for_whoever_has_the_call(
    ingest: Ingest, theirs: dict[str, str], acme: httpx.AsyncClient
) -> None:
    """A recording that is added to a tenant's call is that tenant's; of a new call it belongs to no tenant."""
    assert (await ingest.upload(b"more", call_id=CALL)).status_code == 202
    assert (await ingest.upload(b"new", call_id="new")).status_code == 202
    assert {each["call_id"] for each in (await acme.get("/v1/recordings")).json()["items"]} == {RECORDED, CALL}


async def test_an_object_of_the_store_is_not_had_by_its_url(
    ingest: Ingest, acme: httpx.AsyncClient, other: httpx.AsyncClient
) -> None:
    """Whose it is does not show there: a tenant gets the same answer as for an object of another store."""
    uploaded = await acme.post("/v1/recordings", files={"file": ("a.wav", b"audio", "audio/wav")})
    (row,) = await ingest.rows(recordings)
    assert uploaded.status_code == 202
    for tenant in ("acme", "other"):
        with pytest.raises(ForeignUrl):
            await ingest.intake.accept_link(Link.model_construct(url=row.url), door=Door.REST, caller=Caller(tenant, tenant))


async def test_two_tenants_may_have_keys_of_one_name(ingest: Ingest) -> None:
    """The idempotency keys of the one are nothing to the other."""
    for tenant in ("acme", "other", "crm"):
        caller, link = Caller("crm", tenant), Link(url="https://a.example/a.wav", call_id=f"call-of-{tenant}")
        row = await ingest.intake.accept_link(link, door=Door.REST, caller=caller, key=ClientKey(client=caller, key="one"))
        again = await ingest.intake.accept_link(link, door=Door.REST, caller=caller, key=ClientKey(client=caller, key="one"))
        assert (row.tenant, again.recording_id) == (tenant, row.recording_id)


async def test_a_key_that_sees_everything_no_more_is_told_nothing(ingest: Ingest) -> None:
    """What became of the idempotency keys of its name then belongs to no tenant."""
    link = Link(url="https://a.example/a.wav", call_id="first")
    before, now = Caller("crm", everything=True), Caller("crm", "crm")
    await ingest.intake.accept_link(link, door=Door.REST, caller=before, key=ClientKey(client=before, key="one"))
    with pytest.raises(KeyReused) as reused:
        await ingest.intake.accept_link(
            link.model_copy(update={"call_id": "second"}), door=Door.REST, caller=now, key=ClientKey(client=now, key="one")
        )
    (row,) = await ingest.rows(recordings)
    assert row.recording_id not in str(reused.value)


async def test_kafka_is_told_whose_it_is(ingest: Ingest, theirs: dict[str, str]) -> None:
    """The records of the recording, the call and the webhook name the tenant."""
    records = [CODEC.decode(row.value) for row in await ingest.rows(outbox)]
    assert {type(record).__name__ for record in records} == {"CallState", "RecordingSubmitted", "WebhookState"}
    assert {record.model_dump()["tenant"] for record in records} == {"acme"}


async def test_a_call_that_began_before_there_were_tenants_is_known_again(ingest: Ingest) -> None:
    """Its start in the log has neither tenant nor writer, nor asks it anything of the engine, and is the same start."""
    started = call_started("old")
    text = started.model_dump_json(exclude={"started_at", "tenant", "writer", "recognition"})
    as_it_was = hashlib.sha256(f"{started.started_at.timestamp():.6f} {text}".encode()).hexdigest()
    assert fingerprint(started) == as_it_was
    assert fingerprint(call_started("old", tenant="acme")) != as_it_was


async def test_of_two_tenants_that_use_an_id_at_once_one_has_it(ingest: Ingest) -> None:
    """By recordings and calls, ten at a time: everything that was taken by an id is of one tenant."""

    async def recorded(number: int, tenant: str) -> None:
        link = Link(url=f"https://{tenant}.example/{number}.wav", call_id=f"call-{number}")
        await ingest.intake.accept_link(link, door=Door.REST, caller=Caller(tenant, tenant))

    async def called(number: int, tenant: str) -> None:
        started = call_started(f"call-{number}", tenant=tenant)
        await ingest.calls.begin(started, door="stream", instance="here", paused=False, chunk_ms=100)

    work = [way(number, tenant) for number in range(10) for way in (recorded, called) for tenant in ("acme", "other")]
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    assert all(outcome is None or isinstance(outcome, CallIdInUse) for outcome in outcomes)
    owners: dict[str, set[str]] = {}
    for row in (*await ingest.rows(recordings), *await ingest.rows(calls)):
        owners.setdefault(row.call_id, set()).add(row.tenant)
    assert [len(owners[f"call-{number}"]) for number in range(10)] == [1] * 10


@pytest.mark.parametrize(
    ("tenant", "owners"),
    [("", {"new": "", "acmes": "acme"}), ("acme", {"new": "acme", "acmes": "acme"}), ("other", {"new": "other"})],
)
async def test_a_folder_drops_for_its_tenant(
    ingest: Ingest, theirs: dict[str, str], tmp_path: Path, tenant: str, owners: dict[str, str]
) -> None:
    """A folder of nobody's adds to whoever's call it is; one of a tenant to no other's, and says so beside the file."""
    now = 0.0
    drop = tmp_path / "drop"
    drop.mkdir()
    for name, call_id in (("new", "new"), ("acmes", CALL)):
        (drop / f"{name}.wav").write_bytes(name.encode())
        (drop / f"{name}.json").write_text(json.dumps({"call_id": call_id, "properties": {"name": name}}))
    folder = WatchedFolder(drop, ingest.intake, poll_seconds=3600, settle_seconds=2, tenant=tenant, clock=lambda: now)
    await folder.scan()
    now = 2.0
    await folder.scan()
    dropped = [row for row in await ingest.rows(recordings) if row.door == "folder"]
    assert {row.properties["name"]: row.tenant for row in dropped} == owners
    reasons = [path.read_text() for path in drop.rglob("*.reason.txt")]
    assert reasons == ([] if "acmes" in owners else [f"the call id {CALL} cannot be used; give each call its own id\n"])
