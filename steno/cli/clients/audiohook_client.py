"""The client's side of an AudioHook v2 session, as Genesys Cloud speaks it; without I/O.

It makes the messages that it is asked for, and checks all messages of the server against the protocol.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from steno.cli.api import ApiError, short_reason

SAMPLE_RATE = 8000
NIL_UUID = "00000000-0000-0000-0000-000000000000"

# The rate limit of Genesys for a server: messages per second, and in one burst.
_RATE, _BURST = 5, 25


class ServerError(ApiError):
    """The server broke the protocol."""


def new_id() -> str:
    """Makes an id in the form of the protocol (a UUID)."""
    return str(uuid4())


def duration(samples: int) -> str:
    """The duration of a number of samples of one channel, as `PT1.5S`."""
    return f"PT{samples / SAMPLE_RATE:.9f}".rstrip("0").rstrip(".") + "S"


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """The call that a session is about."""

    conversation_id: str = field(default_factory=new_id)
    organization_id: str = field(default_factory=new_id)
    session_id: str = field(default_factory=new_id)
    participant_id: str = field(default_factory=new_id)
    ani: str = "+13175550123"
    ani_name: str = "John Doe"
    dnis: str = "+18005550100"
    language: str = ""
    custom_config: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def probe(cls) -> "Conversation":
        """The conversation of the test session that Genesys opens when an integration is saved."""
        return cls(conversation_id=NIL_UUID, participant_id=NIL_UUID)


def make_offers(*channels: Sequence[str]) -> list[dict[str, Any]]:
    """The `media` parameter of `open`: what audio is offered, best first."""
    return [{"type": "audio", "format": "PCMU", "channels": list(names), "rate": SAMPLE_RATE} for names in channels]


TWO_CHANNELS = make_offers(("external", "internal"), ("external",), ("internal",))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMessage:
    """A message of the server."""

    type: str
    parameters: Mapping[str, Any]
    #: The text frame that answers it; empty where none does.
    answer: str = ""


class AudioHookClient:
    """One session. A method named after a message returns the frame to send."""

    def __init__(self, conversation: Conversation, *, offers: Sequence[Mapping[str, Any]] = TWO_CHANNELS) -> None:
        self._conversation = conversation
        self._offers = list(offers)
        #: connected, opening, open, closing, closed
        self.state = "connected"
        self.paused = False
        #: Samples of one channel since the session's start, those that were not sent among them.
        self.position = 0
        #: Channels of the media that the server chose, by name.
        self.channels: tuple[str, ...] = ()
        #: Transcript entities, as they came.
        self.transcripts: list[Mapping[str, Any]] = []
        self.sequence = 0
        self.server_sequence = 0
        self._pause_began = 0
        self._ping: int | None = None
        self._closing_sequence = 0
        self._allowed = float(_BURST)
        self._allowed_at: float | None = None

    def message(self, kind: str, parameters: Mapping[str, Any] | None = None) -> str:
        """Makes a message of any type."""
        self.sequence += 1
        content = {
            "version": "2",
            "id": self._conversation.session_id,
            "type": kind,
            "seq": self.sequence,
            "serverseq": self.server_sequence,
            "position": duration(self.position),
            "parameters": parameters or {},
        }
        return json.dumps(content)

    def open(self) -> str:
        """Makes `open`."""
        conversation = self._conversation
        self.state = "opening"
        parameters: dict[str, Any] = {
            "organizationId": conversation.organization_id,
            "conversationId": conversation.conversation_id,
            "participant": {
                "id": conversation.participant_id,
                "ani": conversation.ani,
                "aniName": conversation.ani_name,
                "dnis": conversation.dnis,
            },
            "media": self._offers,
        }
        if conversation.language:
            parameters["language"] = conversation.language
        if conversation.custom_config:
            parameters["customConfig"] = dict(conversation.custom_config)
        return self.message("open", parameters)

    def audio(self, frame: bytes) -> bytes | None:
        """The next audio, channels interleaved; None while none is to be sent, when its time passes all the same."""
        self.position += len(frame) // max(1, len(self.channels))
        return frame if self.state == "open" and not self.paused else None

    @property
    def may_ping(self) -> bool:
        """Whether the last `ping` was answered, so that another may be sent."""
        return self._ping is None

    def ping(self) -> str:
        """Makes `ping`."""
        if self._ping is not None:
            raise ServerError("no pong came before the next ping")
        text = self.message("ping")
        self._ping = self.sequence
        return text

    def pause(self) -> str:
        """Makes `paused`."""
        if not self.paused:
            self.paused, self._pause_began = True, self.position
        return self.message("paused")

    def resume(self) -> str:
        """Makes `resumed`, with the span that was left out."""
        start = self._pause_began if self.paused else self.position
        self.paused = False
        return self.message("resumed", {"start": duration(start), "discarded": duration(self.position - start)})

    def discard(self, samples: int) -> str:
        """Makes `discarded` for a span of samples."""
        start = self.position
        self.position += samples
        return self.message("discarded", {"start": duration(start), "discarded": duration(samples)})

    def close(self, reason: str = "end") -> str:
        """Makes `close`."""
        self.state = "closing"
        text = self.message("close", {"reason": reason})
        self._closing_sequence = self.sequence
        return text

    def receive(self, text: str, *, now: float) -> ServerMessage:
        """Handles a message of the server.

        Args:
            text: The text frame.
            now: Seconds of a monotonic clock.

        Raises:
            ServerError: it is not valid, or not allowed now.
        """
        try:
            return self._handle(json.loads(text), now)
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise ServerError(f"no message of the protocol: {short_reason(error)}") from None

    def _handle(self, message: Mapping[str, Any], now: float) -> ServerMessage:
        if message["version"] != "2" or message["id"] != self._conversation.session_id:
            raise ServerError("another version, or another session")
        if message["seq"] != self.server_sequence + 1:
            raise ServerError(f"seq is {message['seq']}, and should be {self.server_sequence + 1}")
        if message["clientseq"] > self.sequence:
            raise ServerError(f"clientseq is {message['clientseq']}, and only {self.sequence} were sent")
        if self.state == "closed":
            raise ServerError(f"{message['type']} came after closed")
        self.server_sequence = message["seq"]
        self._count(now)
        kind, parameters = message["type"], message["parameters"]
        answer = ""
        match kind:
            case "opened":
                answer = self._on_opened(parameters)
            case "pong":
                self._on_pong(message["clientseq"])
            case "event":
                self._on_event(parameters)
            case "closed":
                if self.state != "closing" or message["clientseq"] != self._closing_sequence:
                    raise ServerError("closed does not answer a close")
                self.state = "closed"
            case "disconnect" if self.state != "closing":
                answer = self.close("disconnect")
            case "pause" if self.state == "open":
                answer = self.pause()
            case "resume" if self.state == "open":
                answer = self.resume()
            case "updated" | "reconnect" | "disconnect" | "pause" | "resume":
                pass
            case _:
                raise ServerError(f"a message of type {kind}")
        return ServerMessage(type=kind, parameters=parameters, answer=answer)

    def _count(self, now: float) -> None:
        if self._allowed_at is not None:
            self._allowed = min(_BURST, self._allowed + (now - self._allowed_at) * _RATE)
        self._allowed_at = now
        self._allowed -= 1
        if self._allowed < 0:
            raise ServerError(f"more than {_RATE} messages a second")

    def _on_opened(self, parameters: Mapping[str, Any]) -> str:
        if self.state != "opening":
            raise ServerError("opened does not answer an open")
        media = parameters["media"]
        if len(media) != 1 or media[0] not in self._offers:
            raise ServerError("opened must have one of the offers")
        self.channels = tuple(media[0]["channels"])
        self.state = "open"
        return self.pause() if parameters.get("startPaused") else ""

    def _on_pong(self, answers: int) -> None:
        if answers != self._ping:
            raise ServerError("pong does not answer the ping")
        self._ping = None

    def _on_event(self, parameters: Mapping[str, Any]) -> None:
        if self.state not in ("open", "closing"):
            raise ServerError(f"an event came while the session was {self.state}")
        for entity in parameters["entities"]:
            if entity["type"] == "transcript":
                self.transcripts.append(entity["data"])
