"""How one stream of the Speech SDK is started and stopped, with a substitute of the SDK."""

import threading
from collections.abc import Sequence
from typing import Any
from unittest.mock import MagicMock

import pytest
from steno_transcriber.azure import speech_sdk
from steno_transcriber.azure.audio_pipe import AudioPipe
from steno_transcriber.azure.credentials import Credential
from steno_transcriber.azure.endpoints import parse_endpoint
from steno_transcriber.azure.live_access import Access
from steno_transcriber.azure.speech_sdk import Stream, StreamRequest
from support.recognition_options import ENGLISH


@pytest.fixture
def steps() -> list[str]:
    return []


@pytest.fixture
def starting() -> threading.Event:
    return threading.Event()


@pytest.fixture
def let_start() -> threading.Event:
    return threading.Event()


@pytest.fixture
def stream(steps: list[str], starting: threading.Event, let_start: threading.Event) -> Stream:
    sdk = MagicMock()

    def start() -> None:
        starting.set()
        assert let_start.wait(5)
        steps.append("started")

    recogniser = sdk.SpeechRecognizer.return_value
    recogniser.start_continuous_recognition_async.return_value.get.side_effect = start
    recogniser.stop_continuous_recognition_async.return_value.get.side_effect = lambda: steps.append("stopped")
    access = Access(endpoint=parse_endpoint("westeurope"), credential=Credential(kind="key", secret="k" * 32))
    pipe = AudioPipe(bytes_per_second=32_000, taken=lambda _: None)
    return speech_sdk._SdkStream(sdk, StreamRequest(access=access, channels=1, options=ENGLISH), pipe, lambda _: None)


def in_thread(work: Any) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def ended(threads: Sequence[threading.Thread]) -> bool:
    for thread in threads:
        thread.join(5)
    return not any(thread.is_alive() for thread in threads)


def test_a_stream_that_is_stopped_while_it_starts_is_stopped_afterwards(
    stream: Stream, steps: list[str], starting: threading.Event, let_start: threading.Event
) -> None:
    """Its recogniser is not released while it starts: the SDK would go on to use its memory."""
    first = in_thread(stream.start)
    assert starting.wait(5)
    second = in_thread(stream.stop)
    second.join(0.1)
    assert second.is_alive()
    let_start.set()
    assert ended([first, second])
    assert steps == ["started", "stopped"]


def test_a_stream_that_was_stopped_does_not_start(stream: Stream, steps: list[str], let_start: threading.Event) -> None:
    """As where a call was given up before a thread was free for it: nothing would stop it any more."""
    let_start.set()
    stream.stop()
    stream.start()
    assert steps == []
