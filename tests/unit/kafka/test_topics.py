"""How the topics of the catalogue are made."""

import pytest

from steno.events.catalogue import (
    CALL_AUDIO,
    CALLS,
    DEAD_LETTERS,
    MAX_DEAD_LETTER_BYTES,
    MAX_RECORD_BYTES,
    RECORDINGS,
    WEBHOOKS,
    Topic,
    catalogue,
    topic_config,
)
from steno.kafka.topics import topic_name
from steno.settings import TopicSettings

DAY_MS = 86_400_000


def test_names_carry_the_prefix() -> None:
    """The prefix of the installation stands in front of the catalogue's name."""
    assert topic_name(TopicSettings(prefix="acme."), RECORDINGS) == "acme.recordings"


@pytest.mark.parametrize("topic", catalogue().values(), ids=catalogue().keys())
def test_what_is_said_to_be_gone_is_gone_in_time(topic: Topic) -> None:
    """Segments close within a day and within a tenth of the retention, so that retention acts on what it is said to."""
    config = topic_config(topic)
    segment_ms = int(config["segment.ms"])
    assert 600_000 <= segment_ms <= DAY_MS
    if topic.retention_ms is not None:
        assert int(config["retention.ms"]) == topic.retention_ms
        assert segment_ms <= max(600_000, topic.retention_ms / 10)


@pytest.mark.parametrize("topic", [WEBHOOKS, CALLS])
def test_compacted_topics_are_really_cleaned(topic: Topic) -> None:
    """Compaction may not be put off beyond a day, and the open segment does not stay open for long."""
    config = topic_config(topic)
    assert config["cleanup.policy"] == topic.cleanup
    assert int(config["max.compaction.lag.ms"]) == DAY_MS
    assert int(config["segment.ms"]) <= DAY_MS / 4


def test_dead_letters_take_the_largest_record_and_its_headers() -> None:
    """Only dead letters take more than the broker's default."""
    assert int(topic_config(DEAD_LETTERS)["max.message.bytes"]) == MAX_DEAD_LETTER_BYTES > MAX_RECORD_BYTES
    assert "max.message.bytes" not in topic_config(RECORDINGS)


def test_the_log_of_live_calls_keeps_the_times_its_records_were_made() -> None:
    """Whatever the cluster's default is: how long a call lasts is told by them."""
    assert topic_config(CALL_AUDIO)["message.timestamp.type"] == "CreateTime"
