"""Patches aiokafka to read header names that are not UTF-8, with escapes; importing this module patches every consumer.

Kafka accepts any bytes as the name of a header. aiokafka (0.13) raises `UnicodeDecodeError` in the middle of the batch, at each
fetch again: one such record would block all records after it in its partition.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any, SupportsIndex, cast

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

# A batch begins with its offset (8 bytes) and the length of the rest (4 bytes): Kafka protocol, record batch.
_LENGTH_AT = 8
_PREFIX_BYTES = 12


class _Lenient(bytes):
    """Bytes of which every slice can be decoded as text."""

    def __getitem__(self, at: SupportsIndex | slice) -> Any:
        found = super().__getitem__(at)
        return _Lenient(found) if isinstance(found, bytes) else found

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return super().decode(encoding, errors)


class _Batch:
    """A batch of aiokafka that decodes names of headers leniently."""

    def __init__(self, batch: Any, data: memoryview) -> None:
        self._batch = batch
        self._data = data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        given = 0
        try:
            for record in self._batch:
                yield record
                given += 1
        except UnicodeDecodeError:
            yield from islice(_leniently(bytes(self._data)), given, None)


class Records:
    """The fetched records of one partition; replaces aiokafka's `MemoryRecords`."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._records = MemoryRecords(data)
        self._at = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._records, name)

    def next_batch(self) -> _Batch | None:
        """Returns the next complete batch, or None."""
        batch = self._records.next_batch()
        if batch is None:
            return None
        begin = self._at
        length = int.from_bytes(self._data[begin + _LENGTH_AT : begin + _PREFIX_BYTES], "big")
        self._at = begin + _PREFIX_BYTES + length
        return _Batch(batch, self._data[begin : self._at])


def _leniently(data: bytes) -> Iterator[Any]:
    batch: Any = _DefaultRecordBatchPy(data)
    batch._maybe_uncompress()
    batch._buffer = _Lenient(batch._buffer)
    return cast(Iterator[Any], iter(batch))


fetcher.MemoryRecords = Records
