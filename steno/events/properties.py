"""The properties of a call or recording: what its publisher says of it, handed through to every result. Pure.

They stand in all records that tell of a call as a whole, and in rows of several databases, so they are bounded: those that come
with its start, and what there is with each update that follows. One rule for every door, for REST and for records on Kafka.
"""

from collections.abc import Mapping

from steno.errors import Permanent

MOST_PROPERTIES = 64
LONGEST_NAME = 128
"""Characters of a name."""
LONGEST_VALUE = 2048
"""Characters of a value."""
MOST_BYTES = 32_768
"""Bytes of all names and values together, in UTF-8: they stand in records of at most a megabyte, up to twice in one."""


class PropertiesTooLarge(Permanent):
    """The properties of a call would be more than are kept."""

    error_class = "properties_too_large"


def fault_of(properties: Mapping[str, str]) -> str | None:
    """What is wrong with properties, for whoever sent them; None where nothing is."""
    if len(properties) > MOST_PROPERTIES:
        return f"there are {len(properties)} properties; {MOST_PROPERTIES} are kept"
    size = 0
    for name, value in properties.items():
        if len(name) > LONGEST_NAME:
            return f"a property has a name of {len(name)} characters; {LONGEST_NAME} are kept"
        if len(value) > LONGEST_VALUE:
            return f"the property {name!r} has {len(value)} characters; {LONGEST_VALUE} are kept"
        size += _bytes_of(name, value)
    if size > MOST_BYTES:
        return f"the properties have {size} bytes together; {MOST_BYTES} are kept"
    return None


def bounded(properties: dict[str, str]) -> dict[str, str]:
    """Properties within the bounds; for pydantic. Raises `ValueError`."""
    if (fault := fault_of(properties)) is not None:
        raise ValueError(fault)
    return properties


def merged(before: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    """What is known of a call with more properties: of each name the newer value.

    Raises:
        PropertiesTooLarge: together they are more than are kept; the call stays as it was.
    """
    together = {**before, **new}
    if (fault := fault_of(together)) is not None:
        raise PropertiesTooLarge(f"with what is known of the call already, {fault}")
    return together


def within_bounds(properties: Mapping[str, str]) -> dict[str, str]:
    """As many properties as are kept, in their order: for what was taken in before there were bounds."""
    if fault_of(properties) is None:
        return dict(properties)
    kept: dict[str, str] = {}
    for name, value in properties.items():
        if fault_of({**kept, name: value}) is None:
            kept[name] = value
    return kept


def _bytes_of(name: str, value: str) -> int:
    # Lone surrogates, which JSON may bring, are refused elsewhere.
    return len(name.encode("utf-8", "surrogatepass")) + len(value.encode("utf-8", "surrogatepass"))
