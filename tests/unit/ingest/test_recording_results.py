"""A transcript that is asked for right after a webhook told of it."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from steno_ingest.recordings.states import State
from steno_ingest.rest.recordings import RESULT_WAITS, wait_for_result


async def read_states(states: Sequence[str]) -> tuple[str, list[float]]:
    """The state that a request comes to where the ledger shows these, one after the other, and how it waited between."""
    shown = iter(states)
    waits: list[float] = []

    async def read() -> Any:
        return SimpleNamespace(state=State(next(shown)))

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    return (await wait_for_result(read, sleep=sleep)).state, waits


@pytest.mark.parametrize("state", ["completed", "failed", "cancelled"])
async def test_a_recording_that_has_ended_is_answered_at_once(state: str) -> None:
    """Whatever came of it."""
    assert await read_states([state]) == (state, [])


async def test_a_transcript_that_the_ledger_shows_a_moment_later_is_given() -> None:
    """The webhook was faster than the ledger: the request waits for it."""
    assert await read_states(["running", "running", "completed"]) == ("completed", list(RESULT_WAITS[:2]))


async def test_a_recording_that_goes_on_is_waited_for_two_seconds_at_most() -> None:
    """Whoever asks early is told soon that there is nothing yet."""
    state, waits = await read_states(["running"] * (len(RESULT_WAITS) + 1))
    assert state == "running"
    assert sum(waits) < 2
