"""What can go wrong between this process and Kafka, named by what the caller should do. Pure.

```
StenoError
├── Retryable
│   ├── KafkaUnavailable   the broker did not take it, or not in time; the same call may work later
│   └── FollowerTooSlow    begin to follow anew, from where it stopped
├── Permanent
│   ├── RecordRefused      the broker will never take this record (too large, not valid)
│   └── WrongRecord        the record does not belong on its topic
├── NewerRecord            a service of ours of a newer version wrote it: upgrade this one; held until then
├── TopicMismatch          an operator must act: a topic is not as the settings say
└── ConsumerEnded          end the process; whoever supervises it starts a new one
    ├── DuplicateInstance  two processes work under one name: give each its own
    └── ConsumerStuck      no progress that only a new start will bring back
```
"""

from typing import ClassVar

from steno.errors import Permanent, Retryable, StenoError


class KafkaUnavailable(Retryable):
    """Kafka did not do what was asked, and may do it later."""

    error_class: ClassVar[str] = "kafka_unavailable"


class FollowerTooSlow(Retryable):
    """More messages wait for a follower than it may leave lying; it is followed no more."""

    error_class = "follower_too_slow"


class RecordRefused(Permanent):
    """Kafka will never take this record."""

    error_class = "record_refused"


class WrongRecord(Permanent):
    """The record is not one that its topic carries."""

    error_class = "wrong_record"


class NewerRecord(StenoError):
    """The schema is newer than this program, and the record is of one of our services: the fault is not the record's."""

    error_class = "newer_record"

    def __init__(self, schema_id: int) -> None:
        super().__init__(
            f"a newer version of Steno wrote it, with schema id {schema_id}, which is unknown here: upgrade this service"
        )
        self.schema_id = schema_id


class TopicMismatch(StenoError):
    """A topic is not as the settings of this installation say it is."""

    error_class = "topic_mismatch"


class ConsumerEnded(StenoError):
    """The consumer cannot go on; the process is to end and be started again."""

    error_class = "consumer_ended"


class DuplicateInstance(ConsumerEnded):
    """Another process works under the same instance name, and the two put each other out of the group."""

    error_class = "duplicate_instance"


class ConsumerStuck(ConsumerEnded):
    """The consumer has made no progress for too long."""

    error_class = "consumer_stuck"
