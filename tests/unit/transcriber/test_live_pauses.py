"""Of what is said while a call is paused, nothing is heard."""

import pytest
from steno_transcriber.speech import SAMPLES_PER_MS
from support.live_calls import CallWriter
from support.live_listener import Listener, speech, start_of, undisturbed


def test_what_is_said_while_the_call_is_paused_is_not_heard() -> None:
    """A publisher may send it all the same: card numbers are read out then. The call goes on where it is resumed."""
    silent, leaking = CallWriter(), CallWriter()
    for call in (silent, leaking):
        call.start()
        call.say(speech(1000, 4000))
        call.pause()
        if call is leaking:
            call.say(speech(5000, 6000))
            call.again(3)
            call.gap(800)
        call.resume(8 * 11_000 - call.position)
        call.say(speech(11_000, 5000))
        call.end()
    expected = undisturbed(silent.log)
    assert {cut[1] // 11_000 for cut in expected} == {0, 1}
    assert undisturbed(leaking.log) == expected


@pytest.mark.parametrize("began_ms", [0, 1200, 2900])
def test_a_pause_that_is_told_late_cuts_what_is_open(began_ms: int) -> None:
    """Where it began: nothing behind that is heard, in part or whole."""
    call = CallWriter()
    call.start()
    call.say(speech(1000, 3000))
    listener = Listener.of(start_of(call.log))
    for entry in call.log:
        listener.take(entry)
    listener.publish()
    opened = [spoken for channel in listener.call.channels if (spoken := channel.open_span) is not None]
    assert opened
    call.pause(late=24_000 - 8 * began_ms)
    listener.take(call.log[-1])
    cut = [found.utterance for found in listener.waiting]
    assert [found.start_ms for found in cut] == [found.start_ms for found in opened if found.start_ms < began_ms]
    for found in cut:
        assert found.end_ms <= began_ms
        assert found.audio_start_ms + len(found.samples) / SAMPLES_PER_MS <= began_ms
