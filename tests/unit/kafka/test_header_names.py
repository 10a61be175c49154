"""Headers whose names are not UTF-8, as any producer may send them."""

import pytest
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from steno.kafka.header_names import Records

MARK = "(nam)"


def batch(base: int, marked: set[int]) -> bytes:
    """A batch of five records, of which some have a header with a name that is no text."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 99_999)
    for number in range(5):
        builder.append(number, 7, b"key", b"value %d" % number, [(MARK, b"x"), ("b", None)] if number in marked else [])
    data = bytes(builder.build()).replace(MARK.encode(), b"(\xff\xfe#)")
    return base.to_bytes(8, "big") + data[8:]


@pytest.mark.parametrize("marked", [{0}, {2}, {4}, {0, 1, 2, 3, 4}, set()])
def test_records_with_such_names_are_read_and_so_are_those_around_them(marked: set[int]) -> None:
    """Each once, in order, with all they hold, of several batches."""
    records = Records(batch(0, set()) + batch(5, marked) + batch(10, {3}))
    found = []
    while records.has_next():
        taken = records.next_batch()
        assert taken is not None
        assert not taken.is_control_batch
        found += list(taken)
    assert [record.offset for record in found] == list(range(15))
    assert [record.value for record in found] == [b"value %d" % number for number in range(5)] * 3
    names = {record.offset: record.headers for record in found if record.headers}
    assert set(names) == {*(5 + number for number in marked), 13}
    assert names[13] == [("(\\xff\\xfe#)", b"x"), ("b", None)]


def test_every_consumer_reads_so() -> None:
    """It stands where aiokafka makes its own."""
    assert fetcher.MemoryRecords is Records
