"""The errors of the Kafka kernel. Pure.

```
StenoError
├── Retryable
│   ├── KafkaUnavailable   the broker refused or did not answer; the same call may succeed later
│   │   └── AccessRefused  an operator must act: the ACLs of the cluster do not allow it; then it goes on by itself
│   └── FollowerTooSlow    start following again, from the last message
├── Permanent
│   ├── RecordRefused      the broker will never accept this record (too large, not valid)
│   └── WrongRecord        the record does not belong on its topic
├── NewerRecord            a newer version of our services wrote it: it is held until this service is upgraded
├── TopicMismatch          an operator must act: a topic does not match the settings
└── ConsumerEnded          the process must end; its supervisor starts a new one
    ├── DuplicateInstance  two processes have the same instance name
    └── ConsumerStuck      no progress, which only a restart can resolve
```
"""

from typing import ClassVar

from steno.errors import Permanent, Retryable, StenoError


class KafkaUnavailable(Retryable):
    """Kafka did not do what was requested, but may do it later."""

    error_class: ClassVar[str] = "kafka_unavailable"


class AccessRefused(KafkaUnavailable):
    """The ACLs of the cluster do not allow this user what it needs; once they do, the same call succeeds."""

    error_class = "kafka_access_refused"


class FollowerTooSlow(Retryable):
    """More messages wait for a follower than its limit; it gets no more."""

    error_class = "follower_too_slow"


class RecordRefused(Permanent):
    """Kafka will never accept this record."""

    error_class = "record_refused"


class WrongRecord(Permanent):
    """The topic does not carry such records."""

    error_class = "wrong_record"


class NewerRecord(StenoError):
    """One of our services wrote the record with a schema that is newer than this program, so the record is not at fault."""

    error_class = "newer_record"

    def __init__(self, schema_id: int) -> None:
        super().__init__(
            f"a newer version of Steno wrote it, with schema id {schema_id}, which is unknown here: upgrade this service"
        )
        self.schema_id = schema_id


class TopicMismatch(StenoError):
    """A topic does not match the settings of this installation."""

    error_class = "topic_mismatch"


class ConsumerEnded(StenoError):
    """The consumer cannot continue; the process must be restarted."""

    error_class = "consumer_ended"


class DuplicateInstance(ConsumerEnded):
    """Another process has the same instance name, and the two exclude each other from the group."""

    error_class = "duplicate_instance"


class ConsumerStuck(ConsumerEnded):
    """The consumer has made no progress for too long."""

    error_class = "consumer_stuck"
