"""Ids from a registry with the Confluent API.

No such registry can be installed without its container, so a small server answers the calls as Confluent's API reference says
(`support.registry`), and Confluent's own client library reads and writes the same frames through it.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from io import StringIO

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient, record_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from pydantic import SecretStr
from support.records import PHRASE
from support.registry import StandInRegistry, stand_in_registry

from steno.events import registry as command
from steno.events.codec import Codec
from steno.events.records import RECORDS
from steno.events.registry import (
    NotRegistered,
    RegistrationRefused,
    RegistrySchemaIds,
    RegistryUnavailable,
    UnusableSchema,
    schema_ids,
)
from steno.events.schemas import ShippedSchemaIds, UnknownSchema, frozen_schemas
from steno.settings import SchemaSettings


@pytest.fixture
async def registry() -> AsyncIterator[StandInRegistry]:
    """A stand-in registry that knows nothing yet."""
    async with stand_in_registry() as running:
        yield running


async def ready(registry: StandInRegistry) -> RegistrySchemaIds:
    """Our provider, with all schemas registered."""
    ids = RegistrySchemaIds(registry.url)
    await ids.start(register=True)
    return ids


async def test_registering_gives_every_record_an_id(registry: StandInRegistry) -> None:
    """Each record has a subject of its own, by the strategy of record names."""
    ids = await ready(registry)
    assert set(registry.subjects) == {f"steno.{record}" for record in RECORDS}
    assert [ids.id_of(record) for record in RECORDS] == [registry.subjects[f"steno.{record}"][-1] for record in RECORDS]


async def test_registering_twice_changes_nothing(registry: StandInRegistry) -> None:
    """A deployment may run the command as often as it likes."""
    await ready(registry)
    before = json.dumps([registry.subjects, registry.schemas])
    await ready(registry)
    assert json.dumps([registry.subjects, registry.schemas]) == before


async def test_a_service_never_registers(registry: StandInRegistry) -> None:
    """Where a schema is missing, a service says what to run."""
    with pytest.raises(NotRegistered, match=r"python -m steno\.events\.registry --register"):
        await RegistrySchemaIds(registry.url).start()
    assert registry.subjects == {}
    assert not any(request.endswith("/versions") for request in registry.requests)


async def test_a_started_service_writes_with_the_registrys_ids(registry: StandInRegistry) -> None:
    """The factory of the services gives a provider that is ready."""
    await ready(registry)
    codec = Codec(await schema_ids(SchemaSettings(registry_url=SecretStr(registry.url))))
    value = codec.encode(PHRASE)
    assert int.from_bytes(value[1:5], "big") == registry.subjects["steno.Phrase"][-1]
    assert codec.decode(value) == PHRASE


async def test_without_a_registry_the_shipped_ids_are_used() -> None:
    """No setting, no server."""
    assert isinstance(await schema_ids(SchemaSettings(registry_url=None)), ShippedSchemaIds)


async def test_a_schema_met_on_the_way_is_learned(registry: StandInRegistry) -> None:
    """A newer producer's id is unknown until it is learned, and then read as ours."""
    codec = Codec(await ready(registry))
    newer = frozen_schemas("Phrase")[-1]
    newer["fields"].append({"name": "mood", "type": "string", "default": "calm", "doc": "New."})
    schema_id = registry.add("steno.Phrase", json.dumps(newer))
    written = codec.encode(PHRASE)
    value = b"\x00" + schema_id.to_bytes(4, "big") + written[5:] + b"\x0amerry"
    with pytest.raises(UnknownSchema):
        codec.decode(value)
    await codec.learn(schema_id)
    assert codec.decode(value) == PHRASE


async def test_an_id_that_nobody_knows_stays_unknown(registry: StandInRegistry) -> None:
    """The registry's 404 is final: there is nothing to wait for."""
    with pytest.raises(UnknownSchema):
        await (await ready(registry)).learn(7)


@pytest.mark.parametrize(
    ("schema", "kind"),
    [('"string"', "AVRO"), ("{", "AVRO"), ('{"type": "record"}', "AVRO"), ('syntax = "proto3";', "PROTOBUF")],
)
async def test_a_schema_that_is_no_avro_record_is_refused(registry: StandInRegistry, schema: str, kind: str) -> None:
    """An id may name anything; what is no record in Avro is put aside with a reason."""
    ids = await ready(registry)
    with pytest.raises(UnusableSchema, match="schema id"):
        await ids.learn(registry.add("others", schema, kind))


async def test_credentials_stand_in_the_url(registry: StandInRegistry) -> None:
    """User and password of the URL go into the header, and into no message."""
    registry.credentials = "ann:p@ss word"
    host = registry.url.removeprefix("http://")
    await RegistrySchemaIds(f"http://ann:p%40ss%20word@{host}").start(register=True)
    with pytest.raises(RegistryUnavailable, match="check the user and password") as caught:
        await RegistrySchemaIds(f"http://ann:wrong@{host}").start()
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize("instead", [(503, '{"message": "leader not known"}'), (200, "<html>hello</html>"), (200, "[]")])
async def test_a_registry_out_of_order_is_tried_again(registry: StandInRegistry, instead: tuple[int, str]) -> None:
    """Anything but an answer of a registry is worth another try."""
    ids = await ready(registry)
    registry.instead = instead
    with pytest.raises(RegistryUnavailable):
        await ids.learn(12345)


async def test_a_registry_that_is_away_is_tried_again() -> None:
    """Nobody listening is worth another try."""
    async with stand_in_registry() as gone:
        pass
    with pytest.raises(RegistryUnavailable):
        await RegistrySchemaIds(gone.url).start()


async def test_a_refused_registration_says_why(registry: StandInRegistry) -> None:
    """The registry's own reason reaches the person who deploys."""
    registry.instead = (409, '{"error_code": 409, "message": "incompatible with an earlier schema"}')
    with pytest.raises(RegistrationRefused, match="incompatible with an earlier schema"):
        await RegistrySchemaIds(registry.url).start(register=True)


async def test_the_command_registers_and_prints_the_ids(registry: StandInRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m steno.events.registry --register URL` does what a deployment needs."""
    out, err = StringIO(), StringIO()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", err)
    assert await asyncio.to_thread(command.main, ["--register", registry.url]) == 0
    assert f"{registry.subjects['steno.Phrase'][-1]}\tsteno.Phrase\n" in out.getvalue()
    registry.instead = (500, '{"message": "store is read-only"}')
    assert await asyncio.to_thread(command.main, ["--register", registry.url]) == 1
    assert "store is read-only" in err.getvalue()


async def test_confluents_deserializer_reads_our_frames(registry: StandInRegistry) -> None:
    """What we write, Confluent's library reads with nothing but the registry."""
    value = Codec(await ready(registry)).encode(PHRASE)

    def read() -> object:
        with SchemaRegistryClient({"url": registry.url}) as client:
            return AvroDeserializer(client)(value, SerializationContext("steno.phrases", MessageField.VALUE))

    assert await asyncio.to_thread(read) == PHRASE.model_dump(mode="json")


async def test_we_read_the_frames_of_confluents_serializer(registry: StandInRegistry) -> None:
    """What Confluent's library writes by the strategy of record names, we read."""
    ids = await ready(registry)
    schema = json.dumps(frozen_schemas("Phrase")[-1])
    settings = {"auto.register.schemas": False, "subject.name.strategy": record_subject_name_strategy}

    def write() -> bytes:
        with SchemaRegistryClient({"url": registry.url}) as client:
            serialize = AvroSerializer(client, schema, conf=settings)
            value: bytes = serialize(PHRASE.model_dump(), SerializationContext("steno.phrases", MessageField.VALUE))
            return value

    assert Codec(ids).decode(await asyncio.to_thread(write)) == PHRASE
