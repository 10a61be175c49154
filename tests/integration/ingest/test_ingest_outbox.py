"""The outbox and its relay: accepted is published, in order, whatever is killed when."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from steno_ingest.balance import read_balance
from steno_ingest.leader import Leader
from steno_ingest.outbox import Relay, Sender
from steno_ingest.recordings.states import State
from steno_ingest.recordings.tables import recordings
from steno_ingest.refusals import Refusals
from steno_ingest.tables import outbox, outbox_refused
from support.callers import OPERATOR
from support.calls import call_started
from support.ingest import CODEC, Ingest, Wire, problem, running_ingest

from steno.events.records import CallStatus, RecordingCancelled, RecordingSubmitted, TranscriptFailed, WebhookState
from steno.kafka.errors import KafkaUnavailable, RecordRefused
from steno.storage import database


def relay_of(ingest: Ingest, sender: Sender, *, poll_seconds: float = 3600) -> Relay:
    """A relay that looks again only when it is woken."""
    told = Refusals(ingest.ledger, ingest.calls).record
    return Relay(ingest.outbox, ingest.engine, sender, on_refused=told, poll_seconds=poll_seconds)


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[None]:
    task = asyncio.create_task(relay.run())
    try:
        yield
    finally:
        await relay.stop()
        await asyncio.wait_for(task, 30)


async def came(wire: Wire, count: int) -> None:
    """Waits until so much was sent."""
    async with asyncio.timeout(30):
        while len(wire.sent) < count:
            wire.came.clear()
            await wire.came.wait()


async def test_a_commit_wakes_the_relay(ingest: Ingest) -> None:
    """What is accepted while the relay waits is sent at once, not at its next look an hour later."""
    wire = Wire()
    async with running(relay_of(ingest, wire)):
        for number in range(3):
            answer = (await ingest.upload(b"audio", call_id=f"call-{number}")).json()
            await came(wire, number + 1)
            record = wire.sent[-1].record
            assert isinstance(record, RecordingSubmitted)
            assert (wire.sent[-1].topic, wire.sent[-1].key) == ("recordings", f"call-{number}")
            assert record.recording_id == answer["recording_id"]
            assert wire.sent[-1].headers["ce_type"] == "steno.RecordingSubmitted"
    assert await ingest.rows(outbox) == []
    assert all(row.published_at is not None for row in await ingest.rows(recordings))


async def test_a_crash_after_the_commit_loses_nothing(tmp_path: Path, database_url: str) -> None:
    """What was accepted by a process that died before its relay ran is published once by the next."""
    async with running_ingest(tmp_path, database_url) as first:
        answer = (await first.upload(b"audio", call_id="call-1")).json()
    wire = Wire()
    async with running_ingest(tmp_path, database_url) as second:
        async with running(relay_of(second, wire)):
            await came(wire, 1)
        async with running(relay_of(second, wire)):
            pass
        assert await second.rows(outbox) == []
        assert (await read_balance(second.engine, OPERATOR)).balanced
    (sent,) = wire.sent
    assert isinstance(sent.record, RecordingSubmitted)
    assert sent.record.recording_id == answer["recording_id"]


async def test_a_crash_before_the_mark_sends_the_same_again(ingest: Ingest) -> None:
    """Killed when Kafka had it and the row was still there: it is sent again, byte for byte, and the ledger stays as it was."""
    await ingest.upload(b"audio", call_id="call-1")
    first, second = Wire(), Wire()
    dying = relay_of(ingest, first)
    publishing = asyncio.create_task(_die_after_send(dying, first))
    with pytest.raises(asyncio.CancelledError):
        await publishing
    assert len(first.sent) == 1
    assert len(await ingest.rows(outbox)) == 1
    before = await ingest.rows(recordings)
    assert (await read_balance(ingest.engine, OPERATOR)).balanced
    async with running(relay_of(ingest, second)):
        await came(second, 1)
    assert (second.sent[0].value, second.sent[0].headers) == (first.sent[0].value, first.sent[0].headers)
    after = await ingest.rows(recordings)
    assert [(row.recording_id, row.state) for row in after] == [(row.recording_id, row.state) for row in before]
    assert (await read_balance(ingest.engine, OPERATOR)).balanced


async def _die_after_send(relay: Relay, wire: Wire) -> None:
    """Publishes, and ends at the very moment at which Kafka has acknowledged."""

    async def die(_rows: object) -> None:
        raise asyncio.CancelledError

    relay._delete = die  # type: ignore[assignment,method-assign]
    await relay.publish_some()


async def test_kafka_away_does_not_close_the_door(ingest: Ingest) -> None:
    """POST still answers 202; what came in is sent in order when Kafka is back, and is not in doubt meanwhile."""
    wire = Wire()
    wire.away = True
    relay = relay_of(ingest, wire)
    for number in range(5):
        assert (await ingest.upload(b"audio", call_id=f"call-{number}")).status_code == 202
    with pytest.raises(KafkaUnavailable):
        await relay.publish_some()
    assert len(await ingest.rows(outbox)) == 5
    assert (await read_balance(ingest.engine, OPERATOR)).balanced
    wire.away = False
    async with running(relay):
        await came(wire, 5)
    assert [sent.key for sent in wire.sent] == [f"call-{number}" for number in range(5)]


async def test_the_relay_goes_on_by_itself_after_a_failure(ingest: Ingest) -> None:
    """A failed attempt is followed by another without anyone waking the relay."""

    class Once(Wire):
        attempts = 0

        async def send_raw(self, *arguments: object, **rest: object) -> None:
            self.attempts += 1
            self.away = self.attempts == 1
            await super().send_raw(*arguments, **rest)  # type: ignore[arg-type]

    wire = Once()
    await ingest.upload(b"audio", call_id="call-1")
    async with running(relay_of(ingest, wire)):
        await came(wire, 1)
    assert wire.attempts == 2


async def test_what_is_of_one_key_keeps_its_order(ingest: Ingest) -> None:
    """When the first of a call fails, none of that call behind it is sent before it; other calls go on."""

    class Refusing(Wire):
        refused = False

        async def send_raw(self, *arguments: object, **rest: object) -> None:
            if rest["key"] == b"call-1" and not self.refused:
                self.refused = True
                raise KafkaUnavailable("not now")
            await super().send_raw(*arguments, **rest)  # type: ignore[arg-type]

    answer = (await ingest.upload(b"audio", call_id="call-1")).json()
    await ingest.upload(b"audio", call_id="call-2")
    await ingest.client.post(answer["links"]["cancel"])
    wire = Refusing()
    relay = relay_of(ingest, wire)
    with pytest.raises(KafkaUnavailable):
        await relay.publish_some()
    assert [sent.key for sent in wire.sent] == ["call-2"]
    async with running(relay):
        await came(wire, 3)
    assert [type(sent.record) for sent in wire.sent] == [RecordingSubmitted, RecordingSubmitted, RecordingCancelled]


class Narrow(Wire):
    """A Kafka that takes no values beyond a size."""

    most = 2000

    async def send_raw(self, *arguments: object, **rest: object) -> None:
        value = rest["value"]
        if isinstance(value, bytes) and len(value) > self.most:
            raise RecordRefused(f"a record of {len(value)} bytes is too large")
        await super().send_raw(*arguments, **rest)  # type: ignore[arg-type]


async def test_a_recording_whose_record_kafka_refuses_fails_and_the_others_go_on(ingest: Ingest) -> None:
    """Its row is set aside with the reason, later rows of its call are published, it ends failed, and the ledger balances."""
    refused = (await ingest.upload(b"audio", call_id="call-1", properties={"notes": "x" * 2048})).json()
    later = (await ingest.upload(b"other", call_id="call-1")).json()
    await ingest.upload(b"audio", call_id="call-2")
    wire = Narrow()
    relay = relay_of(ingest, wire)
    while await relay.publish_some():
        pass
    published = [sent.record for sent in wire.sent]
    assert {r.recording_id for r in published if isinstance(r, RecordingSubmitted)} >= {later["recording_id"]}
    (failed,) = [record for record in published if isinstance(record, TranscriptFailed)]
    assert (failed.recording_id, failed.error) == (refused["recording_id"], "record_refused")
    answer = (await ingest.client.get(refused["links"]["self"])).json()
    assert (answer["state"], answer["error"]) == (State.FAILED.value, "record_refused")
    assert "too large" in answer["reason"]
    assert await ingest.rows(outbox) == []
    (aside,) = await ingest.rows(outbox_refused)
    assert (aside.topic, aside.key, aside.recording_id) == ("recordings", "call-1", refused["recording_id"])
    record = CODEC.decode(aside.value)
    assert isinstance(record, RecordingSubmitted)
    assert record.properties == {"notes": "x" * 2048}
    assert (await read_balance(ingest.engine, OPERATOR)).balanced


async def test_a_refused_row_is_told_before_it_is_set_aside(ingest: Ingest) -> None:
    """Killed in between, the recording has failed once, and the row is set aside by the next relay."""
    refused = (await ingest.upload(b"audio", call_id="call-1", properties={"notes": "x" * 2048})).json()

    async def die(*_: object) -> None:
        await Refusals(ingest.ledger, ingest.calls).record(*_)  # type: ignore[arg-type]
        raise asyncio.CancelledError

    dying = Relay(ingest.outbox, ingest.engine, Narrow(), on_refused=die, poll_seconds=3600)
    with pytest.raises(asyncio.CancelledError):
        await dying.publish_some()
    wire = Narrow()
    relay = relay_of(ingest, wire)
    while await relay.publish_some():
        pass
    assert [type(sent.record) for sent in wire.sent] == [TranscriptFailed]
    assert len(await ingest.rows(outbox_refused)) == 1
    assert (await ingest.client.get(refused["links"]["self"])).json()["state"] == State.FAILED.value
    assert (await read_balance(ingest.engine, OPERATOR)).balanced


async def test_a_call_whose_state_kafka_refuses_goes_on(ingest: Ingest) -> None:
    """It is noted once in the call; the relay goes on with what follows."""
    await ingest.calls.begin(
        call_started("call-1", properties={"notes": "x" * 2048}), door="stream", instance="i", paused=False, chunk_ms=100
    )
    wire = Narrow()
    relay = relay_of(ingest, wire)
    while await relay.publish_some():
        pass
    assert wire.sent == []
    answer = (await ingest.client.get("/v1/calls/call-1")).json()
    assert answer["state"] == CallStatus.ACTIVE.value
    assert [event["kind"] for event in answer["events"]] == ["record_refused"]
    assert (await read_balance(ingest.engine, OPERATOR)).balanced


async def test_a_call_whose_end_kafka_refuses_fails(ingest: Ingest) -> None:
    """Nothing will ever end its log, so no transcript of it is awaited."""
    await ingest.calls.begin(call_started("call-1"), door="stream", instance="i", paused=False, chunk_ms=100)
    assert await ingest.calls.end_lost("call-1", instance="i", reason="lost", error="x" * 900)
    wire = Narrow()
    wire.most = 500
    relay = relay_of(ingest, wire)
    while await relay.publish_some():
        pass
    answer = (await ingest.client.get("/v1/calls/call-1")).json()
    assert (answer["state"], answer["error"]) == (CallStatus.FAILED.value, "record_refused")
    assert (await read_balance(ingest.engine, OPERATOR)).balanced


async def test_one_instance_at_a_time_publishes(tmp_path: Path, postgres_url: str) -> None:
    """On PostgreSQL the relay of one instance leads; when its connection ends, another takes over."""
    first, second = database.connect(postgres_url), database.connect(postgres_url)
    leading, waiting = Leader(first), Leader(second)
    assert await leading.lead()
    assert not await waiting.lead()
    assert await leading.lead()
    await leading.resign()
    assert await waiting.lead()
    assert not await leading.lead()
    await second.dispose()
    await waiting.resign()
    assert await leading.lead()
    await leading.resign()
    await first.dispose()


async def test_webhooks_go_their_way(ingest: Ingest) -> None:
    """Registered, changed, deleted: the row, its encrypted secret on the topic, a tombstone at the end."""
    created = await ingest.client.post("/v1/webhooks", json={"url": "https://hooks.example/a"})
    assert created.status_code == 201, created.text
    webhook = created.json()
    path = created.headers["location"]
    assert webhook["secret"].startswith("whsec_")
    assert "secret" not in (await ingest.client.get(path)).json()
    changed = await ingest.client.patch(path, json={"events": ["transcript.failed", "transcript.failed"], "enabled": False})
    assert (changed.json()["events"], changed.json()["enabled"]) == (["transcript.failed"], False)
    assert changed.json()["url"] == "https://hooks.example/a"
    given = "whsec_" + "A" * 32
    assert (await ingest.client.patch(path, json={"secret": given})).status_code == 200
    assert [item["webhook_id"] for item in (await ingest.client.get("/v1/webhooks")).json()["items"]] == [webhook["webhook_id"]]
    assert (await ingest.client.delete(path)).status_code == 204
    for method in ("GET", "DELETE", "PATCH"):
        problem(await ingest.client.request(method, path, json={} if method == "PATCH" else None), 404)

    wire = Wire()
    async with running(relay_of(ingest, wire)):
        await came(wire, 4)
    assert {sent.key for sent in wire.sent} == {webhook["webhook_id"]}
    assert wire.sent[-1].value is None
    states = [CODEC.decode(sent.value) for sent in wire.sent[:-1]]
    assert all(isinstance(state, WebhookState) for state in states)
    secrets = [ingest.box.decrypt(state.encrypted_secret).decode() for state in states if isinstance(state, WebhookState)]
    assert secrets == [webhook["secret"], webhook["secret"], given]
    assert not any(webhook["secret"].encode() in (sent.value or b"") for sent in wire.sent)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "body.url"),
        ({"url": "file:///x"}, "body.url"),
        ({"url": "https://user:pass@host/"}, "body.url"),
        ({"url": "https://host/", "events": ["call.rang"]}, "body.events.0"),
        ({"url": "https://host/", "secret": "short"}, "body.secret"),
        ({"url": "https://host/", "secret": "whsec_????"}, "body.secret"),
        ({"url": "https://host/", "colour": 1}, "body.colour"),
    ],
)
async def test_webhooks_that_are_not_valid_are_refused(ingest: Ingest, body: dict[str, object], where: str) -> None:
    """The problem names the field, and never repeats a secret."""
    refused = problem(await ingest.client.post("/v1/webhooks", json=body), 422)
    assert refused["errors"][0]["where"] == where
    assert "short" not in str(refused)
    assert "????" not in str(refused)
