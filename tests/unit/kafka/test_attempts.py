"""One attempt at one record: what follows from each kind of failure, without a broker."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from opentelemetry import trace
from structlog.contextvars import get_contextvars
from support.kernel import CODEC, recording

from steno.errors import Permanent, Retryable
from steno.events.catalogue import DEAD_LETTERS, RECORDINGS, WEBHOOKS, Topic
from steno.events.codec import Codec
from steno.events.schemas import ShippedSchemaIds, UnknownSchema
from steno.kafka.attempts import Attempts, HandlerCancelledItself
from steno.kafka.breaker import Breaker
from steno.kafka.consumer import Consumer
from steno.kafka.dead_letters import DeadLetters
from steno.kafka.errors import BreakerOpen, KafkaUnavailable, RecordRefused
from steno.kafka.messages import Message, RawMessage
from steno.kafka.retry import RetryPolicy
from steno.kafka.slots import Job, Partition
from steno.settings import KafkaSettings, TopicSettings

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
HEADERS = (("traceparent", f"00-{TRACE_ID}-b7ad6b7169203331-01".encode()),)


class KeptLetters(DeadLetters):
    """Dead letters in memory; each error in `errors` is raised once before one is taken."""

    def __init__(self) -> None:
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
    run_limit: int = 100
    messages: list[Message] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    context: dict[str, Any] = field(default_factory=dict)
    trace_id: str = ""

    def __post_init__(self) -> None:
        self.dead_letters = KeptLetters()
        self.attempt = Attempts(
            group="group",
            codec=self.codec,
            handler=self._handle,
            dead_letters=self.dead_letters,
            retry=RetryPolicy(first_seconds=1, unexpected_attempts=3),
            breaker=Breaker(run_limit=self.run_limit),
            fail=self.failures.append,
        )

    async def _handle(self, message: Message) -> None:
        self.messages.append(message)
        self.context = get_contextvars()
        self.trace_id = trace.format_trace_id(trace.get_current_span().get_span_context().trace_id)
        if self.raises is not None:
            raise self.raises


def job(value: bytes | None, *, topic: Topic = RECORDINGS, key: bytes | None = b"call") -> Job:
    raw = ConsumerRecord(f"t.{topic.name}", 3, 7, 1_767_225_600_500, 0, key, value, None, 0, 0, HEADERS)
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
    waits = [await bench.attempt(again) or 0 for _ in range(20)]
    assert 0.5 <= waits[0] <= 1
    assert 15 <= waits[-1] <= 30
    assert bench.dead_letters.letters == []


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
        (GOOD, WEBHOOKS, b"call", "WrongRecord"),
        (GOOD, RECORDINGS, b"\xff", "UndecodableRecord"),
    ],
)
async def test_what_is_no_message_never_reaches_the_handler(value: bytes, topic: Topic, key: bytes, error: str) -> None:
    """Not framed, empty, unknown schema, a record of another topic, a key that is not text: dead letters at once."""
    bench = Bench()
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


async def test_the_breaker_ends_the_consumer_after_the_letter_is_safe() -> None:
    """The last letter is put aside and its job done; then the consumer is told to end."""
    bench = Bench(raises=Permanent("wrong"), run_limit=2)
    assert await bench.attempt(job(GOOD)) is None
    assert bench.failures == []
    assert await bench.attempt(job(GOOD)) is None
    assert len(bench.dead_letters.letters) == 2
    (failure,) = bench.failures
    assert isinstance(failure, BreakerOpen)


async def test_a_consumer_needs_topics_with_records_and_a_slot() -> None:
    """What could never work is refused when it is built."""
    bench = Bench()
    for subscribe, concurrency in [([], 1), ([DEAD_LETTERS], 1), ([RECORDINGS], 0)]:
        with pytest.raises(ValueError, match=r"subscribe|concurrency"):
            Consumer(
                kafka=KafkaSettings(),
                topics=TopicSettings(),
                codec=CODEC,
                group="g",
                subscribe=subscribe,
                handler=bench._handle,
                dead_letters=bench.dead_letters,
                concurrency=concurrency,
                instance="0",
                drain_seconds=1,
            )
