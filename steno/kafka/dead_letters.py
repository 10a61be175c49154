"""Sends messages that cannot be processed to the topic of dead letters, with their origin and the error in headers.

| header | content |
|---|---|
| `steno-origin-topic`, `steno-origin-partition`, `steno-origin-offset` | the origin of the message |
| `steno-error-class`, `steno-error-message` | the error, for programs and for a person |
| `steno-attempts` | how often it was tried |
| `steno-service` | the service that gave it up |
| `steno-left-out` | what is missing if Kafka refused the message: its key, value and headers are at the origin only |
| `steno-redrives` | how often it was sent back to its origin before; not there if never (`steno.kafka.redrive`) |

Key, value and original headers are unchanged, so the message can be sent again as it was.
"""

import time
from typing import Any

import structlog

from steno.errors import StenoError
from steno.events.catalogue import DEAD_LETTERS, Topic
from steno.kafka.errors import RecordRefused
from steno.kafka.letters import PREFIX, REDRIVES
from steno.kafka.log_limiter import LogLimiter
from steno.kafka.messages import RawMessage
from steno.kafka.metrics import DEAD_LETTERS as DEAD_LETTERS_COUNT
from steno.kafka.producer import Headers, Producer

log = structlog.get_logger("steno.kafka.dead_letters")

_LONGEST_MESSAGE = 2000
_BRIEF_MESSAGE = 200


def error_class(error: BaseException) -> str:
    """Returns the error class, on which programs match: that of a `StenoError`, `unexpected` for any other error."""
    return error.error_class if isinstance(error, StenoError) else "unexpected"


class DeadLetters:
    """Sends a service's messages to dead letters."""

    def __init__(self, producer: Producer, service: str) -> None:
        self._producer = producer
        self._service = service
        self._log_limiter = LogLimiter()

    def owns(self, topic: Topic) -> bool:
        """Whether this service sends unreadable records of a topic to dead letters. One service per topic does."""
        return topic.bad_records_to == self._service

    async def put(self, raw: RawMessage, error: BaseException, attempts: int) -> None:
        """Sends a message to dead letters; returns when all replicas have it.

        Raises:
            KafkaUnavailable: the dead letter may be lost, so the message must not count as done.
        """
        reason = f"{type(error).__name__}: {error}"
        added: dict[str, Any] = {
            "origin-topic": raw.topic,
            "origin-partition": raw.partition,
            "origin-offset": raw.offset,
            "error-class": error_class(error),
            "error-message": reason[:_LONGEST_MESSAGE],
            "attempts": attempts,
            "service": self._service,
        }
        kept: list[tuple[str, Any]] = [
            (name, value) for name, value in raw.headers if name == REDRIVES or not name.startswith(PREFIX)
        ]
        # aiokafka refuses a message with neither key nor value.
        value = b"" if raw.key is None and raw.value is None else raw.value
        try:
            await self._producer.send_raw(DEAD_LETTERS, key=raw.key, value=value, headers=[*kept, *_headers(added)])
        except RecordRefused as refusal:
            await self._put_outline(raw, added, refusal)
        DEAD_LETTERS_COUNT.labels(raw.topic, error_class(error)).inc()
        left_out = self._log_limiter.left_out((raw.topic, error_class(error)), time.monotonic())
        if left_out is None:
            return
        log.error(
            "message.dead_lettered",
            topic=raw.topic,
            partition=raw.partition,
            offset=raw.offset,
            error_class=error_class(error),
            reason=reason[:_LONGEST_MESSAGE],
            attempts=attempts,
            left_out=left_out,
        )

    async def _put_outline(self, raw: RawMessage, added: dict[str, Any], refusal: RecordRefused) -> None:
        """Sends a dead letter with only the origin of a message, after Kafka refused the whole message.

        If Kafka refuses that too, it is only logged, so that no other message waits for this one.
        """
        size = len(raw.key or b"") + len(raw.value or b"")
        outline = {
            **added,
            "error-message": added["error-message"][:_BRIEF_MESSAGE],
            "left-out": f"key, value and headers ({size} bytes and headers); read them at the origin",
        }
        where = {"topic": raw.topic, "partition": raw.partition, "offset": raw.offset}
        log.error("message.dead_letter_too_large", **where, reason=str(refusal))
        try:
            await self._producer.send_raw(DEAD_LETTERS, key=None, value=b"", headers=_headers(outline))
        except RecordRefused:
            log.exception("message.dead_letter_refused", **where)


def _headers(added: dict[str, Any]) -> Headers:
    # Error messages quote input, which may contain lone surrogates.
    return [(PREFIX + name, str(value).encode("utf-8", "backslashreplace")) for name, value in added.items()]
