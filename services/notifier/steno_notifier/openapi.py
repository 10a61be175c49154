"""Prints the OpenAPI document: `python -m steno_notifier.openapi`."""

import json
import sys
from datetime import UTC, datetime

from fastapi import FastAPI

from steno.events.codec import Codec
from steno.events.schemas import ShippedSchemaIds
from steno.http.auth import ApiKeys
from steno.kafka import Cluster, FollowedKeys
from steno.settings import KafkaSettings, TopicSettings
from steno.storage import database
from steno_notifier.api import create_app
from steno_notifier.caption_streams import FOLLOWED, CaptionStreams
from steno_notifier.delivery_queries import DeliveryQueries


def application() -> FastAPI:
    """The application without connections or keys, to read its OpenAPI document from."""
    # Nothing is asked of the database or of Kafka: the routes alone make the document.
    deliveries = DeliveryQueries(database.connect("sqlite://"), now=lambda: datetime.now(UTC), wake=lambda: None)
    cluster = Cluster.of(KafkaSettings(), TopicSettings(), Codec(ShippedSchemaIds()), service="notifier")
    captions = CaptionStreams(cluster, FollowedKeys(cluster, FOLLOWED), most_readers=1, holds=lambda _: False)
    return create_app(deliveries, captions, ApiKeys(None))


def document() -> str:
    """The OpenAPI document of the notifier as JSON."""
    return json.dumps(application().openapi(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
