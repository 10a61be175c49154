"""Schemas and their ids: which .avsc a record is written with, and which one a schema id on the wire names.

The ids come from a provider: the shipped `schemas/ids.json` (no server needed), or a registry with the Confluent API
(`steno.events.registry`).
"""

import json
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Protocol, cast

from fastavro.schema import parse_schema

from steno.errors import Permanent

Schema = dict[str, Any]

# The shipped ids are counted up: those of a newer version are among the next ones.
_TO_COME = 100


def schemas_folder() -> Traversable:
    """The folder of the contract with the world: records, frozen versions, ids, topic catalogue."""
    return files("steno") / "schemas"


def load_schema(record_name: str) -> Schema:
    """The current schema of a record, parsed."""
    return parse(json.loads((schemas_folder() / "records" / f"{record_name}.avsc").read_text("utf-8")))


def frozen_schemas(record_name: str) -> list[Schema]:
    """The published versions of a record's schema as they stand in their files, oldest first."""
    folder = schemas_folder()
    versions = sorted(entry["version"] for entry in published_ids().values() if entry["record"] == record_name)
    return [json.loads((folder / "versions" / f"{record_name}.v{version}.avsc").read_text("utf-8")) for version in versions]


def published_ids() -> dict[int, dict[str, Any]]:
    """The shipped `ids.json`: schema id to record name, version and digest of the frozen file."""
    entries = json.loads((schemas_folder() / "ids.json").read_text("utf-8"))
    return {int(schema_id): entry for schema_id, entry in entries.items()}


def parse(schema: Schema) -> Schema:
    """A schema ready for fastavro, its names private to it (two schemas may both define `steno.Role`)."""
    return cast(Schema, parse_schema(schema, named_schemas={}))


class UnknownSchema(Permanent):
    """No schema is known for an id on the wire."""

    error_class = "unknown_schema"

    def __init__(self, schema_id: int, *, is_newer: bool = False) -> None:
        """`is_newer`: a version of Steno that is newer than this one may write with it."""
        super().__init__(
            f"schema id {schema_id} is known neither to the shipped schemas nor to a registry; "
            "upgrade this consumer, or set STENO_SCHEMA_REGISTRY_URL to the registry the producer used"
        )
        self.schema_id = schema_id
        self.is_newer = is_newer


class SchemaIds(Protocol):
    """Where schema ids come from."""

    def id_of(self, record_name: str) -> int:
        """The id that records of this name are written with."""

    def schema_of(self, schema_id: int) -> Schema:
        """The parsed writer schema of an id.

        Raises:
            UnknownSchema: the id has not been met; `learn` may find it.
        """

    async def learn(self, schema_id: int) -> None:
        """Looks an unknown id up, so that `schema_of` knows it afterwards.

        Raises:
            UnknownSchema: nobody knows it.
            Retryable: the registry did not answer.
        """


class ShippedSchemaIds:
    """The ids of `schemas/ids.json`, whose frozen schemas are in `schemas/versions/`."""

    def __init__(self) -> None:
        self._schemas: dict[int, Schema] = {}
        self._ids: dict[str, int] = {}
        for schema_id, entry in sorted(published_ids().items()):
            record, version = entry["record"], entry["version"]
            self._schemas[schema_id] = parse(frozen_schemas(record)[version - 1])
            self._ids[record] = schema_id

    def id_of(self, record_name: str) -> int:
        return self._ids[record_name]

    def schema_of(self, schema_id: int) -> Schema:
        try:
            return self._schemas[schema_id]
        except KeyError:
            newest = max(self._schemas)
            raise UnknownSchema(schema_id, is_newer=newest < schema_id <= newest + _TO_COME) from None

    async def learn(self, schema_id: int) -> None:
        self.schema_of(schema_id)
