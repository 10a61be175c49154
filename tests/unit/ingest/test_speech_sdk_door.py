"""The door of Azure's Speech SDK: what its client says, and what it is answered."""

from collections.abc import Sequence
from typing import Any

import pytest
from steno_ingest.calls.doors.actions import (
    Action,
    Audio,
    Close,
    CloseReason,
    Ended,
    Gap,
    Offered,
    ResumePoint,
    ResumePosition,
    Unusable,
    Updated,
)
from steno_ingest.calls.doors.audio_format import AudioFormat
from steno_ingest.calls.doors.port import Refusal
from steno_ingest.calls.doors.speech_sdk import SpeechSdkDoor
from steno_ingest.calls.doors.speech_sdk_options import Mode, SdkOptions
from steno_ingest.calls.doors.speech_sdk_turn import InterruptedTurns
from support.calls import CALL, live_phrase
from support.speech_sdk_peer import NATIVE_CONFIG, RELIABLE, audio_message, paths, riff, text_message, told

from steno.events.records import AudioCodec, GapReason, Hypothesis, Phrase, Role

TURN, NEXT_TURN = "a" * 32, "b" * 32
BREAK = Gap(length=0, reason=GapReason.DISCARDED)
SECOND = 16_000
TICKS = 10_000_000


def phrase(number: int, start_ms: int, duration_ms: int = 1000, **about: Any) -> Phrase:
    """A phrase of channel 0."""
    return live_phrase(number, start_ms=start_ms, duration_ms=duration_ms, channel=0, **about)


class Client:
    """A client at a door whose call is accepted as it is offered."""

    def __init__(
        self, *, once: bool = False, context: Any = RELIABLE, config: Any = NATIVE_CONFIG, door: SpeechSdkDoor | None = None
    ) -> None:
        mode = Mode.ONCE if once else Mode.CONTINUOUS
        self.door = door or SpeechSdkDoor(SdkOptions(mode=mode), connection_id="c1", other_call_id="c1-other")
        self.offered: list[Offered] = []
        self.did: list[Action] = []
        self.door.receive_text(text_message("speech.config", config), now=0)
        self.context = context

    def begin(self, request_id: str = TURN, header: bytes | None = None, context: Any = None) -> list[Action]:
        """A turn: its context and the header of its audio."""
        said = self.door.receive_text(text_message("speech.context", context or self.context, request_id), now=0)
        return [*said, *self.send(header or riff(), request_id)]

    def send(self, payload: bytes, request_id: str = TURN) -> list[Action]:
        """Audio; an offer is accepted."""
        found: list[Action] = []
        for action in self.door.receive_bytes(audio_message(payload, request_id), now=0):
            if isinstance(action, Offered):
                self.offered.append(action)
                found += self.door.accept(at=ResumePoint(sequence=0, position=0), now=0)
            else:
                found.append(action)
        return found

    def say(self, seconds: float, request_id: str = TURN) -> list[Action]:
        """So much audio."""
        return self.send(bytes(round(2 * SECOND * seconds)), request_id)

    def phrase(self, *arguments: Any, **about: Any) -> list[Action]:
        """A phrase of the call."""
        return self.door.add_caption(phrase(*arguments, **about), now=0)

    def reach(self, until_ms: int) -> list[Action]:
        """All phrases before a time are out."""
        return self.door.reach_captions(until_ms=until_ms, now=0)


def test_a_call_is_offered_with_the_header_of_its_first_audio() -> None:
    """Its id is that of the connection; `turn.start` follows when it is accepted, then what is heard."""
    client = Client()
    assert paths(client.begin()) == ["turn.start"]
    (offered,) = client.offered
    assert (offered.call_id, offered.locale, offered.format) == ("c1", "en-US", AudioFormat(AudioCodec.S16LE, SECOND))
    assert offered.resume == ResumePoint(sequence=0, position=0)
    assert offered.properties == {"connection_id": "c1"}
    assert client.say(0.1) == [Audio(data=bytes(3200))]


def test_what_a_client_tells_steno_of_its_call() -> None:
    """An id, properties and roles, in its context."""
    client = Client()
    client.begin(context={**RELIABLE, "steno": {"callId": "crm-7", "properties": {"queue": "sales"}, "roles": ["agent"]}})
    (offered,) = client.offered
    assert (offered.call_id, offered.properties) == ("crm-7", {"connection_id": "c1", "queue": "sales"})
    assert offered.channels[0].role is Role.AGENT
    assert offered.resume is None, "an id that was given may be another client's"


def test_offsets_count_from_the_beginning_of_a_turn() -> None:
    """The second turn begins where the client says; phrases before it are of the first."""
    client = Client()
    client.begin()
    client.say(3)
    first = told(client.phrase(0, 500))
    assert [message.path for message in first] == ["speech.startDetected", "speech.phrase"]
    assert (first[1].body["Offset"], first[1].body["Duration"]) == (TICKS // 2, TICKS)
    ended = client.send(b"")
    assert ended == [BREAK]
    client.reach(3000)
    continued = {"token": first[1].headers["X-Continuation-Token"], "audio": {"streams": {"1": {"offset": str(3 * TICKS)}}}}
    client.begin(NEXT_TURN, context={**RELIABLE, "continuation": continued})
    assert client.say(2, NEXT_TURN) == [Audio(data=bytes(4 * SECOND))]
    (_, second) = told(client.phrase(1, 3500))
    assert (second.body["Offset"], second.request_id) == (TICKS // 2, NEXT_TURN)


def test_audio_that_the_call_has_is_passed_over() -> None:
    """A client sends the audio behind its last phrase again."""
    client = Client(once=True)
    client.begin()
    client.say(3)
    (_, sent, *_) = told(client.phrase(0, 500))
    continued = {"token": sent.headers["X-Continuation-Token"], "audio": {"streams": {"1": {"offset": str(3 * TICKS // 2)}}}}
    client.begin(NEXT_TURN, context={**RELIABLE, "continuation": continued})
    assert client.say(1, NEXT_TURN) == []
    assert client.say(1, NEXT_TURN) == [Audio(data=bytes(SECOND))]


def test_the_audio_of_a_turn_ends() -> None:
    """Open utterances end; the turn ends when its last phrase is out, and its client need not send anything again."""
    client = Client()
    client.begin()
    client.say(2)
    assert client.send(b"") == [BREAK]
    assert paths(client.phrase(0, 500)) == ["speech.startDetected", "speech.phrase"]
    assert paths(client.reach(1500)) == []
    ended = told(client.reach(2000))
    assert [message.path for message in ended] == ["speech.phrase", "speech.endDetected", "turn.end"]
    assert ended[0].body == {"RecognitionStatus": "EndOfDictation", "Offset": 2 * TICKS, "Duration": 0}


def test_what_the_end_of_a_turn_waits_for_is_asked_for_again() -> None:
    """It is lost if captions could not be followed for a while."""
    client = Client()
    client.begin()
    client.say(2)
    assert client.door.tick(now=100) == []
    client.send(b"")
    asked = [client.door.tick(now=100 + tenths / 10) for tenths in range(101)]
    assert [actions for actions in asked if actions] == [[BREAK], [BREAK]]
    client.reach(2000)
    assert client.door.tick(now=200) == []


def test_a_turn_for_one_phrase_ends_with_it() -> None:
    """What its client still sends is passed over; the next phrase waits for the next turn."""
    client = Client(once=True)
    client.begin()
    client.say(4)
    ended = client.phrase(0, 500)
    assert paths(ended) == ["speech.startDetected", "speech.phrase", "speech.endDetected", "turn.end"]
    assert client.say(1) == []
    assert client.phrase(1, 2000) == []
    (_, sent, *_) = told(ended)
    continued = {"token": sent.headers["X-Continuation-Token"], "audio": {"streams": {"1": {"offset": str(3 * TICKS // 2)}}}}
    begun = told(client.begin(NEXT_TURN, context={**RELIABLE, "continuation": continued}))
    assert [message.path for message in begun] == [
        *("turn.start", "speech.startDetected", "speech.phrase", "speech.endDetected", "turn.end")
    ]
    assert begun[2].body["Offset"] == TICKS // 2


def test_a_client_that_keeps_no_audio_begins_its_next_turn_with_new_audio() -> None:
    """The SDK for JavaScript: what was heard behind the phrase is of no turn."""
    client = Client(once=True, context={"phraseDetection": {"language": "en-US"}})
    client.begin()
    client.say(4)
    assert client.phrase(0, 500)[-1] == BREAK
    client.begin(NEXT_TURN)
    assert client.phrase(1, 2000) == [], "it was said before the turn"
    client.say(2, NEXT_TURN)
    (_, sent, *_) = told(client.phrase(2, 4500))
    assert sent.body["Offset"] == TICKS // 2


@pytest.mark.parametrize(("asked_ms", "silent_ms"), [(0, 5000), (2000, 2000)])
def test_nobody_speaks_in_a_turn_for_one_phrase(asked_ms: int, silent_ms: int) -> None:
    """It ends after 5 s, or as its client asked."""
    client = Client(once=True)
    client.begin(context={**RELIABLE, "phraseDetection": {"initialSilenceTimeout": asked_ms}})
    client.say(8)
    assert client.reach(silent_ms - 1) == []
    silent, *ended = told(client.reach(silent_ms))
    assert silent.body["RecognitionStatus"] == "InitialSilenceTimeout"
    assert [message.path for message in ended] == ["speech.endDetected", "turn.end"]


def test_nothing_is_understood_in_a_turn_for_one_phrase() -> None:
    """Its audio ends, and there is no phrase."""
    client = Client(once=True)
    client.begin()
    client.say(2)
    client.send(b"")
    (unmatched, *ended) = told(client.reach(2000))
    assert unmatched.body["RecognitionStatus"] == "NoMatch"
    assert [message.path for message in ended] == ["speech.endDetected", "turn.end"]


def test_silence_is_acknowledged() -> None:
    """Or a client would give up after a minute; it raises no event there."""
    client = Client()
    client.begin()
    client.say(70)
    (told_of,) = told(client.reach(30_000))
    assert told_of.body == {"RecognitionStatus": "EndOfDictation", "Offset": 30 * TICKS, "Duration": 0}
    assert client.reach(29_000) == []


def test_a_silence_that_was_asked_for_is_reported_once() -> None:
    """Its turn goes on."""
    client = Client()
    client.begin(context={**RELIABLE, "phraseDetection": {"initialSilenceTimeout": 3000}})
    client.say(20)
    assert [message.body["RecognitionStatus"] for message in told([*client.reach(5000), *client.reach(10_000)])] == [
        *("InitialSilenceTimeout", "EndOfDictation")
    ]


def test_audio_on_the_log_is_acknowledged_if_phrases_are_late() -> None:
    """A slow engine is no reason for a client to give up."""
    client = Client()
    client.begin()
    client.say(40)
    assert client.door.acknowledge(sequence=0, position=29 * SECOND) == []
    (late,) = told(client.door.acknowledge(sequence=0, position=31 * SECOND))
    assert late.body["Offset"] == 31 * TICKS
    assert client.door.acknowledge(sequence=0, position=32 * SECOND) == []
    # The phrase comes later, and what its client has does not go back.
    (_, sent) = told(client.phrase(0, 500))
    assert sent.headers["X-Continuation-Token"] == f"1.{31 * TICKS}.c1"


def test_a_lost_connection_is_continued_where_its_client_is() -> None:
    """In whichever process: the token says which call, which phrases and which audio it has."""
    first = Client()
    first.begin()
    first.say(5)
    (_, sent) = told(first.phrase(0, 500))
    assert first.door.lose_connection() == [Ended(complete=False, reason="torn")]
    continued = {"token": sent.headers["X-Continuation-Token"], "audio": {"streams": {"1": {"offset": str(3 * TICKS // 2)}}}}
    second = SpeechSdkDoor(SdkOptions(), connection_id="c1", other_call_id="c1-other")
    second.receive_text(text_message("speech.context", {**RELIABLE, "continuation": continued}, NEXT_TURN), now=0)
    (offered,) = second.receive_bytes(audio_message(riff(), NEXT_TURN), now=0)
    assert isinstance(offered, Offered)
    assert (offered.call_id, offered.phrases, offered.resume) == ("c1", 1, ResumePosition(position=3 * SECOND // 2))
    # The same process has five seconds of it.
    second.accept(at=ResumePoint(sequence=50, position=5 * SECOND), now=0)
    assert second.receive_bytes(audio_message(bytes(7 * SECOND), NEXT_TURN), now=0) == []
    assert second.receive_bytes(audio_message(bytes(2), NEXT_TURN), now=0) == [Audio(data=bytes(2))]


def test_a_client_that_does_not_say_where_it_is_continues_in_the_same_process() -> None:
    """The SDK for JavaScript: this process knows what it had sent."""
    interrupted = InterruptedTurns()
    first, second = (
        SpeechSdkDoor(SdkOptions(), connection_id="c1", other_call_id="other", interrupted=interrupted) for _ in range(2)
    )
    client = Client(door=first, context={})
    client.begin()
    client.say(5)
    client.phrase(0, 500)
    first.lose_connection()
    again = Client(door=second, context={})
    again.begin()
    (offered,) = again.offered
    assert (offered.resume, offered.phrases) == (ResumePosition(position=3 * SECOND // 2), 1)


@pytest.mark.parametrize("reason", [Refusal.CALL_ALREADY_ENDED, Refusal.NO_SUCH_CALL, Refusal.CALL_ID_IN_USE])
def test_what_cannot_be_continued_becomes_a_call_of_its_own(reason: Refusal) -> None:
    """Its offsets go on from where the client is."""
    door = SpeechSdkDoor(SdkOptions(), connection_id="c1", other_call_id="c1-other")
    continued = {"token": f"3.{2 * TICKS}.c1", "audio": {"streams": {"1": {"offset": str(2 * TICKS)}}}}
    door.receive_text(text_message("speech.context", {**RELIABLE, "continuation": continued}, TURN), now=0)
    door.receive_bytes(audio_message(riff(), TURN), now=0)
    (offered,) = door.refuse(reason, now=0)
    assert isinstance(offered, Offered)
    assert (offered.call_id, offered.resume, offered.phrases) == ("c1-other", None, 0)
    door.accept(at=ResumePoint(sequence=0, position=0), now=0)
    assert door.receive_bytes(audio_message(bytes(SECOND), TURN), now=0) == [Audio(data=bytes(SECOND))]
    (_, sent) = told(door.add_caption(phrase(0, 100), now=0))
    assert sent.body["Offset"] == TICKS // 10
    assert sent.headers["X-Continuation-Token"] == f"1.{2 * TICKS + 11 * TICKS // 10}.c1-other"
    (close,) = door.refuse(reason, now=0)
    assert isinstance(close, Close), "it is offered once more, and not for ever"


@pytest.mark.parametrize("reason", list(Refusal))
def test_a_refusal_is_told_as_the_client_knows_it(reason: Refusal) -> None:
    """1013, to which it comes again, or 1007 with a text that its user is shown."""
    door = SpeechSdkDoor(SdkOptions(), connection_id="c1", other_call_id="c1")
    door.receive_bytes(audio_message(riff(), TURN), now=0)
    (close,) = door.refuse(reason, now=0)
    assert isinstance(close, Close)
    assert close.why is (CloseReason.TRY_AGAIN if reason.temporary else CloseReason.NOT_VALID)
    assert close.detail


def test_a_client_that_leaves_has_finished_its_call() -> None:
    """It closes, or is cut off between two turns; within a turn its call waits for it."""
    client = Client()
    client.begin()
    assert client.door.lose_connection(closed=True) == [Ended(complete=True, reason="hangup")]
    idle = Client(once=True)
    idle.begin()
    idle.say(2)
    idle.phrase(0, 0)
    assert idle.door.lose_connection() == [Ended(complete=True, reason="hangup")]


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        *[(reason, CloseReason.RESTARTING) for reason in ("service_stopping", "key_revoked", "replaced")],
        *[(reason, CloseReason.NOT_VALID) for reason in ("ended_by_api", "too_long")],
    ],
)
def test_a_client_is_asked_to_leave(reason: str, why: CloseReason) -> None:
    """1012, after which it connects again, or 1007 if its call is over."""
    client = Client()
    client.begin()
    (close,) = client.door.ask_to_leave(reason)
    assert isinstance(close, Close)
    assert close.why is why


def test_a_call_that_cannot_be_transcribed_is_told_why() -> None:
    """A language that nobody knows, say."""
    client = Client()
    client.begin()
    ended, close = client.door.end_captions(phrase_count=0, now=0, failure="the model does not know xx-XX")
    assert ended == Ended(complete=False, reason="transcript_failed", error="the model does not know xx-XX")
    assert close == Close(why=CloseReason.NOT_VALID, detail="the model does not know xx-XX")


def test_a_paused_call_does_not_hold_its_client() -> None:
    """Nothing is said of audio that was not heard."""
    client = Client()
    client.begin()
    client.say(1)
    client.door.ask_pause()
    assert paths(client.send(b""))[-1:] == ["turn.end"]
    other = Client()
    other.begin()
    other.say(1)
    other.send(b"")
    assert other.door.ask_pause() == [], "its last phrase may still come"
    assert paths(other.phrase(0, 100, 500)) == ["speech.startDetected", "speech.phrase"]
    assert paths(other.reach(1000))[-1:] == ["turn.end"]


def test_a_later_turn_may_be_in_another_language() -> None:
    """Everything else is as the first turn had it, which the log of ingest says."""
    client = Client()
    client.begin()
    client.say(1)
    client.send(b"")
    client.reach(1000)
    context = {"phraseDetection": {"language": "de-de"}, "dgi": {"groups": [{"items": [{"text": "Contoso"}]}]}}
    updated, unusable, *_ = client.begin(NEXT_TURN, context=context)
    assert updated == Updated(locale="de-DE")
    assert isinstance(unusable, Unusable)


def _frames(*messages: bytes | str) -> Sequence[Action]:
    client = Client()
    client.begin()
    found: list[Action] = []
    for message in messages:
        if isinstance(message, str):
            found += client.door.receive_text(message, now=0)
        else:
            found += client.door.receive_bytes(message, now=0)
    return found


@pytest.mark.parametrize(
    "message",
    [
        "no headers at all",
        "Path:speech.context\r\n\r\n{",
        "Path:speech.context\r\n\r\n[]",
        "X-RequestId:1\r\n\r\n{}",
        b"",
        b"\xff\xff",
        audio_message(bytes(10), "not an id!"),
        audio_message(b"no RIFF header", NEXT_TURN),
        audio_message(riff(tag=0x11), NEXT_TURN),
        audio_message(riff(channels=2), NEXT_TURN),
        audio_message(b"", NEXT_TURN),
    ],
)
def test_a_fault_of_the_client_ends_its_call_with_a_reason(message: bytes | str) -> None:
    """1007, which it does not repeat."""
    ended, close = _frames(message)
    assert isinstance(ended, Ended)
    assert (ended.complete, ended.reason) == (False, "protocol_error")
    assert isinstance(close, Close)
    assert (close.why, close.detail) == (CloseReason.NOT_VALID, ended.error)
    assert close.detail


def test_what_is_unknown_is_passed_over() -> None:
    """Telemetry, commits of audio, messages of a later version."""
    assert _frames(text_message("telemetry", {})) == []
    assert all(isinstance(action, Unusable) for action in _frames(text_message("audio.commit", ""), text_message("new", {})))


def test_neither_config_nor_context_is_needed() -> None:
    """What the URL says counts."""
    door = SpeechSdkDoor(SdkOptions(locale="de-DE"), connection_id="c1", other_call_id="c2")
    (offered,) = door.receive_bytes(audio_message(riff(), TURN), now=0)
    assert isinstance(offered, Offered)
    assert (offered.locale, offered.resume) == ("de-DE", None)


def test_request_ids_are_the_same_in_any_case() -> None:
    """The SDK for JavaScript writes them in upper case."""
    client = Client()
    client.begin("AbCd" * 8)
    assert client.say(0.1, "aBcD" * 8) == [Audio(data=bytes(3200))]


def test_hypotheses_are_of_their_turn() -> None:
    """One from before it is dropped."""
    client = Client()
    client.begin()
    hypothesis = Hypothesis(
        call_id=CALL, recording_id="r", phrase_id="p", revision=0, channel=0, start_ms=500, duration_ms=300, text="good"
    )
    assert paths(client.door.add_caption(hypothesis, now=0)) == ["speech.startDetected", "speech.hypothesis"]
    assert paths(client.door.add_caption(hypothesis, now=0)) == ["speech.hypothesis"]
    client.say(2)
    client.send(b"")
    client.reach(2000)
    assert client.door.add_caption(hypothesis, now=0) == []
