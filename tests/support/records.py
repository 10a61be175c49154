"""A hypothesis strategy for valid records of all types, derived from their models."""

import re
from datetime import UTC, datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from hypothesis import strategies as st
from pydantic import AfterValidator, AwareDatetime, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from steno.events.records import RECORDS, Phrase, Record, Role, Word
from steno.events.values import Value

PHRASE = Phrase(
    call_id="call-1",
    recording_id="recording-1",
    phrase_id="phrase-1",
    sequence=3,
    channel=1,
    role=Role.CUSTOMER,
    start_ms=5000,
    duration_ms=700,
    text="grüß dich",
    confidence=0.75,
    words=(
        Word(text="grüß", start_ms=5000, duration_ms=300, confidence=0.5),
        Word(text="dich", start_ms=5400, duration_ms=300, confidence=1.0),
    ),
)
"""A phrase as a transcriber writes it."""


def any_record() -> st.SearchStrategy[Record]:
    """Makes the strategy."""
    return st.one_of([_model(kind) for kind in RECORDS.values()])


def _model(kind: type[Any]) -> st.SearchStrategy[Any]:
    return st.builds(kind, **{name: _field(field) for name, field in kind.model_fields.items()})


def _field(field: FieldInfo) -> st.SearchStrategy[Any]:
    values = _value(field.annotation, _limits(field))
    validators = [entry for entry in field.metadata if isinstance(entry, AfterValidator)]
    if not validators:
        return values
    checked: Any = Annotated[Any, *validators]
    accepting = TypeAdapter[Any](checked)

    def is_accepted(value: Any) -> bool:
        try:
            accepting.validate_python(value)
        except ValidationError:
            return False
        return True

    return values.filter(is_accepted)


def _limits(field: FieldInfo) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    for entry in field.metadata:
        for name in ("ge", "le", "min_length", "max_length", "pattern"):
            if (limit := getattr(entry, name, None)) is not None:
                limits[name] = limit
    return limits


def _value(kind: Any, limits: dict[str, Any]) -> st.SearchStrategy[Any]:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _value(inner[0], _limits(inner[1]) if hasattr(inner[1], "metadata") else {})
    if origin in (UnionType, Union):
        return st.one_of([_value(branch, limits) for branch in inner])
    if origin is tuple:
        return st.lists(_value(inner[0], {}), min_size=limits.get("min_length", 0), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3)
    if kind is str and "pattern" in limits:
        # What is a letter or digit is not the same to Python and to pydantic.
        return st.from_regex(re.compile(limits["pattern"], re.ASCII), fullmatch=True).filter(
            lambda text: not text.endswith("\n")
        )
    if kind is AwareDatetime:
        return st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))
    if origin is Literal:
        return st.sampled_from(inner)
    if issubclass(kind, Value):
        return _model(kind)
    if issubclass(kind, Enum):
        return st.sampled_from(kind)
    simple: dict[Any, st.SearchStrategy[Any]] = {
        NoneType: st.none(),
        str: st.text(min_size=limits.get("min_length", 0), max_size=40),
        bool: st.booleans(),
        int: st.integers(limits.get("ge"), limits.get("le")),
        float: st.floats(limits.get("ge"), limits.get("le"), allow_nan=False),
        bytes: st.binary(max_size=64),
    }
    return simple[kind]
