"""Records whose headers have names that are not UTF-8: such a name is read with escapes, where aiokafka fails for ever.

Kafka takes any bytes as the name of a header. aiokafka (0.13) raises `UnicodeDecodeError` amidst their batch, at each fetch
anew: one such record would stand before all that follow it in its partition. Importing this module mends every consumer.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any, SupportsIndex, cast

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

# Before each batch stand its offset (8 bytes) and the length of what follows (4 bytes): Kafka protocol, record batch.
_LENGTH_AT = 8
_PREFIX_BYTES = 12


class _Lenient(bytes):
    """Bytes of which every part decodes."""

    def __getitem__(self, at: SupportsIndex | slice) -> Any:
        found = super().__getitem__(at)
        return _Lenient(found) if isinstance(found, bytes) else found

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return super().decode(encoding, errors)


class _Batch:
    """A batch as aiokafka reads it, but for the names of headers."""

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
    """What a fetch brought of one partition; stands in for aiokafka's `MemoryRecords`."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._records = MemoryRecords(data)
        self._at = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._records, name)

    def next_batch(self) -> _Batch | None:
        """The next whole batch; None where there is none."""
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
