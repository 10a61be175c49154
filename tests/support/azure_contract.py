"""Azure's own description of its batch API, where it is there: requests and answers are held against it."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

CONTRACTS = Path(__file__).resolve().parents[3] / "shared" / "contracts"
"""Beside the repository; tests run without it, too."""

_DESCRIPTIONS = {
    "v3.2": "speechtotext-v3.2/speechtotext.json",
    "2024-11-15": "speechtotext-2024-11-15/speechtotext.2024-11-15.subset.json",
}
_RESULTS = {
    "v3.2": "transcriptionresult_v3_2.schema.json",
    "2024-11-15": "transcriptionresult_v2024-11-15.schema.json",
}


@cache
def _validator(version: str, definition: str) -> Any:
    path = CONTRACTS / _DESCRIPTIONS[version]
    if not path.exists():
        return None
    definitions = json.loads(path.read_text("utf-8-sig"))["definitions"]
    return jsonschema_rs.Draft4Validator({"$ref": f"#/definitions/{definition}", "definitions": definitions})


@cache
def _result_validator(version: str) -> Any:
    folder = CONTRACTS / "result-schema"
    if not folder.exists():
        return None
    schemas = {path.name: json.loads(path.read_text("utf-8-sig")) for path in folder.glob("*.json")}
    resources = [(schema["$id"], schema) for schema in schemas.values()]
    return jsonschema_rs.Draft7Validator(schemas[_RESULTS[version]], registry=jsonschema_rs.Registry(resources))


def check(version: str, definition: str, value: object) -> None:
    """Fails where a value is not what the description of a version says of a definition; empty fields count as absent."""
    if (validator := _validator(version, definition)) is not None:
        validator.validate(_without_nulls(value))


def check_result(version: str, value: object) -> None:
    """Fails where a result file is not what its schema says."""
    if (validator := _result_validator(version)) is not None:
        validator.validate(value)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
