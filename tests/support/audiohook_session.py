"""An AudioHook session in memory: our client against the server's side."""

import json
from collections.abc import Iterable
from typing import Any

from steno_ingest.calls.doors.actions import Action, Close, CloseReason, Ended, ResumePoint, SendText
from steno_ingest.calls.doors.audiohook import AudioHookDoor, AudioHookOptions

from steno.cli.clients.audiohook_client import AudioHookClient, Conversation, ServerMessage, make_offers
from steno.events.records import Phrase, Word

FRAME = bytes(range(200)) * 16
"""200 ms of two channels."""


class Session:
    """A client and a door, without a network between them."""

    def __init__(self, conversation: Conversation | None = None, **options: Any) -> None:
        self.conversation = conversation or Conversation()
        self.now = 1000.0
        self.client = AudioHookClient(
            self.conversation, offers=options.pop("offers", None) or make_offers(("external", "internal"))
        )
        self.door = AudioHookDoor(
            session_id=self.conversation.session_id,
            organization_id=self.conversation.organization_id,
            options=AudioHookOptions(**options),
        )
        #: The actions of the door, except messages to the peer.
        self.told: list[Action] = []
        #: The messages of the door to the peer.
        self.said: list[ServerMessage] = []
        self.closed: CloseReason | None = None

    def carry_out(self, actions: Iterable[Action]) -> list[Action]:
        """Carries out actions; returns those that are not for the peer."""
        told: list[Action] = []
        for action in actions:
            if isinstance(action, SendText):
                said = self.client.receive(action.text, now=self.now)
                self.said.append(said)
                if said.answer:
                    self.send(said.answer)
            elif isinstance(action, Close):
                self.closed = action.why
            else:
                told.append(action)
        self.told += told
        return told

    def send(self, text: str) -> list[Action]:
        """Sends a text frame of the client."""
        return self.carry_out(self.door.receive_text(text, now=self.now))

    def audio(self, frame: bytes = FRAME) -> list[Action]:
        """Sends audio of the client, if it may."""
        sent = self.client.audio(frame)
        return self.carry_out(self.door.receive_bytes(sent, now=self.now)) if sent is not None else []

    def accept(self) -> None:
        """Accepts the call."""
        self.carry_out(self.door.accept(at=ResumePoint(sequence=0, position=0), now=self.now))

    def tick(self, seconds: float) -> list[Action]:
        """Lets time pass."""
        self.now += seconds
        return self.carry_out(self.door.tick(now=self.now))

    def mutated(self, text: str, **changes: Any) -> list[Action]:
        """Sends a changed message of the client."""
        return self.send(json.dumps(json.loads(text) | changes))

    @property
    def types(self) -> list[str]:
        """The types of the server's messages."""
        return [said.type for said in self.said]


def opened(**options: Any) -> Session:
    """Makes an open session whose first ping is answered."""
    session = Session(**options)
    session.tick(0)
    session.send(session.client.open())
    session.accept()
    session.send(session.client.ping())
    session.told.clear()
    return session


def ended(session: Session) -> Ended:
    """Returns the end of the call."""
    (end,) = [action for action in session.told if isinstance(action, Ended)]
    return end


def phrase(text: str, *, start_ms: int = 0, channel: int = 0) -> Phrase:
    """Makes a phrase of one word."""
    return Phrase(
        call_id="c",
        recording_id="r",
        phrase_id=f"phrase-{channel}-{start_ms}",
        sequence=0,
        channel=channel,
        start_ms=start_ms,
        duration_ms=1250,
        text=text,
        confidence=0.75,
        words=(Word(text=text, start_ms=start_ms + 100, duration_ms=1000, confidence=0.5),),
    )
