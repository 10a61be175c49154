"""Live calls in ingest as it runs: what transcribers publish comes back by REST, and what REST asks gets onto Kafka."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.calls import CALL, NO_CALLS, call_ended, call_started, live_completed, live_phrase, live_started
from support.ingest_process import PARTITIONS, IngestProcess, eventually
from support.kafka import read_all

from steno.events.catalogue import CALL_AUDIO, PHRASES, TRANSCRIPTS
from steno.events.codec import Codec
from steno.events.records import CallEnded, CallStarted, CallState, Record, Role, RolesCorrected
from steno.events.schemas import ShippedSchemaIds
from steno.kafka.producer import Producer
from steno.settings import KafkaSettings, TopicSettings

CODEC = Codec(ShippedSchemaIds())
pytestmark = pytest.mark.timeout(240)


@asynccontextmanager
async def outside(servers: str, prefix: str) -> AsyncIterator[Producer]:
    """Transcribers and upstream systems."""
    topics = TopicSettings(prefix=prefix, partitions=PARTITIONS)
    producer = Producer(KafkaSettings(bootstrap_servers=servers), topics, CODEC, source="test")
    try:
        yield producer
    finally:
        await producer.stop()


async def test_a_call_is_followed_to_its_end(kafka: str, topic_prefix: str, tmp_path: Path, database_url: str) -> None:
    """Phrases come back as they are published, corrected roles go onto the log once, the end is told, the ledger balances."""

    async def on(topic: str, *kinds: type[Record]) -> list[Any]:
        records = [CODEC.decode(entry.value) for entry in await read_all(kafka, f"{topic_prefix}{topic}")]
        return [record for record in records if isinstance(record, kinds)]

    async with (
        IngestProcess(kafka, topic_prefix, tmp_path, database_url) as ingest,
        outside(kafka, topic_prefix) as producer,
    ):
        await ingest.ready()

        async def shown(call_id: str = CALL) -> dict[str, Any]:
            status, answer = await ingest.request("GET", f"/v1/calls/{call_id}")
            return dict(answer) if status == 200 else {}

        async def spoken() -> list[tuple[str, str]]:
            _, transcript = await ingest.request("GET", f"/v1/calls/{CALL}/transcript")
            return [(phrase["role"], phrase["text"]) for phrase in transcript["phrases"]]

        for call_id in (CALL, "closed"):
            await producer.send(CALL_AUDIO, call_started(call_id, started_at=datetime.now(UTC)))
        await eventually(shown)
        await eventually(lambda: shown("closed"))
        await producer.send(TRANSCRIPTS, live_started())
        for phrase in (live_phrase(0), live_phrase(1), live_phrase(0)):
            await producer.send(PHRASES, phrase)

        async def two_phrases() -> list[tuple[str, str]]:
            found = await spoken()
            return found if len(found) == 2 else []

        assert await eventually(two_phrases) == [("agent", "phrase number 0"), ("customer", "phrase number 1")]
        roles = {"channels": [{"channel": 0, "role": "customer"}, {"channel": 1, "role": "agent"}]}
        assert (await ingest.request("PUT", f"/v1/calls/{CALL}/roles", json=roles))[0] == 200
        assert await spoken() == [("customer", "phrase number 0"), ("agent", "phrase number 1")]
        (correction,) = await eventually(lambda: on("call-audio", RolesCorrected))
        assert [entry.role for entry in correction.channels] == [Role.CUSTOMER, Role.AGENT]
        assert (await ingest.request("POST", f"/v1/calls/{CALL}/pause"))[0] == 409
        assert (await ingest.request("POST", "/v1/calls/closed/end"))[0] == 202

        await producer.send(CALL_AUDIO, call_ended(position=0))
        await producer.send(TRANSCRIPTS, live_completed())
        await producer.send(TRANSCRIPTS, live_completed("closed", phrase_count=0))
        for call_id, state in ((CALL, "completed"), ("closed", "no_speech")):

            async def ended(call_id: str = call_id, state: str = state) -> bool:
                call = await shown(call_id)
                return call["state"] == state and call["ended_at"] is not None

            await eventually(ended)

        async def last_states() -> dict[str, CallState]:
            states = {state.call_id: state for state in await on("calls", CallState)}
            return states if all(state.ended_at and state.current_recording_id for state in states.values()) else {}

        states = await eventually(last_states)
        assert {call_id: (state.state.value, state.roles_revision) for call_id, state in states.items()} == {
            CALL: ("completed", 1),
            "closed": ("no_speech", 0),
        }
        log = await on("call-audio", CallStarted, RolesCorrected, CallEnded)
        assert sorted((record.call_id, type(record).__name__) for record in log) == [
            (CALL, "CallEnded"),
            (CALL, "CallStarted"),
            (CALL, "RolesCorrected"),
            ("closed", "CallEnded"),
            ("closed", "CallStarted"),
        ]
        _, ledger = await ingest.request("GET", "/v1/ledger")
        assert ledger["calls"] == {**NO_CALLS, "accepted": 2, "completed": 1, "no_speech": 1}
        assert (ledger["balanced"], ledger["accepted"]) == (True, 0)
        assert await read_all(kafka, f"{topic_prefix}dead-letters") == []
        assert await ingest.stop() == 0
