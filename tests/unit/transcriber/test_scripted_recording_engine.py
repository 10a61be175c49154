"""The scripted recording engine keeps the contract of its kind."""

import pytest
from steno_transcriber.engines.port import RecordingReference
from steno_transcriber.engines.scripted_recording import ScriptedRecordingEngine
from support.engine_contract import Recognitions, RecordingEngineContract, call_of
from support.recognition_options import ENGLISH


class TestScriptedRecordingEngine(RecordingEngineContract):
    @pytest.fixture
    async def engine(self) -> ScriptedRecordingEngine:
        return ScriptedRecordingEngine(lambda _: call_of())

    @pytest.fixture
    def recording(self) -> RecordingReference:
        return RecordingReference(
            call_id="call-1", recording_id="recording-1", url="https://calls.example/1.wav", channels=(0, 1), options=ENGLISH
        )

    @pytest.fixture
    def recognitions(self, engine: ScriptedRecordingEngine) -> Recognitions:
        return lambda: engine.recognitions
