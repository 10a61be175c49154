"""Ingest in this process: its ledger on a real database, and its REST API without a network; Kafka only if a test adds it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncEngine
from steno_ingest.calls.hosting.control import HostedCalls, NoHostedCalls
from steno_ingest.calls.ledger.call_ledger import CallLedger
from steno_ingest.outbox import Outbox
from steno_ingest.recordings.intake import Intake
from steno_ingest.recordings.ledger import RecordingLedger
from steno_ingest.recordings.results import Results
from steno_ingest.recordings.transcripts import TranscriptReader
from steno_ingest.rest.app import Dependencies, make_app
from steno_ingest.webhooks import Webhooks

from steno.crypto import SecretBox, make_secret_key
from steno.events.catalogue import Topic
from steno.events.codec import Codec
from steno.events.records import Record
from steno.events.schemas import ShippedSchemaIds
from steno.http.auth import ApiKeys, key_line
from steno.kafka.errors import KafkaUnavailable
from steno.kafka.producer import Headers, Producer
from steno.settings import KafkaSettings, TopicSettings
from steno.storage import database
from steno.storage.objects import ObjectStore

CODEC = Codec(ShippedSchemaIds())
KEY = "steno_test"
MAX_BYTES = 3 << 20


@dataclass(kw_only=True)
class Sent:
    """A record sent to Kafka."""

    topic: str
    key: str
    value: bytes | None
    headers: dict[str, str]

    @property
    def record(self) -> Record | None:
        return None if self.value is None else CODEC.decode(self.value)


class Wire:
    """Keeps the records that the relay sends; may be made unavailable."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.away = False
        #: Set at each sent record.
        self.came = asyncio.Event()

    async def send_raw(self, topic: Topic, *, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        if self.away:
            raise KafkaUnavailable("the wire is cut")
        assert key is not None
        self.sent.append(
            Sent(topic=topic.name, key=key.decode(), value=value, headers={name: text.decode() for name, text in headers})
        )
        self.came.set()


@dataclass(kw_only=True)
class Ingest:
    """The parts of ingest, and a client with a key."""

    engine: AsyncEngine
    objects: ObjectStore
    folder: Path
    outbox: Outbox
    ledger: RecordingLedger
    calls: CallLedger
    intake: Intake
    results: Results
    webhooks: Webhooks
    box: SecretBox
    app: FastAPI
    client: httpx.AsyncClient
    #: A client without a key.
    stranger: httpx.AsyncClient

    async def upload(
        self, audio: bytes, *, name: str = "call.wav", headers: dict[str, str] | None = None, **metadata: Any
    ) -> Any:
        """POSTs a recording; returns the response."""
        files: dict[str, Any] = {"file": (name, audio, "audio/wav")}
        if metadata:
            files["metadata"] = (None, json.dumps(metadata), "application/json")
        return await self.client.post("/v1/recordings", files=files, headers=headers)

    async def rows(self, table: Table) -> list[Any]:
        """Returns all rows of a table."""
        async with self.engine.connect() as connection:
            return list((await connection.execute(select(table))).all())

    def kept(self) -> list[str]:
        """Returns the keys of all objects in the store."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())


@asynccontextmanager
async def running_ingest(
    folder: Path, database_url: str, *, producer: Producer | None = None, hosted: HostedCalls | None = None
) -> AsyncIterator[Ingest]:
    """Makes ingest with its tables; the test starts consumers and the relay."""
    engine = database.connect(database_url)
    await database.migrate(engine, "steno_ingest")
    objects = ObjectStore((folder / "objects").as_uri())
    outbox = Outbox(producer or Producer(KafkaSettings(), TopicSettings(), CODEC, source="ingest"))
    ledger = RecordingLedger(engine, outbox)
    calls = CallLedger(engine, outbox)
    intake = Intake(ledger, objects, max_bytes=MAX_BYTES)
    box = SecretBox(SecretStr(make_secret_key()))
    webhooks = Webhooks(engine, outbox, box)
    keys = folder / "api-keys"
    keys.write_text(key_line("tester", KEY, tenant="*") + key_line("other", KEY + "2") + key_line("acme", KEY + "3"), "utf-8")
    app = make_app(
        Dependencies(
            keys=ApiKeys(keys),
            intake=intake,
            ledger=ledger,
            reader=TranscriptReader(objects),
            webhooks=webhooks,
            calls=calls,
            hosted=hosted or NoHostedCalls(),
            objects=objects,
            engine=engine,
        )
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://ingest", headers={"X-Api-Key": KEY}) as client,
        httpx.AsyncClient(transport=transport, base_url="http://ingest") as stranger,
    ):
        yield Ingest(
            engine=engine,
            objects=objects,
            folder=folder / "objects",
            outbox=outbox,
            ledger=ledger,
            calls=calls,
            intake=intake,
            results=Results(ledger, calls),
            webhooks=webhooks,
            box=box,
            app=app,
            client=client,
            stranger=stranger,
        )
    await engine.dispose()


def problem(response: Any, status: int) -> dict[str, Any]:
    """Returns the problem document of a response, after checking its status."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["status"] == status
    assert document["detail"]
    return document
