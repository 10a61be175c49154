"""Which changes of a schema hold together with all that was published."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from steno.events.compatibility import incompatibilities, rule_violations

MICROS = {"type": "long", "logicalType": "timestamp-micros"}
MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MOOD = {"type": "enum", "name": "Mood", "symbols": ["calm", "merry"], "default": "calm"}


def record(*fields: dict[str, Any]) -> dict[str, Any]:
    """A record with an id and these fields."""
    return {"type": "record", "name": "Note", "namespace": "steno", "fields": [{"name": "id", "type": "string"}, *fields]}


def field(kind: Any, **extra: Any) -> dict[str, Any]:
    """A field of that type."""
    return {"name": "what", "type": kind, **extra}


KEEPS = {
    "a new field with a default": (record(), record(field("string", default=""))),
    "a field with a default goes": (record(field("int", default=0)), record()),
    "a new optional time": (record(), record(field(["null", MICROS], default=None))),
    "a new symbol, with a default for old readers": (
        record(field(MOOD, default="calm")),
        record(field({**MOOD, "symbols": ["calm", "merry", "cross"]}, default="calm")),
    ),
    "another default": (record(field("int", default=0)), record(field("int", default=1))),
}

BREAKS = {
    "a new field without a default": (record(), record(field("string")), "v2 cannot read v1"),
    "a field without a default goes": (record(field("string")), record(), "v1 cannot read v2"),
    "another type": (record(field("string")), record(field("int")), "cannot read"),
    "a wider type, which old readers cannot read": (record(field("int")), record(field("long")), "v1 cannot read v2"),
    "microseconds become milliseconds": (
        record(field(MICROS)),
        record(field(MILLIS)),
        "from timestamp-micros to timestamp-millis",
    ),
    "a number becomes a time": (record(field("long")), record(field(MICROS)), "from none to timestamp-micros"),
    "a time becomes a number": (record(field(MICROS)), record(field("long")), "from timestamp-micros to none"),
    "an optional time changes its unit": (
        record(field(["null", MICROS], default=None)),
        record(field(["null", MILLIS], default=None)),
        "/what changed",
    ),
    "a time in a list changes its unit": (
        record(field({"type": "array", "items": MICROS})),
        record(field({"type": "array", "items": MILLIS})),
        "/what/items changed",
    ),
    "a time in a map's record changes its unit": (
        record(field({"type": "map", "values": {"type": "record", "name": "At", "fields": [{"name": "at", "type": MICROS}]}})),
        record(field({"type": "map", "values": {"type": "record", "name": "At", "fields": [{"name": "at", "type": MILLIS}]}})),
        "/what/values/at changed",
    ),
    "a decimal changes its scale": (
        record(field({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2})),
        record(field({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 3})),
        "/what changed",
    ),
    "another name": (record(), {**record(), "name": "Letter"}, "name_mismatch"),
}


@pytest.mark.parametrize("change", KEEPS)
def test_a_change_that_keeps_the_contract(change: str) -> None:
    """Both versions read each other."""
    older, newer = KEEPS[change]
    assert incompatibilities({1: older, 2: newer}) == []


@pytest.mark.parametrize("change", BREAKS)
def test_a_change_that_breaks_the_contract(change: str) -> None:
    """The report says between which versions, and what."""
    older, newer, expected = BREAKS[change]
    assert expected in "\n".join(incompatibilities({1: older, 2: newer}))


def test_compatibility_is_transitive() -> None:
    """Version 3 must hold with version 1 too, not only with version 2."""
    first, second, third = record(field("string", default="")), record(), record(field("int", default=0))
    assert incompatibilities({1: first, 2: second}) == incompatibilities({1: second, 2: third}) == []
    found = incompatibilities({1: first, 2: second, 3: third})
    assert {problem.split(":")[0] for problem in found} == {"v1 cannot read v3", "v3 cannot read v1"}


@pytest.mark.parametrize(
    "place", [lambda kind: kind, lambda kind: ["null", kind], lambda kind: {"type": "array", "items": kind}]
)
def test_every_enum_needs_a_default_symbol(place: Callable[[Any], Any]) -> None:
    """Without one, a reader of today fails on a symbol of tomorrow."""
    bare = copy.deepcopy(MOOD)
    del bare["default"]
    assert rule_violations(record(field(place(MOOD)))) == []
    assert "Mood" in rule_violations(record(field(place(bare))))[0]
