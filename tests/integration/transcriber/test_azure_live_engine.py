"""The live engine of Azure, by the real Speech SDK, before a far end that speaks its protocol."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from steno_transcriber.azure.live_engine import AzureLiveEngine
from support.azure_far_end import FarEnd, far_end
from support.azure_live import azure_engine
from support.engine_contract import CallEngineContract


@pytest.fixture
async def there() -> AsyncIterator[FarEnd]:
    async with far_end() as made:
        yield made


class TestOneStreamAChannel(CallEngineContract):
    @pytest.fixture
    async def engine(self, there: FarEnd, tmp_path: Path) -> AsyncIterator[AzureLiveEngine]:
        async with azure_engine(tmp_path, [there.host]) as made:
            yield made


class TestOneStreamOfTwoChannels(CallEngineContract):
    @pytest.fixture
    async def engine(self, there: FarEnd, tmp_path: Path) -> AsyncIterator[AzureLiveEngine]:
        async with azure_engine(tmp_path, [there.host], stereo=True) as made:
            yield made
