"""Whether versions of a schema hold together: full-transitive, by Apache Avro's own checker, plus what it does not see.

For the publisher (`steno.events.publish`) and tests; no service imports it, for `avro` is a development dependency.

Source: Apache Avro 1.12 specification, "Schema Resolution"; Confluent "Schema Evolution and Compatibility", FULL_TRANSITIVE.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import permutations
from typing import Any

from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import parse

from steno.events.schemas import Schema

# Avro promotes within a family (int to long, bytes to string), so a logical type is compared within it.
_FAMILIES = {"int": "number", "long": "number", "float": "number", "double": "number", "bytes": "text", "string": "text"}
_LOGICAL_ATTRIBUTES = ("logicalType", "precision", "scale")


def incompatibilities(versions: Mapping[int, Schema]) -> list[str]:
    """What breaks between any two versions of one record, in either direction; empty when every version reads every other."""
    found = []
    for reader, writer in permutations(sorted(versions), 2):
        found += [f"v{reader} cannot read v{writer}: {problem}" for problem in _unreadable(versions[reader], versions[writer])]
        if reader < writer:
            found += [f"between v{reader} and v{writer}: {p}" for p in _logical_changes(versions[reader], versions[writer])]
    return found


def rule_violations(schema: Schema) -> list[str]:
    """What a single schema lacks to evolve later: every enum needs a default symbol for readers that meet a newer one."""
    return [
        f"enum {node['name']} at {path or '/'} needs a default symbol, so that old readers can read new symbols"
        for path, node in _types(schema, "")
        if node["type"] == "enum" and "default" not in node
    ]


def _unreadable(reader: Schema, writer: Schema) -> list[str]:
    checker: Any = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]  # avro ships types, but not for this
    result = checker.get_compatibility(parse(json.dumps(reader)), parse(json.dumps(writer)))
    if result.compatibility is SchemaCompatibilityType.compatible:
        return []
    kinds = ", ".join(sorted({kind.value for kind in result.incompatibilities}))
    return [f"{kinds} ({'; '.join(sorted(result.messages))})"]


def _logical_changes(older: Schema, newer: Schema) -> list[str]:
    """Positions that both schemas have whose logical type differs: the same bytes would mean something else.

    Avro's checker looks at the underlying types only and calls timestamp-millis and timestamp-micros compatible.
    """
    before, after = _logical_types(older), _logical_types(newer)
    return [
        f"the logical type of {path} changed from {_readable(before[path, family])} to {_readable(after[path, family])}"
        for path, family in sorted(before.keys() & after.keys())
        if before[path, family] != after[path, family]
    ]


def _logical_types(schema: Schema) -> dict[tuple[str, str], set[tuple[Any, ...]]]:
    found: dict[tuple[str, str], set[tuple[Any, ...]]] = defaultdict(set)
    for path, node in _types(schema, ""):
        family = _FAMILIES.get(node["type"], node["type"])
        found[path, family].add(tuple(node.get(attribute) for attribute in _LOGICAL_ATTRIBUTES))
    return found


def _readable(logical: set[tuple[Any, ...]]) -> str:
    return " or ".join(sorted(str(entry[0] or "none") for entry in logical))


def _types(node: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every type of a schema with its path; a union's branches share the union's path."""
    if isinstance(node, list):
        for branch in node:
            yield from _types(branch, path)
    elif isinstance(node, str):
        yield path, {"type": node}
    elif isinstance(node["type"], list | dict):
        yield from _types(node["type"], path)
    else:
        yield path, node
        for field in node.get("fields", ()):
            yield from _types(field["type"], f"{path}/{field['name']}")
        for inner in ("items", "values"):
            if inner in node:
                yield from _types(node[inner], f"{path}/{inner}")
