"""Schema ids from a registry with the Confluent API (Confluent's own, Apicurio, Karapace, Redpanda).

Services look ids up and never register: a deployment does that once, and again after an upgrade, with

    python -m steno.events.registry --register https://user:password@registry.example

Source: Confluent Schema Registry API reference, v1: `POST /subjects/{subject}`, `POST /subjects/{subject}/versions`,
`GET /schemas/ids/{id}`. Subjects are named after records (RecordNameStrategy), as topics carry several.
"""

import argparse
import asyncio
import base64
import json
import sys
from collections.abc import Sequence
from typing import Any

import aiohttp
from fastavro.schema import SchemaParseException
from yarl import URL

from steno.errors import Permanent, Retryable, StenoError
from steno.events.records import RECORDS
from steno.events.schemas import Schema, SchemaIds, ShippedSchemaIds, UnknownSchema, frozen_schemas, parse
from steno.settings import SchemaSettings

_MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
_TIMEOUT = aiohttp.ClientTimeout(total=10)


class RegistryUnavailable(Retryable):
    """The registry did not answer, or not as a registry does."""

    error_class = "registry_unavailable"


class NotRegistered(Permanent):
    """The registry does not have a schema that this version of Steno writes with."""

    error_class = "schema_not_registered"


class RegistrationRefused(Permanent):
    """The registry would not take a schema."""

    error_class = "schema_refused"


class UnusableSchema(Permanent):
    """The registry has the id, but its schema is not a record in Avro."""

    error_class = "unusable_schema"


class RegistrySchemaIds:
    """The ids that a registry gave our schemas, and on demand the schemas of others.

    `start` must have returned before the first `id_of`. Ids that `learn` found are kept: a registry never changes one.
    """

    def __init__(self, url: str) -> None:
        """
        Args:
            url: Base of the API, e.g. `https://registry.example/apis/ccompat/v7`; user and password may stand in it.
        """
        whole = URL(url.rstrip("/"))
        self._url = whole.with_user(None)
        self._headers = {"Accept": _MEDIA_TYPE, "Content-Type": _MEDIA_TYPE}
        if whole.user:
            credentials = f"{whole.user}:{whole.password or ''}".encode()
            self._headers["Authorization"] = "Basic " + base64.b64encode(credentials).decode()
        self._ids: dict[str, int] = {}
        self._schemas: dict[int, Schema] = {}

    async def start(self, *, register: bool = False) -> None:
        """Looks the id of every current schema up.

        Args:
            register: Register every frozen version first, oldest first; a version that is there already keeps its id.

        Raises:
            NotRegistered: a schema is not there.
            RegistrationRefused: the registry does not take a schema, for compatibility with what it has, say.
            RegistryUnavailable: no answer, or refused credentials.
        """
        async with self._session() as session:
            for record in RECORDS:
                versions = frozen_schemas(record)
                for schema in versions if register else ():
                    await self._register(session, record, schema)
                schema_id = await self._look_up(session, record, versions[-1])
                self._ids[record] = schema_id
                self._schemas[schema_id] = parse(versions[-1])

    def id_of(self, record_name: str) -> int:
        return self._ids[record_name]

    def schema_of(self, schema_id: int) -> Schema:
        try:
            return self._schemas[schema_id]
        except KeyError:
            raise UnknownSchema(schema_id) from None

    async def learn(self, schema_id: int) -> None:
        async with self._session() as session:
            status, answer = await self._call(session, "GET", "schemas", "ids", str(schema_id))
        if status == 404:
            raise UnknownSchema(schema_id)
        self._schemas[schema_id] = _usable(schema_id, self._checked(status, answer))

    async def _register(self, session: aiohttp.ClientSession, record: str, schema: Schema) -> None:
        status, answer = await self._call(session, "POST", "subjects", _subject(record), "versions", schema=schema)
        if status in (409, 422):
            raise RegistrationRefused(
                f"the registry refuses {_subject(record)}: {answer.get('message', answer)}; "
                "does another program register under the same subject?"
            )
        self._checked(status, answer)

    async def _look_up(self, session: aiohttp.ClientSession, record: str, schema: Schema) -> int:
        status, answer = await self._call(session, "POST", "subjects", _subject(record), schema=schema)
        if status == 404:
            raise NotRegistered(
                f"the registry at {self._url} does not have the current schema of {_subject(record)}; "
                "register it once: python -m steno.events.registry --register URL"
            )
        schema_id = self._checked(status, answer).get("id")
        if not isinstance(schema_id, int):
            raise RegistryUnavailable(f"the registry at {self._url} answered without an id: {answer}")
        return schema_id

    def _checked(self, status: int, answer: dict[str, Any]) -> dict[str, Any]:
        if status == 200:
            return answer
        hint = "; check the user and password in STENO_SCHEMA_REGISTRY_URL" if status in (401, 403) else ""
        raise RegistryUnavailable(f"the registry at {self._url} answered {status}: {answer.get('message', '')}{hint}")

    async def _call(
        self, session: aiohttp.ClientSession, method: str, *path: str, schema: Schema | None = None
    ) -> tuple[int, dict[str, Any]]:
        body = None if schema is None else {"schema": json.dumps(schema), "schemaType": "AVRO"}
        try:
            async with session.request(method, self._url.joinpath(*path), json=body) as response:
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise RegistryUnavailable(f"the registry at {self._url} did not answer: {error or 'timeout'}") from error
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise RegistryUnavailable(f"{self._url} answered {response.status}, but not as a schema registry: {text[:200]}")
        return response.status, answer

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(headers=self._headers, timeout=_TIMEOUT)


async def schema_ids(settings: SchemaSettings) -> SchemaIds:
    """Where a service gets its schema ids: the registry of the settings, ready to use, or the shipped file without one.

    Raises:
        NotRegistered: the registry lacks a schema.
        RegistryUnavailable: the registry is away.
    """
    if settings.registry_url is None:
        return ShippedSchemaIds()
    registry = RegistrySchemaIds(settings.registry_url.get_secret_value())
    await registry.start()
    return registry


def _subject(record: str) -> str:
    return f"steno.{record}"


def _usable(schema_id: int, answer: dict[str, Any]) -> Schema:
    kind = answer.get("schemaType", "AVRO")
    try:
        if kind != "AVRO":
            raise UnusableSchema(f"schema id {schema_id} is {kind}, not Avro; publish with the schemas of Steno")
        schema = json.loads(answer["schema"])
        if not isinstance(schema, dict) or schema.get("type") != "record":
            raise UnusableSchema(f"schema id {schema_id} is not a record; publish with the schemas of Steno")
        return parse(schema)
    except (KeyError, TypeError, ValueError, RecursionError, SchemaParseException) as error:
        raise UnusableSchema(f"schema id {schema_id} is not a schema this program can read: {error!r}") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: registers what is missing and prints the ids; 1 when the registry refuses or is away."""
    parser = argparse.ArgumentParser(prog="python -m steno.events.registry", description=str(__doc__).splitlines()[0])
    parser.add_argument("--register", metavar="URL", required=True, help="the registry; user and password may stand in it")
    registry = RegistrySchemaIds(parser.parse_args(arguments).register)
    try:
        asyncio.run(registry.start(register=True))
    except StenoError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for record in RECORDS:
        sys.stdout.write(f"{registry.id_of(record)}\t{_subject(record)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
