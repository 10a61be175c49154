"""Recordings by Azure in several jobs, while the transcriber and Azure are killed between and during them."""

from pathlib import Path

import pytest
from support.azure_recordings import recordings_by_azure

RECORDINGS = 7


@pytest.mark.timeout(400)  # what was noted, but maybe not sent, is sent again only when it is certain, after 75 s
async def test_recordings_are_whole_and_paid_for_once_whatever_is_killed(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """Each recording is in one job, its phrases are there once, and nothing is left at Azure."""
    async with recordings_by_azure(kafka, topic_prefix, tmp_path) as bed:
        await bed.survive_kills(RECORDINGS)
