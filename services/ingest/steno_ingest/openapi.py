"""Prints the OpenAPI document of the REST API, sorted and stable: `python -m steno_ingest.openapi`."""

import json
import sys
from typing import Any

from fastapi import FastAPI
from pydantic import SecretStr

from steno.crypto import SecretBox, make_secret_key
from steno.events.codec import Codec
from steno.events.schemas import ShippedSchemaIds
from steno.http.auth import ApiKeys
from steno.kafka import Producer
from steno.settings import KafkaSettings, TopicSettings
from steno.storage import database
from steno.storage.objects import ObjectStore
from steno_ingest.calls.hosting.control import NoHostedCalls
from steno_ingest.calls.ledger.call_ledger import CallLedger
from steno_ingest.outbox import Outbox
from steno_ingest.recordings.intake import Intake
from steno_ingest.recordings.ledger import RecordingLedger
from steno_ingest.recordings.transcripts import TranscriptReader
from steno_ingest.rest.app import Dependencies, make_app
from steno_ingest.webhooks import Webhooks


def application() -> FastAPI:
    """Builds an application without connections and keys."""
    engine = database.connect("sqlite://")
    objects = ObjectStore("memory:///")
    outbox = Outbox(Producer(KafkaSettings(), TopicSettings(), Codec(ShippedSchemaIds()), source="ingest"))
    ledger = RecordingLedger(engine, outbox)
    dependencies = Dependencies(
        keys=ApiKeys(None),
        intake=Intake(ledger, objects, max_bytes=1),
        ledger=ledger,
        reader=TranscriptReader(objects),
        webhooks=Webhooks(engine, outbox, SecretBox(SecretStr(make_secret_key()))),
        calls=CallLedger(engine, outbox),
        hosted=NoHostedCalls(),
        objects=objects,
        engine=engine,
    )
    return make_app(dependencies)


def document() -> dict[str, Any]:
    """Returns the OpenAPI document of the REST API."""
    return application().openapi()


if __name__ == "__main__":
    json.dump(document(), sys.stdout, indent=2, sort_keys=True, ensure_ascii=False)
    sys.stdout.write("\n")
