"""What a record looks like on the wire."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest
from aiokafka.errors import KafkaTimeoutError, RequestTimedOutError
from support.kernel import CODEC, recording

from steno.events.catalogue import PHRASES, RECORDINGS
from steno.kafka.errors import KafkaUnavailable, WrongRecord
from steno.kafka.producer import Encoded, Producer
from steno.settings import KafkaSettings, TopicSettings
from steno.telemetry import traces

NOBODY = KafkaSettings(bootstrap_servers="127.0.0.1:1")


async def test_a_record_is_a_cloud_event_in_binary_mode() -> None:
    """Keyed as the catalogue says, Avro in Confluent framing, CloudEvents attributes in the headers."""
    before = datetime.now(UTC)
    encoded = Producer(NOBODY, TopicSettings(), CODEC, source="ingest").encode(RECORDINGS, recording("call"))
    headers = dict(encoded.headers)
    assert encoded.key == b"call"
    assert CODEC.decode(encoded.value) == recording("call")
    assert headers["content-type"] == b"application/vnd.confluent.avro"
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_source"] == b"/steno/ingest"
    assert headers["ce_type"] == b"steno.RecordingSubmitted"
    assert UUID(headers["ce_id"].decode()).version == 4
    assert before <= datetime.fromisoformat(headers["ce_time"].decode()) <= datetime.now(UTC)


async def test_an_event_id_that_is_given_is_kept() -> None:
    """A derived record keeps its derived id over replays."""
    encoded = Producer(NOBODY, TopicSettings(), CODEC, source="ingest").encode(RECORDINGS, recording("c"), event_id="event-1")
    assert dict(encoded.headers)["ce_id"] == b"event-1"


async def test_the_trace_of_the_caller_goes_along() -> None:
    """The traceparent in the headers is that of the span around the send."""
    producer = Producer(NOBODY, TopicSettings(), CODEC, source="ingest")
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    parent = {"traceparent": f"00-{trace_id}-b7ad6b7169203331-01".encode()}
    with traces.continue_trace(parent, "request"):
        headers = dict(producer.encode(RECORDINGS, recording("c")).headers)
    assert trace_id in headers["traceparent"].decode()


async def test_a_record_of_another_topic_is_refused() -> None:
    """What the catalogue does not name for a topic is not sent there."""
    with pytest.raises(WrongRecord, match="RecordingSubmitted does not belong on topic phrases, which carries Phrase"):
        Producer(NOBODY, TopicSettings(), CODEC, source="ingest").encode(PHRASES, recording("c"))


async def test_without_kafka_a_send_says_where_it_looked(caplog: pytest.LogCaptureFixture) -> None:
    """`start` does not fail where Kafka is away, so that a door can open; a send then may be tried again."""
    producer = Producer(NOBODY, TopicSettings(), CODEC, source="ingest")
    await producer.start()
    with pytest.raises(KafkaUnavailable, match=r"127\.0\.0\.1:1"):
        await producer.send(RECORDINGS, recording("c"))
    await producer.stop()
    with pytest.raises(KafkaUnavailable, match="stopped"):
        await producer.send(RECORDINGS, recording("c"))


class _Line:
    """A client that takes records and has some of them fail."""

    def __init__(self, *, refused: int = 99, lost: int = 99) -> None:
        """
        Args:
            refused: From this record on, none is taken in.
            lost: From this record on, none is acknowledged.
        """
        self.taken: list[bytes] = []
        self.timestamps: list[int | None] = []
        self._refused, self._lost = refused, lost
        self.client = self.cluster = self

    def partitions_for_topic(self, _name: str) -> set[int]:
        """Every topic is known."""
        return {0}

    async def send(
        self, _name: str, value: bytes, *, timestamp_ms: int | None = None, **_options: object
    ) -> asyncio.Future[None]:
        if len(self.taken) >= self._refused:
            raise KafkaTimeoutError
        delivery = asyncio.get_running_loop().create_future()
        if len(self.taken) >= self._lost:
            delivery.set_exception(RequestTimedOutError())
        else:
            delivery.set_result(None)
        self.taken.append(value)
        self.timestamps.append(timestamp_ms)
        return delivery

    async def stop(self) -> None:
        """It stays as it is."""


def _in_order(line: _Line) -> Producer:
    producer = Producer(NOBODY, TopicSettings(), CODEC, source="ingest")
    producer._client = line
    return producer


RECORDS = [Encoded(key=b"c", value=bytes([number]), headers=()) for number in range(5)]


async def test_records_in_order_are_counted_up_to_the_first_failure() -> None:
    """What is counted is on all replicas; the rest is for the caller to send again."""
    line = _Line()
    assert await _in_order(line).send_in_order(RECORDINGS, RECORDS) == 5
    assert line.taken == [record.value for record in RECORDS]
    assert await _in_order(_Line(refused=3)).send_in_order(RECORDINGS, RECORDS) == 3
    assert await _in_order(_Line(lost=2)).send_in_order(RECORDINGS, RECORDS) == 2


async def test_where_not_even_the_first_arrives_it_says_why() -> None:
    """No progress is an error, whether the record was not taken in or not acknowledged."""
    for line in (_Line(refused=0), _Line(lost=0)):
        with pytest.raises(KafkaUnavailable):
            await _in_order(line).send_in_order(RECORDINGS, RECORDS)


async def test_a_record_keeps_the_time_it_was_made_however_often_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records that waited for Kafka tell how much time lay between them, not when Kafka came back."""
    made_ms = [1_700_000_000_000, 1_700_000_055_000]
    encoder = Producer(NOBODY, TopicSettings(), CODEC, source="ingest")
    records = []
    for encode, when in zip((encoder.encode, encoder.encode_bare), made_ms, strict=True):
        with monkeypatch.context() as clock:
            clock.setattr("time.time_ns", lambda when=when: when * 1_000_000)
            records.append(encode(RECORDINGS, recording("c")))
    for line in (_Line(lost=1), _Line()):
        await _in_order(line).send_in_order(RECORDINGS, records)
        assert line.timestamps == made_ms


async def test_a_record_made_while_the_clock_ran_ahead_is_not_of_the_future(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka would refuse it until that time has come; once the clock is set right, it is of now."""
    now_ms, line = 1_700_000_000_000, _Line()
    ahead = Encoded(key=b"c", value=b"", headers=(), made_ms=now_ms + 7_200_000)
    with monkeypatch.context() as clock:
        clock.setattr("time.time_ns", lambda: now_ms * 1_000_000)
        await _in_order(line).send_in_order(RECORDINGS, [ahead])
    assert line.timestamps == [now_ms]


async def test_a_bare_record_has_no_headers() -> None:
    """Audio chunks are key and value alone."""
    encoded = Producer(NOBODY, TopicSettings(), CODEC, source="ingest").encode_bare(RECORDINGS, recording("c"))
    assert (encoded.key, CODEC.decode(encoded.value), encoded.headers) == (b"c", recording("c"), ())
