"""What can go wrong between this process and Kafka, named by what the caller should do.

```
StenoError
├── Retryable
│   ├── KafkaUnavailable   the broker did not take it, or not in time; the same call may work later
│   └── FollowerTooSlow    begin to follow anew, from where it stopped
├── Permanent
│   ├── RecordRefused      the broker will never take this record (too large, not valid)
│   └── WrongRecord        the record does not belong on its topic
├── TopicMismatch          an operator must act: a topic is not as the settings say
└── ConsumerEnded          end the process; whoever supervises it starts a new one
    ├── DuplicateInstance  two processes work under one name: give each its own
    ├── BreakerOpen        everything goes to dead letters: a person must look
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


class TopicMismatch(StenoError):
    """A topic is not as the settings of this installation say it is."""

    error_class = "topic_mismatch"


class ConsumerEnded(StenoError):
    """The consumer cannot go on; the process is to end and be started again."""

    error_class = "consumer_ended"


class DuplicateInstance(ConsumerEnded):
    """Another process works under the same instance name, and the two put each other out of the group."""

    error_class = "duplicate_instance"


class BreakerOpen(ConsumerEnded):
    """So much goes to dead letters that the fault is here or with a producer, not with single records."""

    error_class = "breaker_open"


class ConsumerStuck(ConsumerEnded):
    """The consumer has made no progress for too long."""

    error_class = "consumer_stuck"
