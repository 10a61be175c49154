"""The Kafka kernel: a producer that loses no record, consumers for work of any length, and the topics of the catalogue.

Services use the names exported here, and two modules that need no Kafka client, so that the domain of a service may import
them: `steno.kafka.messages` (what a handler gets) and `steno.kafka.errors`. All other modules are private to this package;
an import contract enforces that.
"""

from steno.kafka.client import client_options
from steno.kafka.cluster import Cluster
from steno.kafka.consumer import Consumer
from steno.kafka.dead_letter_count import DeadLetterCount
from steno.kafka.faults import is_refusal, refusal
from steno.kafka.followed_keys import FollowedKey, FollowedKeys, offset_at, read_range
from steno.kafka.followed_table import FollowedRows, FollowedTable, MemoryRows
from steno.kafka.jobs import HELD, Job, Partition
from steno.kafka.lag import forget_lag, report_lag
from steno.kafka.letter_topic import LetterTopic, delete_before, open_letters
from steno.kafka.letters import Letter, parse_id
from steno.kafka.log_consumer import LogConsumer
from steno.kafka.log_limiter import LogLimiter
from steno.kafka.log_partition import LogHandler
from steno.kafka.partitioner import partition_of
from steno.kafka.processing import RecordProcessor
from steno.kafka.producer import Encoded, Headers, Producer
from steno.kafka.reader import newest_records
from steno.kafka.redrive import Redrive, RedriveCount
from steno.kafka.topic_maker import TopicMaker
from steno.kafka.topics import create_topics, topic_name
from steno.kafka.watchdog import LoopGuard, Watchdog
from steno.kafka.watching import Begin, watch

__all__ = [
    "HELD",
    "Begin",
    "Cluster",
    "Consumer",
    "DeadLetterCount",
    "Encoded",
    "FollowedKey",
    "FollowedKeys",
    "FollowedRows",
    "FollowedTable",
    "Headers",
    "Job",
    "Letter",
    "LetterTopic",
    "LogConsumer",
    "LogHandler",
    "LogLimiter",
    "LoopGuard",
    "MemoryRows",
    "Partition",
    "Producer",
    "RecordProcessor",
    "Redrive",
    "RedriveCount",
    "TopicMaker",
    "Watchdog",
    "client_options",
    "create_topics",
    "delete_before",
    "forget_lag",
    "is_refusal",
    "newest_records",
    "offset_at",
    "open_letters",
    "parse_id",
    "partition_of",
    "read_range",
    "refusal",
    "report_lag",
    "topic_name",
    "watch",
]
