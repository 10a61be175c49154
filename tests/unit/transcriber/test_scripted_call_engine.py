"""The scripted call engine keeps the contract of its kind."""

from collections.abc import Iterator

import pytest
from steno_transcriber import engines
from steno_transcriber.engines.choice import Engine
from support.engine_contract import CallEngineContract


class TestScriptedCallEngine(CallEngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Iterator[Engine]:
        engine = engines.load("scripted_call")
        yield engine
        engine.close()
