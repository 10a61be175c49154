"""What the tests of the Kafka kernel share."""

from collections.abc import AsyncIterator

import pytest
from support.kernel import GroupUnderTest, group_under_test


@pytest.fixture
async def group(kafka: str, topic_prefix: str) -> AsyncIterator[GroupUnderTest]:
    """A consumer group with topics of its own on the session's Kafka."""
    async with group_under_test(kafka, topic_prefix) as found:
        yield found
