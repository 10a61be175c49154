"""AudioHook, both sides: whatever a client does, its audio arrives once, in order, at its place in the call."""

from collections.abc import Iterable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from steno_ingest.calls.doors.actions import Action, Audio, Close, Ended, Gap, Offered, Paused, Resumed, ResumePoint, SendText
from steno_ingest.calls.doors.audiohook import AudioHookDoor, AudioHookOptions
from support.effort import examples

from steno.cli.clients.audiohook_client import AudioHookClient, Conversation, make_offers
from steno.events.records import Hypothesis, Phrase


class Exchange(RuleBasedStateMachine):
    """A client and a door, with messages on their way in both directions."""

    def __init__(self) -> None:
        super().__init__()
        conversation = Conversation()
        self.client = AudioHookClient(conversation, offers=make_offers(("external", "internal")))
        self.door = AudioHookDoor(
            session_id=conversation.session_id, organization_id=conversation.organization_id, options=AudioHookOptions()
        )
        self.now = 0.0
        #: On their way, oldest first.
        self.to_door: list[str | bytes] = []
        self.to_client: list[tuple[str, float]] = []
        #: What the client spoke into the call, by position, and what came of it.
        self.spoken: list[tuple[int, bytes]] = []
        self.arrived: list[tuple[int, bytes]] = []
        self.position = 0
        self.paused = False
        self.ended: list[Ended] = []
        self.offered = False
        self.accepted = False
        self.frames = 0
        self.phrases = 0
        self.next_ping = 0.0

    def carry_out(self, actions: Iterable[Action]) -> None:
        """Carries out what the door wants."""
        for action in actions:
            match action:
                case SendText():
                    self.to_client.append((action.text, self.now))
                case Offered():
                    self.offered = True
                case Audio():
                    assert self.accepted
                    assert not self.paused
                    self.arrived.append((self.position, action.data))
                    self.position += len(action.data) // 2
                case Gap():
                    assert not self.paused
                    self.position += action.length
                case Paused():
                    assert not self.paused
                    self.paused = True
                case Resumed():
                    assert self.paused
                    self.paused = False
                    self.position += action.skipped
                case Ended():
                    self.ended.append(action)
                case Close():
                    raise AssertionError("the door closed the socket")

    @initialize(at_once=st.sampled_from([True, True, True, False]))
    def connect(self, at_once: bool) -> None:
        """The client opens the session, and mostly gets its answer before anything else happens."""
        self.carry_out(self.door.tick(now=self.now))
        self.to_door.append(self.client.open())
        if at_once:
            self.reach_the_door(1)
            self.accept()
            self.reach_the_client(1)

    @rule(count=st.integers(min_value=1, max_value=10))
    def reach_the_door(self, count: int) -> None:
        """Some of what the client sent arrives."""
        for _ in range(min(count, len(self.to_door))):
            sent = self.to_door.pop(0)
            if isinstance(sent, str):
                self.carry_out(self.door.receive_text(sent, now=self.now))
            else:
                self.carry_out(self.door.receive_bytes(sent, now=self.now))

    @rule(count=st.integers(min_value=1, max_value=10))
    def reach_the_client(self, count: int) -> None:
        """Some of what the door sent arrives; the client checks all of it."""
        for _ in range(min(count, len(self.to_client))):
            text, sent_at = self.to_client.pop(0)
            said = self.client.receive(text, now=sent_at)
            if said.answer:
                self.to_door.append(said.answer)

    @precondition(lambda self: self.offered and not self.accepted)
    @rule()
    def accept(self) -> None:
        """The ledger has the call."""
        self.accepted = True
        self.carry_out(self.door.accept(at=ResumePoint(sequence=0, position=0), now=self.now))

    @precondition(lambda self: self.client.state == "open")
    @rule(samples=st.integers(min_value=1, max_value=200))
    def speak(self, samples: int) -> None:
        """The client has audio, and sends it where it may."""
        self.frames += 1
        at = self.client.position
        frame = (self.frames.to_bytes(2, "big") * samples)[: 2 * samples]
        sent = self.client.audio(frame)
        if sent is not None:
            self.spoken.append((at, sent))
            self.to_door.append(sent)

    @precondition(lambda self: self.client.state == "open")
    @rule()
    def pause(self) -> None:
        """The client pauses, perhaps once more."""
        self.to_door.append(self.client.pause())

    @precondition(lambda self: self.client.state == "open")
    @rule()
    def resume(self) -> None:
        """The client goes on, perhaps without a pause."""
        self.to_door.append(self.client.resume())

    @precondition(lambda self: self.client.state == "open")
    @rule(samples=st.integers(min_value=0, max_value=100_000))
    def discard(self, samples: int) -> None:
        """The client leaves a span out."""
        self.to_door.append(self.client.discard(samples))

    @precondition(lambda self: self.client.state == "open" and self.client.may_ping and self.now >= self.next_ping)
    @rule()
    def ping(self) -> None:
        """The client pings, not faster than clients do."""
        self.next_ping = self.now + 1
        self.to_door.append(self.client.ping())

    @precondition(lambda self: self.client.state == "open")
    @rule(kind=st.sampled_from(["update", "error", "dtmf", "of-a-later-version"]))
    def say(self, kind: str) -> None:
        """The client says something else."""
        parameters = {"language": "de-de", "code": 400, "message": "", "digit": "5"}
        self.to_door.append(self.client.message(kind, parameters))

    @rule(wanted=st.booleans())
    def ask(self, wanted: bool) -> None:
        """The API wants a pause, or no pause."""
        self.carry_out(self.door.ask_pause() if wanted else self.door.ask_resume())

    @rule(seconds=st.floats(min_value=0, max_value=1))
    def pass_time(self, seconds: float) -> None:
        """Time passes, less than makes anybody impatient."""
        if self.offered and not self.accepted:
            seconds = 0
        if self.client.state == "open":
            self.now += seconds
        self.carry_out(self.door.tick(now=self.now))

    @precondition(lambda self: self.accepted)
    @rule(final=st.booleans(), channel=st.integers(min_value=0, max_value=1))
    def understand(self, final: bool, channel: int) -> None:
        """The transcriber understands something."""
        common = {
            "call_id": "c", "recording_id": "r", "phrase_id": f"p{self.phrases}", "channel": channel,
            "start_ms": self.phrases * 10, "duration_ms": 10, "text": "hello",
        }  # fmt: skip
        if final:
            self.phrases += 1
            self.carry_out(self.door.add_caption(Phrase(**common, sequence=0, confidence=1), now=self.now))
        else:
            self.carry_out(self.door.add_caption(Hypothesis(**common, revision=0), now=self.now))

    @invariant()
    def audio_is_where_it_was_spoken(self) -> None:
        """What arrived is the beginning of what was spoken, at the same positions."""
        assert self.arrived == self.spoken[: len(self.arrived)]
        assert not self.ended

    def teardown(self) -> None:
        """The client closes: all that was spoken has arrived, and the call has ended as it should."""
        if not self.accepted:
            return
        while self.client.state == "opening":
            self.reach_the_client(1)
        self.now += 10  # there is room for answers again
        self.to_door.append(self.client.close())
        while self.to_door or self.to_client:
            self.reach_the_door(100)
            self.now += 1
            self.reach_the_client(1)
        assert self.arrived == self.spoken
        assert self.ended == [Ended(complete=True, reason="hangup")]
        self.carry_out(self.door.end_captions(phrase_count=self.phrases, now=self.now))
        self.reach_the_client(100)
        assert self.client.state == "closed"


TestExchange = Exchange.TestCase
TestExchange.settings = settings(max_examples=examples(40), stateful_step_count=60, deadline=None)
