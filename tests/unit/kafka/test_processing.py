"""One attempt at one record: what follows from each kind of failure, without a broker."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from opentelemetry import trace
from structlog.contextvars import get_contextvars
from support.kernel import CODEC, cluster_without_broker, recording

from steno.errors import Permanent, Retryable
from steno.events.catalogue import DEAD_LETTERS, PHRASES, RECORDINGS, Topic
from steno.events.codec import Codec
from steno.events.records import Record
from steno.events.schemas import ShippedSchemaIds, UnknownSchema, published_ids
from steno.kafka.consumer import Consumer
from steno.kafka.dead_letters import DeadLetters
from steno.kafka.errors import KafkaUnavailable, NewerRecord, RecordRefused
from steno.kafka.held_records import AT_START
from steno.kafka.jobs import HELD, Job, Outcome, Partition
from steno.kafka.messages import Message, RawMessage
from steno.kafka.metrics import BAD_SHARE, PASSED_OVER
from steno.kafka.metrics import HELD as HOLDS
from steno.kafka.processing import HandlerCancelledItself, RecordProcessor
from steno.retry import RetryPolicy

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
Headers = tuple[tuple[str, bytes | None], ...]
HEADERS: Headers = (("traceparent", f"00-{TRACE_ID}-b7ad6b7169203331-01".encode()),)


class KeptLetters(DeadLetters):
    """Dead letters in memory; each error in `errors` is raised once before one is taken."""

    def __init__(self, service: str) -> None:
        self._service = service
        self.letters: list[tuple[int, str, int]] = []
        self.errors: list[Exception] = []

    async def put(self, raw: RawMessage, error: BaseException, attempts: int) -> None:
        if self.errors:
            raise self.errors.pop()
        self.letters.append((raw.offset, type(error).__name__, attempts))


@dataclass
class Bench:
    """Attempts with a handler that raises what it is told to."""

    raises: BaseException | None = None
    codec: Codec = CODEC
    service: str = "ingest"
    now: float = 0.0
    messages: list[Message] = field(default_factory=list)
    again: list[Job] = field(default_factory=list)
    ended: list[tuple[str | None, str]] = field(default_factory=list)
    end_errors: list[Exception] = field(default_factory=list)
    context: dict[str, Any] = field(default_factory=dict)
    trace_id: str = ""

    def __post_init__(self) -> None:
        self.dead_letters = KeptLetters(self.service)
        self.attempt = RecordProcessor(
            cluster_without_broker(codec=self.codec, dead_letters=self.dead_letters),
            group="group",
            handler=self._handle,
            retry=RetryPolicy(first_seconds=1, unexpected_attempts=3),
            try_again=self.again.append,
            give_up=self._end,
            clock=lambda: self.now,
        )

    async def _handle(self, message: Message) -> None:
        self.messages.append(message)
        self.context = get_contextvars()
        self.trace_id = trace.format_trace_id(trace.get_current_span().get_span_context().trace_id)
        if self.raises is not None:
            raise self.raises

    async def _end(self, message: Message, error: Exception) -> None:
        if self.end_errors:
            raise self.end_errors.pop()
        self.ended.append((message.key, type(error).__name__))

    async def exhaust(self, taken: Job) -> Outcome:
        """Tries a job until it is done or held."""
        while isinstance(outcome := await self.attempt(taken), float):
            pass
        return outcome


def job(
    value: bytes | None,
    *,
    topic: Topic = RECORDINGS,
    key: bytes | None = b"call",
    headers: Headers = HEADERS,
    timestamp: int = 1_767_225_600_500,
) -> Job:
    raw = ConsumerRecord(f"t.{topic.name}", 3, 7, timestamp, 0, key, value, None, 0, 0, headers)
    return Job(partition=Partition(topic=topic), raw=raw)


GOOD = CODEC.encode(recording("call"))


async def test_a_handled_message_is_done() -> None:
    """The handler has the record, its place and time, within the trace of its sender and with the call id bound."""
    bench = Bench()
    assert await bench.attempt(job(GOOD)) is None
    (message,) = bench.messages
    assert message.record == recording("call")
    assert (message.topic, message.partition, message.offset, message.key) == (RECORDINGS, 3, 7, "call")
    assert message.timestamp.isoformat() == "2026-01-01T00:00:00.500000+00:00"
    assert bench.context == {"call_id": "call"}
    assert bench.trace_id == TRACE_ID
    assert bench.dead_letters.letters == []
    assert get_contextvars() == {}


async def test_a_retryable_error_comes_back_later_for_ever() -> None:
    """Each attempt names a longer wait; nothing goes to dead letters."""
    bench, again = Bench(raises=Retryable("away")), job(GOOD)
    waits = [wait for _ in range(20) if isinstance(wait := await bench.attempt(again), float)]
    assert 0.5 <= waits[0] <= 1
    assert 15 <= waits[-1] <= 30
    assert bench.dead_letters.letters == []


class NotThereYet(Retryable):
    """Of what one record names."""

    of_record = True


async def test_what_one_record_waits_for_is_told_from_what_all_wait_for() -> None:
    """As the last attempt has it."""
    bench, again = Bench(), job(GOOD)
    for error, alone in ((NotThereYet("soon"), True), (Retryable("away"), False), (NotThereYet("soon"), True)):
        bench.raises = error
        assert await bench.attempt(again) is not None
        assert again.alone is alone


async def test_a_permanent_error_goes_to_dead_letters_now() -> None:
    """One attempt, one letter, done."""
    bench = Bench(raises=Permanent("wrong"))
    assert await bench.attempt(job(GOOD)) is None
    assert bench.dead_letters.letters == [(7, "Permanent", 1)]


async def test_an_unexpected_error_goes_there_after_its_attempts() -> None:
    """Two waits, then the letter says three attempts."""
    bench, again = Bench(raises=KeyError("bug")), job(GOOD)
    assert [await bench.attempt(again) is None for _ in range(3)] == [False, False, True]
    assert bench.dead_letters.letters == [(7, "KeyError", 3)]


async def test_dead_letters_that_are_away_are_waited_for_without_handling_again() -> None:
    """The verdict stands; only the putting aside is tried again, and the attempts are not counted on."""
    bench, again = Bench(raises=Permanent("wrong")), job(GOOD)
    bench.dead_letters.errors = [KafkaUnavailable("away"), KafkaUnavailable("away")]
    assert [await bench.attempt(again) is None for _ in range(3)] == [False, False, True]
    assert len(bench.messages) == 1
    assert bench.dead_letters.letters == [(7, "Permanent", 1)]


async def test_a_message_that_dead_letters_refuse_ends_the_consumer() -> None:
    """Neither dropped nor counted as done: the error gets out."""
    bench = Bench(raises=Permanent("wrong"))
    bench.dead_letters.errors = [RecordRefused("too large")]
    with pytest.raises(RecordRefused):
        await bench.attempt(job(GOOD))


async def test_a_cancelled_attempt_is_no_failure() -> None:
    """Cancellation of the task passes through; no letter, no verdict."""
    begun = asyncio.Event()

    async def wait(message: Message) -> None:
        begun.set()
        await asyncio.Event().wait()

    bench, taken = Bench(), job(GOOD)
    bench.attempt._handler = wait
    task = asyncio.ensure_future(bench.attempt(taken))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (bench.dead_letters.letters, taken.verdict) == ([], None)


async def test_a_handler_that_cancels_itself_is_a_failure() -> None:
    """`CancelledError` without anybody having cancelled is judged as unexpected, not taken for a revoked partition."""
    bench, again = Bench(raises=asyncio.CancelledError()), job(GOOD)
    assert [await bench.attempt(again) is None for _ in range(3)] == [False, False, True]
    assert bench.dead_letters.letters == [(7, HandlerCancelledItself.__name__, 3)]


@pytest.mark.parametrize(
    ("value", "topic", "key", "error"),
    [
        (b"{}", RECORDINGS, b"call", "UndecodableRecord"),
        (b"", RECORDINGS, b"call", "UndecodableRecord"),
        (b"\x00\x00\x00\x03\xe7x", RECORDINGS, b"call", "UnknownSchema"),
        (GOOD, PHRASES, b"call", "WrongRecord"),
        (GOOD, RECORDINGS, b"\xff", "UndecodableRecord"),
        (GOOD, RECORDINGS, b"another call", "WrongRecord"),
        (GOOD, RECORDINGS, None, "WrongRecord"),
    ],
)
async def test_what_is_no_message_never_reaches_the_handler(value: bytes, topic: Topic, key: bytes, error: str) -> None:
    """Not framed, empty, unknown schema, a record of another topic, a key that is not its own: dead letters at once."""
    bench = Bench(service=topic.bad_records_to)
    assert await bench.attempt(job(value, topic=topic, key=key)) is None
    assert bench.dead_letters.letters == [(7, error, 1)]
    assert bench.messages == []


async def test_a_tombstone_is_a_message_without_a_record() -> None:
    """It is handed on."""
    bench = Bench()
    assert await bench.attempt(job(None)) is None
    assert [message.record for message in bench.messages] == [None]


class LearningIds(ShippedSchemaIds):
    """Knows id 77 as the schema of `GOOD` once it has been asked for; each error is raised once before that."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self.errors = list(errors)

    async def learn(self, schema_id: int) -> None:
        if self.errors:
            raise self.errors.pop()
        if schema_id != 77:
            raise UnknownSchema(schema_id)
        self._schemas[77] = self.schema_of(int.from_bytes(GOOD[1:5], "big"))


async def test_an_unknown_schema_is_learned_first() -> None:
    """A registry that is away is waited for; one that knows the id makes the message readable."""
    bench = Bench(codec=Codec(LearningIds(Retryable("the registry is away"))))
    later = job(GOOD[:1] + (77).to_bytes(4, "big") + GOOD[5:])
    assert await bench.attempt(later) is not None
    assert await bench.attempt(later) is None
    assert [message.record for message in bench.messages] == [recording("call")]
    assert bench.dead_letters.letters == []


async def test_only_one_service_puts_aside_what_is_no_record() -> None:
    """The catalogue names it; another one counts it and passes over it, and it is done."""
    bench = Bench(service="transcriber")
    passed_over = PASSED_OVER.labels("group", "t.recordings", "undecodable")
    before = passed_over._value.get()
    assert await bench.attempt(job(b"{}")) is None
    assert bench.dead_letters.letters == []
    assert passed_over._value.get() == before + 1
    bench.raises = Permanent("what the handler finds wrong, no other does")
    assert await bench.attempt(job(GOOD)) is None
    assert bench.dead_letters.letters == [(7, "Permanent", 1)]


@pytest.mark.parametrize("timestamp", [2**62, -(2**62)])
async def test_a_time_that_is_none_is_the_fault_of_the_record(timestamp: int) -> None:
    """A producer may set any."""
    bench = Bench()
    assert await bench.attempt(job(GOOD, timestamp=timestamp)) is None
    assert bench.dead_letters.letters == [(7, "UndecodableRecord", 1)]


async def test_headers_of_any_bytes_and_of_none_are_borne() -> None:
    """They are not ours."""
    bench = Bench()
    assert await bench.attempt(job(GOOD, headers=(("traceparent", b"\xff\xfe"), ("tracestate", None), ("x", None)))) is None
    assert bench.messages[0].headers["x"] == b""


async def test_a_thousand_bad_records_cost_themselves() -> None:
    """Whatever their number and share: each is put aside once, and what comes among them is handled."""
    bench = Bench()
    for _ in range(1000):
        assert await bench.attempt(job(b"{}")) is None
    assert await bench.attempt(job(GOOD)) is None
    assert len(bench.dead_letters.letters) == 1000
    assert len(bench.messages) == 1
    bench.attempt.check_held()
    assert BAD_SHARE.labels("group", "t.recordings")._value.get() > 0.99
    assert not bench.attempt.holding


async def test_what_hits_everything_is_held() -> None:
    """A few are put aside; the rest is neither done nor lost, and comes back when it is time, and goes when the fault does."""
    bench = Bench(raises=KeyError("a bug"))
    jobs = [job(GOOD, key=b"call") for _ in range(30)]
    outcomes = [await bench.exhaust(each) for each in jobs]
    assert outcomes == [None] * AT_START + [HELD] * (30 - AT_START)
    assert bench.attempt.holding
    bench.attempt.check_held()
    assert (bench.again, HOLDS.labels("group", "t.recordings")._value.get()) == ([], 30 - AT_START)
    bench.now = 1.0
    bench.attempt.check_held()
    assert bench.again == [jobs[AT_START]]
    bench.raises = None
    while bench.again:
        assert await bench.attempt(bench.again.pop()) is None
    assert not bench.attempt.holding
    assert len(bench.dead_letters.letters) == AT_START


class BrokenCodec(Codec):
    """Decodes nothing while it is broken."""

    broken = True

    def decode(self, value: bytes | None) -> Record:
        if self.broken:
            raise KeyError("a bug")
        return super().decode(value)


@pytest.mark.parametrize("then", [None, KeyError("another bug")], ids=["handled", "fails in the handler"])
async def test_what_could_not_be_decoded_is_held_no_more_once_it_can_be(then: Exception | None) -> None:
    """Its kind is known only then; those that were held beside it follow, and nothing is held for ever."""
    codec = BrokenCodec(ShippedSchemaIds())
    bench = Bench(codec=codec)
    for _ in range(AT_START + 4):
        await bench.exhaust(job(GOOD))
    codec.broken, bench.raises = False, then
    for seconds in range(1, 200):
        if seconds == 100:
            bench.raises = None
        bench.now = float(seconds)
        bench.attempt.check_held()
        while bench.again:
            await bench.attempt(bench.again.pop())
    assert not bench.attempt.holding
    assert len(bench.dead_letters.letters) == AT_START
    assert all(message.record == recording("call") for message in bench.messages)


async def test_what_is_given_up_ends_what_it_stands_for_before_it_is_put_aside() -> None:
    """The handler is told, and again where it asks for that; a record that is bad itself ends nothing."""
    bench, taken = Bench(raises=KeyError("a bug")), job(GOOD)
    bench.end_errors = [Retryable("away")]
    assert await bench.exhaust(taken) is None
    assert bench.ended == [("call", "KeyError")]
    assert bench.dead_letters.letters == [(7, "KeyError", 3)]
    bench.raises = Permanent("the record's own fault")
    assert await bench.attempt(job(GOOD)) is None
    assert len(bench.ended) == 1


@pytest.mark.parametrize("mended", [True, False])
async def test_what_cannot_be_ended_is_held_and_handled_again(mended: bool) -> None:
    """Another fault of ours keeps it from its end. It goes through once the first is mended, or ends once the second is."""
    bench, taken = Bench(raises=KeyError("a bug")), job(GOOD)
    bench.end_errors = [ValueError("another bug")]
    assert await bench.exhaust(taken) is HELD
    assert bench.attempt.holding
    assert bench.dead_letters.letters == []
    if mended:
        bench.raises = None
    bench.now = 1.0
    bench.attempt.check_held()
    assert await bench.exhaust(bench.again.pop()) is None
    assert not bench.attempt.holding
    assert bench.ended == ([] if mended else [("call", "KeyError")])
    assert len(bench.dead_letters.letters) == (0 if mended else 1)


async def test_a_record_that_turns_out_to_be_bad_ends_nothing() -> None:
    """A fault of ours came first; what counts is what the last attempt found."""
    bench, taken = Bench(raises=KeyError("a bug")), job(GOOD)
    assert await bench.attempt(taken) is not None
    bench.raises = Permanent("the record's own fault")
    assert await bench.attempt(taken) is None
    assert bench.dead_letters.letters == [(7, "Permanent", 2)]
    assert bench.ended == []


async def test_what_a_newer_version_of_ours_wrote_is_held_and_what_anybody_wrote_is_not() -> None:
    """An id that is soon to come, from a service of ours: held at once. From others, or another id: the record's own fault."""
    soon = GOOD[:1] + (max(published_ids()) + 3).to_bytes(4, "big") + GOOD[5:]
    newer = soon + b"\0"
    ours = (("ce_source", b"/steno/ingest"), ("ce_type", b"steno.RecordingSubmitted"))
    bench = Bench()
    assert [await bench.attempt(job(newer, headers=ours)) for _ in range(AT_START)] == [None] * AT_START
    held = job(newer, headers=ours)
    assert await bench.attempt(held) is HELD
    assert await bench.attempt(job(GOOD)) is None
    assert bench.again == []
    bench.dead_letters.letters.clear()
    assert await bench.attempt(job(newer)) is None
    assert await bench.attempt(job(newer, headers=ours[:1])) is None
    assert await bench.attempt(job(soon, headers=ours)) is None
    assert await bench.attempt(job(newer[:1] + b"\x7f" + newer[2:], headers=ours)) is None
    assert bench.dead_letters.letters == [(7, "UnknownSchema", 1)] * 4
    bench.now = 1.0
    bench.attempt.check_held()
    assert bench.again == [held]
    assert await bench.attempt(held) is HELD
    assert NewerRecord(7).error_class == "newer_record"


async def test_what_was_held_is_others_when_the_partitions_are() -> None:
    """Nothing of it is tried again here."""
    bench = Bench(raises=KeyError("a bug"))
    for _ in range(5):
        await bench.exhaust(job(GOOD))
    bench.attempt.clear()
    bench.now = 100
    bench.attempt.check_held()
    assert (bench.again, bench.attempt.holding) == ([], False)


async def test_a_consumer_needs_topics_with_records_and_a_slot() -> None:
    """What could never work is refused when it is built."""
    bench = Bench()
    for subscribe, concurrency in [([], 1), ([DEAD_LETTERS], 1), ([RECORDINGS], 0)]:
        with pytest.raises(ValueError, match=r"subscribe|concurrency"):
            Consumer(cluster_without_broker(), subscribe=subscribe, handler=bench._handle, concurrency=concurrency)
