"""Records and bytes as they are shown: fields as values of JSON, audio as its length, other bytes as a hex dump. Pure."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import Enum
from typing import Any

from steno.errors import Permanent, Retryable
from steno.events.catalogue import Topic
from steno.events.codec import Codec
from steno.events.records import Record
from steno.kafka.errors import NewerRecord
from steno.kafka.messages import RawMessage, decode

_DUMP_BYTES = 512
_ROW_BYTES = 16
_LONGEST = 200
_MOST_ENTRIES = 2


def fields_of(record: Record) -> dict[str, Any]:
    """The fields of a record as values of JSON; bytes are given as `{"bytes": LENGTH}`."""
    return {name: _plain(value) for name, value in record.model_dump().items()}


def shown_fields(fields: Mapping[str, Any]) -> str:
    """Fields as one line, `name=value name=value`; empty ones are left out, and long ones cut or given by their length."""
    return " ".join(f"{name}={_shown(value)}" for name, value in fields.items() if value not in ("", None, [], {}))


def field_at(fields: Mapping[str, Any], path: str) -> tuple[bool, Any]:
    """Finds the value of a field, of which `path` names the parts by dots (`channels.0.role`); whether it is there, and it."""
    found: Any = fields
    for part in path.split("."):
        if isinstance(found, Mapping) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isascii() and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        else:
            return False, None
    return True, found


def has_value(fields: Mapping[str, Any], path: str, value: str) -> bool:
    """Whether a field has a value, which is given as text: as it is, or as JSON (`true`, `3`, `null`)."""
    there, found = field_at(fields, path)
    return there and (found == value if isinstance(found, str) else json.dumps(found) == value)


def hex_dump(data: bytes) -> Iterator[str]:
    """Lines of a hex dump of the first half kilobyte: offset, bytes, and what is printable of them."""
    for at in range(0, min(len(data), _DUMP_BYTES), _ROW_BYTES):
        row = data[at : at + _ROW_BYTES]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"{at:08x}  {row.hex(' '):<{_ROW_BYTES * 3}} {text}"
    if len(data) > _DUMP_BYTES:
        yield f"… {len(data) - _DUMP_BYTES} bytes more"


async def read_record(raw: RawMessage, topic: Topic | None, codec: Codec) -> tuple[Record | None, str]:
    """Decodes the value of a message; without a record, the reason why there is none.

    Args:
        topic: The topic of the catalogue; None for one that is not in it.
    """
    if raw.value is None:
        return None, "no value: a tombstone, which deletes what has its key"
    if topic is None or not topic.records:
        return None, f"{topic.name if topic else 'this topic'} does not carry records of Steno"
    try:
        return (await decode(raw, topic, codec)).record, ""
    except (Permanent, NewerRecord, Retryable) as error:
        return None, str(error)


def shown_key(key: bytes | None) -> str:
    """A key as text; one that is not UTF-8 with escapes."""
    return "" if key is None else key.decode("utf-8", "backslashreplace")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"bytes": len(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value


def _shown(value: Any) -> str:
    if isinstance(value, Mapping) and set(value) == {"bytes"}:
        return f"<{value['bytes']} bytes>"
    if isinstance(value, list) and isinstance(value[0], Mapping) and len(value) > _MOST_ENTRIES:
        return f"<{len(value)} entries>"
    text = value if isinstance(value, str) and value and " " not in value else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
