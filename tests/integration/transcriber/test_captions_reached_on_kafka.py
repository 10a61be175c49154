"""How far the captions of a call are, by the transcriber's process on a real Kafka, which is killed where a turn is over."""

from pathlib import Path

import pytest
from support.live_calls import CallWriter
from support.live_transcriber import live_installation
from support.speech import call_audio

from steno.events import ids
from steno.events.records import CaptionsReached

TURN_MS = 5_000


@pytest.mark.parametrize("engine", ["scripted", "scripted_call"])
async def test_it_follows_the_phrases_of_a_turn_whoever_has_the_call(
    kafka: str, topic_prefix: str, tmp_path: Path, engine: str
) -> None:
    """Whoever takes the call over says it again, with as many phrases, and then what comes of the next turn."""
    call = CallWriter(call_id="one")
    call.start()
    call.say(call_audio()[:, : TURN_MS * 16])
    call.gap(0)
    turn, call.log = call.log, []
    call.say(call_audio()[:, TURN_MS * 16 : 3 * TURN_MS * 16])
    call.gap(0)
    async with live_installation(kafka, topic_prefix, tmp_path, {"STENO_TRANSCRIBER_ENGINE": engine}) as steno:

        def reached(until_ms: int) -> list[CaptionsReached]:
            return [record for record in steno.made.of(CaptionsReached) if record.until_ms == until_ms]

        first = steno.worker("a")
        await first.start()
        await first.ready()
        await steno.play(turn)
        await steno.made.until(lambda: bool(reached(TURN_MS)), seconds=30)
        await first.kill()
        second = steno.worker("a")
        await second.start()
        await second.ready()
        await steno.made.until(lambda: len(reached(TURN_MS)) > 1, seconds=60)
        await steno.play(call.log)
        await steno.made.until(lambda: bool(reached(3 * TURN_MS)), seconds=30)
        # The topics keep no order between them.
        await steno.made.until(lambda: len(steno.phrases(turn)) >= reached(3 * TURN_MS)[0].phrase_count, seconds=10)
        phrases = steno.phrases(turn)
        (count,) = {record.phrase_count for record in reached(TURN_MS)}
        assert count == sum(phrase.start_ms < TURN_MS for phrase in phrases) > 0
        assert reached(3 * TURN_MS)[0].phrase_count == len(phrases) > count
        assert {record.recording_id for record in reached(3 * TURN_MS)} == {ids.live_pass_id("one")}
