"""Dead letters: the original bytes of what could not be processed, with where it came from and why in the headers.

| header | holds |
|---|---|
| `steno-origin-topic`, `steno-origin-partition`, `steno-origin-offset` | where it stood |
| `steno-error-class`, `steno-error-message` | what programs match on; what a person reads |
| `steno-attempts` | how often it was tried |
| `steno-service` | who gave it up |
| `steno-left-out` | what Kafka did not take of it: its key, value and headers then stand at its origin only |

Key, value and the headers it came with are kept, so that it can be sent again as it was.
"""

import time
from typing import Any

import structlog

from steno.errors import StenoError
from steno.events.catalogue import DEAD_LETTERS, Topic
from steno.kafka.errors import RecordRefused
from steno.kafka.log_limiter import LogLimiter
from steno.kafka.messages import RawMessage
from steno.kafka.metrics import DEAD_LETTERS as DEAD_LETTERS_COUNT
from steno.kafka.producer import Headers, Producer

log = structlog.get_logger("steno.kafka.dead_letters")

_PREFIX = "steno-"
_LONGEST_MESSAGE = 2000
_BRIEF_MESSAGE = 200


def error_class(error: BaseException) -> str:
    """What programs match on: the class of an error of ours, `unexpected` for any other."""
    return error.error_class if isinstance(error, StenoError) else "unexpected"


class DeadLetters:
    """Sends messages to dead letters for a service."""

    def __init__(self, producer: Producer, service: str) -> None:
        self._producer = producer
        self._service = service
        self._log_limiter = LogLimiter()

    def owns(self, topic: Topic) -> bool:
        """Whether it is this service that sends unreadable records of a topic to dead letters, so that each is there once."""
        return topic.bad_records_to == self._service

    async def put(self, raw: RawMessage, error: BaseException, attempts: int) -> None:
        """Sends a message to dead letters; returns when all replicas have it.

        Raises:
            KafkaUnavailable: it is not known to be safe; the message must not count as done.
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
        kept: list[tuple[str, Any]] = [(name, value) for name, value in raw.headers if not name.startswith(_PREFIX)]
        # aiokafka sends nothing that has neither key nor value.
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
        """Says at least where a message stands that Kafka does not take as a dead letter.

        Where not even that is taken the log has it, and no other message waits for this one.
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
    # Reasons repeat what others wrote, lone surrogates among it.
    return [(_PREFIX + name, str(value).encode("utf-8", "backslashreplace")) for name, value in added.items()]
