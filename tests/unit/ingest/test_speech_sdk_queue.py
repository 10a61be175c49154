"""Which phrases a Speech SDK client is sent, and which it is known to have."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from steno_ingest.calls.doors.actions import Offered, ResumePoint
from steno_ingest.calls.doors.speech_sdk import SpeechSdkDoor
from steno_ingest.calls.doors.speech_sdk_options import SdkOptions
from steno_ingest.calls.doors.speech_sdk_queue import PhraseQueue
from steno_ingest.calls.doors.speech_sdk_turn import InterruptedTurns, Token, read_token
from support.calls import live_phrase
from support.speech_sdk_peer import RELIABLE, audio_message, riff, text_message, told

TURN = "a" * 32
SECOND = 16_000


def open_door(context: Any, *, interrupted: InterruptedTurns | None = None) -> tuple[SpeechSdkDoor, Offered]:
    """A door with a turn that began, and what it offered."""
    door = SpeechSdkDoor(SdkOptions(), connection_id="c1", other_call_id="c1-other", interrupted=interrupted)
    door.receive_text(text_message("speech.context", context, TURN), now=0)
    (offered,) = door.receive_bytes(audio_message(riff(), TURN), now=0)
    assert isinstance(offered, Offered)
    door.accept(at=ResumePoint(sequence=0, position=0), now=0)
    return door, offered


def sent(door: SpeechSdkDoor, number: int, *, start_ms: int = 0, **about: Any) -> list[tuple[str, Token | None]]:
    """The text and the token of each phrase that a client gets for a phrase of the call."""
    phrase = live_phrase(number, start_ms=start_ms, duration_ms=1000, channel=0, text=str(number), **about)
    messages = [message for message in told(door.add_caption(phrase, now=0)) if message.path == "speech.phrase"]
    return [(one.body["DisplayText"], read_token(one.headers.get("X-Continuation-Token", ""))) for one in messages]


def had(answers: list[tuple[str, Token | None]]) -> list[int]:
    """The numbers of phrases that a client has by its tokens."""
    return [token.phrases for _, token in answers if token is not None]


def test_a_phrase_that_comes_late_is_not_the_end_of_counting() -> None:
    """One that was read from the ledger after a later one; the client is not sent the later ones again when it returns."""
    door, _ = open_door(RELIABLE)
    assert [had(sent(door, number)) for number in (0, 2, 1, 3)] == [[1], [1], [3], [4]]


def test_a_phrase_that_was_corrected_before_it_was_sent() -> None:
    """It is sent as it is now, and not again."""
    door, _ = open_door(RELIABLE)
    assert [text for text, _ in sent(door, 0, revision=2)] == ["0"]
    assert sent(door, 0, revision=3) == []


def test_a_phrase_of_another_channel_that_a_lost_connection_cut_off() -> None:
    """It ended before the last one that the client has; a client that does not say where it continues gets it too."""
    interrupted = InterruptedTurns()
    first, _ = open_door({}, interrupted=interrupted)
    first.receive_bytes(audio_message(bytes(20 * SECOND), TURN), now=0)
    assert sent(first, 0, start_ms=3000)
    first.lose_connection()
    second, offered = open_door({}, interrupted=interrupted)
    assert offered.phrases == 1
    assert [text for text, _ in sent(second, 1, start_ms=1000)] == ["1"]


@given(st.permutations(range(8)), st.integers(0, 4), st.data())
def test_each_phrase_is_taken_once_in_any_order(order: list[int], known: int, data: st.DataObject) -> None:
    """And those before the first that is missing count as had."""
    queue = PhraseQueue(known)
    taken: list[int] = []
    for number in order:
        for _ in range(data.draw(st.integers(1, 2))):
            queue.add(live_phrase(number))
        while data.draw(st.booleans()) and (phrase := queue.take()) is not None:
            taken.append(phrase.sequence)
        assert queue.had == next(number for number in range(known, 10) if number not in taken)
    while (phrase := queue.take()) is not None:
        taken.append(phrase.sequence)
    assert sorted(taken) == list(range(known, 8))
    assert queue.had == 8


def test_phrases_that_no_turn_awaits_are_bounded() -> None:
    """The oldest are dropped, and count as had."""
    queue = PhraseQueue()
    for number in range(1100):
        queue.add(live_phrase(number))
    first = queue.take()
    assert first is not None
    assert (first.sequence, queue.had) == (100, 101)
