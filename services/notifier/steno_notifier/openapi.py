"""Prints the OpenAPI document: `python -m steno_notifier.openapi`."""

import json
import sys
from datetime import UTC, datetime

from steno.http.auth import ApiKeys
from steno.storage import database
from steno_notifier.api import create_app
from steno_notifier.deliveries import Deliveries


def document() -> str:
    """The OpenAPI document of the notifier as JSON."""
    # Nothing is asked of the database: the routes alone make the document.
    deliveries = Deliveries(database.connect("sqlite://"), now=lambda: datetime.now(UTC), wake=lambda: None)
    return json.dumps(create_app(deliveries, ApiKeys(None)).openapi(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
