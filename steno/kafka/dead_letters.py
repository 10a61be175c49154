"""Dead letters: the original bytes of what could not be processed, with where it came from and why in the headers.

| header | holds |
|---|---|
| `steno-origin-topic`, `steno-origin-partition`, `steno-origin-offset` | where it stood |
| `steno-error-class`, `steno-error-message` | what programs match on; what a person reads |
| `steno-attempts` | how often it was tried |
| `steno-service` | who gave it up |

Key, value and the headers it came with are kept, so that it can be sent again as it was.
"""

from typing import Any

import structlog

from steno.errors import StenoError
from steno.events.catalogue import DEAD_LETTERS
from steno.kafka.messages import RawMessage
from steno.kafka.metrics import DEAD_LETTERS as DEAD_LETTERS_COUNT
from steno.kafka.producer import Producer

log = structlog.get_logger("steno.kafka.dead_letters")

_PREFIX = "steno-"
_LONGEST_MESSAGE = 2000


def error_class(error: BaseException) -> str:
    """What programs match on: the class of an error of ours, `unexpected` for any other."""
    return error.error_class if isinstance(error, StenoError) else "unexpected"


class DeadLetters:
    """Puts messages aside for a service."""

    def __init__(self, producer: Producer, service: str) -> None:
        self._producer = producer
        self._service = service

    async def put(self, raw: RawMessage, error: BaseException, attempts: int) -> None:
        """Puts a message aside; returns when all replicas have it.

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
        kept = [(name, value) for name, value in raw.headers if not name.startswith(_PREFIX)]
        await self._producer.send_raw(
            DEAD_LETTERS,
            key=raw.key,
            value=raw.value,
            headers=[*kept, *((_PREFIX + name, str(value).encode()) for name, value in added.items())],
        )
        DEAD_LETTERS_COUNT.labels(raw.topic, error_class(error)).inc()
        log.error(
            "message.dead_lettered",
            topic=raw.topic,
            partition=raw.partition,
            offset=raw.offset,
            error_class=error_class(error),
            reason=reason[:_LONGEST_MESSAGE],
            attempts=attempts,
        )
