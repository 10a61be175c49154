"""A turn of a Speech SDK client: audio of its call, from a request id to `turn.end`. Pure values.

A client counts times from where the audio of the turn begins. That is known of a turn before its first phrase: clients that say
where they continue are taken at their word (`Continuation`), for others it is the next audio of the call.
"""

import re
from dataclasses import dataclass, field
from enum import Enum, auto

from steno.validation import PRINTABLE
from steno_ingest.calls.doors.speech_sdk_audio import SdkAudio
from steno_ingest.calls.doors.speech_sdk_options import MOST_TICKS, SdkOptions

TICKS_PER_SECOND = 10_000_000


class Stage(Enum):
    """How far a turn is."""

    #: Its header is awaited, or the call is not accepted yet.
    NEW = auto()
    #: Its audio goes into the call.
    HEARD = auto()
    #: Its audio has ended; its last phrases are awaited.
    ENDING = auto()


@dataclass(slots=True, eq=False, kw_only=True)
class Turn:
    """The state of one turn."""

    request_id: str
    options: SdkOptions
    audio: SdkAudio = field(default_factory=SdkAudio)
    stage: Stage = Stage.NEW
    #: Whether it continues a turn whose connection was lost.
    continued: bool = False
    #: Where its audio begins in the call, in samples of one channel, and in ticks.
    begin: int = 0
    begin_ticks: int = 0
    #: Samples at its beginning that the call has already, since the client sends them again.
    known: int = 0
    #: Where its audio ends in the call, in milliseconds.
    end_ms: int = 0
    #: When it is asked for again what its end waits for; None before the first tick.
    ask_again_at: float | None = None
    phrases: int = 0
    #: Whether the client was sent that somebody speaks, or that nobody does.
    speech_reported: bool = False
    silence_reported: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a client has of its call, as it returns it with its next turn: `X-Continuation-Token`."""

    call_id: str
    #: The number of phrases, which is the sequence of the first one that it does not have.
    phrases: int
    #: It sends no audio from before this place again, in ticks of its session.
    ticks: int

    def __str__(self) -> str:
        return f"{self.phrases}.{self.ticks}.{self.call_id}"


def read_token(text: str) -> Token | None:
    """Reads a token; None where a text is none."""
    phrases, _, rest = text.partition(".")
    ticks, _, call_id = rest.partition(".")
    if not re.fullmatch(PRINTABLE, call_id) or not all(
        part.isascii() and part.isdigit() and len(part) <= 18 for part in (phrases, ticks)
    ):
        return None
    return Token(call_id=call_id[:256], phrases=min(int(phrases), 2**31 - 1), ticks=min(int(ticks), MOST_TICKS))


class InterruptedTurns:
    """How far clients were that lost their connection within a turn, for those that do not say it when they return.

    They are known in this process only; the oldest ones are forgotten.
    """

    def __init__(self, *, most: int = 10_000) -> None:
        self._most = most
        self._tokens: dict[str, Token] = {}

    def keep(self, connection_id: str, token: Token) -> None:
        """Keeps how far a client is."""
        self._tokens[connection_id] = token
        while len(self._tokens) > self._most:
            del self._tokens[next(iter(self._tokens))]

    def take(self, connection_id: str) -> Token | None:
        """Returns how far a client is, once."""
        return self._tokens.pop(connection_id, None)
