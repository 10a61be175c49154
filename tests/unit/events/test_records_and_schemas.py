"""The typed records and their schemas say the same."""

import json
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from annotated_types import Ge, Le
from pydantic import AwareDatetime, BaseModel, ValidationError
from pydantic_core import PydanticUndefined

from steno.events.catalogue import catalogue
from steno.events.records import RECORDS, RecordingSubmitted
from steno.events.schemas import schemas_folder
from steno.events.values import Value

SCHEMAS = {name: json.loads((schemas_folder() / "records" / f"{name}.avsc").read_text("utf-8")) for name in RECORDS}


def avro_shape(annotation: Any) -> Any:
    """The Avro type that a field of a model must have; fields of records by name, so docs and defaults are looked at apart."""
    inner = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return avro_shape(inner[0])
    if get_origin(annotation) is Literal:
        return avro_shape(type(inner[0]))
    if get_origin(annotation) in (UnionType, Union):
        return ["null", avro_shape(inner[0])]
    if get_origin(annotation) is tuple:
        return {"array": avro_shape(inner[0])}
    if get_origin(annotation) is dict:
        return {"map": avro_shape(inner[1])}
    if annotation is AwareDatetime:
        return {"long": "timestamp-micros"}
    if issubclass(annotation, Value):
        return {"record": annotation.__name__, "fields": shape_of_model(annotation)}
    if issubclass(annotation, Enum):
        return {"enum": annotation.__name__, "symbols": [symbol.value for symbol in annotation]}
    return {str: "string", int: "integer", float: "double", bool: "boolean", bytes: "bytes"}[annotation]


def shape_of_model(model: type[BaseModel]) -> dict[str, Any]:
    """The fields of a model with their Avro types."""
    return {name: avro_shape(field.annotation) for name, field in model.model_fields.items()}


def shape_of_type(node: Any) -> Any:
    """An Avro type in the same form."""
    if isinstance(node, list):
        return [shape_of_type(branch) for branch in node]
    if node in ("int", "long"):
        return "integer"
    if isinstance(node, str):
        return node
    match node["type"]:
        case "array":
            return {"array": shape_of_type(node["items"])}
        case "map":
            return {"map": shape_of_type(node["values"])}
        case "enum":
            return {"enum": node["name"], "symbols": node["symbols"]}
        case "record":
            return {"record": node["name"], "fields": shape_of_schema(node)}
    return {node["type"]: node["logicalType"]}


def shape_of_schema(schema: Any) -> dict[str, Any]:
    """The fields of a schema with their types."""
    return {field["name"]: shape_of_type(field["type"]) for field in schema["fields"]}


def fields_of(model: type[BaseModel], schema: Any) -> list[tuple[str, Any, Any]]:
    """Every field, of nested records too: its path, what the model says and what the schema says."""
    found = []
    for field in schema["fields"]:
        path = f"{schema['name']}.{field['name']}"
        found.append((path, model.model_fields[field["name"]], field))
        annotation = model.model_fields[field["name"]].annotation
        inner = [part for part in get_args(annotation) if isinstance(part, type)]
        if inner and issubclass(inner[0], Value):
            found += fields_of(inner[0], field["type"]["items"])
        elif isinstance(annotation, type) and issubclass(annotation, Value):
            found += fields_of(annotation, field["type"])
    return found


FIELDS = [entry for name, model in RECORDS.items() for entry in fields_of(model, SCHEMAS[name])]
EACH_FIELD = pytest.mark.parametrize(("path", "modelled", "written"), FIELDS, ids=[entry[0] for entry in FIELDS])


@pytest.mark.parametrize("name", RECORDS)
def test_fields_have_the_same_names_order_and_types(name: str) -> None:
    """A model's fields are its schema's, one for one."""
    modelled, written = shape_of_model(RECORDS[name]), shape_of_schema(SCHEMAS[name])
    assert modelled == written
    assert list(modelled) == list(written)


@EACH_FIELD
def test_defaults_are_the_same(path: str, modelled: Any, written: Any) -> None:
    """A field that may be left out has the same default on both sides."""
    if modelled.default is PydanticUndefined:
        assert "default" not in written, path
    else:
        # Avro writes the default of bytes as a text, a code point a byte.
        default = modelled.default.decode("latin-1") if isinstance(modelled.default, bytes) else modelled.default
        assert json.loads(json.dumps(default, default=lambda value: value.model_dump(mode="json"))) == written["default"], path


@EACH_FIELD
def test_integers_stay_within_their_avro_type(path: str, modelled: Any, written: Any) -> None:
    """What a model accepts, Avro's int or long can hold."""
    if modelled.annotation is int:
        lowest = [entry.ge for entry in modelled.metadata if isinstance(entry, Ge)]
        highest = [entry.le for entry in modelled.metadata if isinstance(entry, Le)]
        assert lowest == [0], path
        assert len(highest) == 1, path
        assert highest[0] <= {"int": 2**31 - 1, "long": 2**63 - 1}[written["type"]], path


@EACH_FIELD
def test_every_field_is_described(path: str, modelled: Any, written: Any) -> None:
    """Every field says what it is, in a sentence."""
    assert modelled is not None
    assert written["doc"].endswith("."), path


@pytest.mark.parametrize("name", RECORDS)
def test_records_are_described_alike(name: str) -> None:
    """The model's docstring opens the schema's doc."""
    assert SCHEMAS[name]["doc"].startswith((RECORDS[name].__doc__ or "?").splitlines()[0])


def test_catalogue_names_every_record_once() -> None:
    """Each record stands on exactly one topic, and the topic's key is one of its fields."""
    named = [(topic, record) for topic in catalogue().values() for record in topic.records]
    assert sorted(record for _, record in named) == sorted(RECORDS)
    assert all(topic.key in RECORDS[record].model_fields for topic, record in named)


def test_a_url_may_be_as_long_as_a_signed_one() -> None:
    """Signed URLs of object stores are longer than an identifier; beyond 4096 characters it is refused."""
    assert RecordingSubmitted(call_id="c", url="https://e/" + "a" * 4086)
    with pytest.raises(ValidationError):
        RecordingSubmitted(call_id="c", url="https://e/" + "a" * 4087)
