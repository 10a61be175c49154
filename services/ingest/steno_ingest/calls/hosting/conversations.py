"""Matches a new session to the call of an earlier one, for peers whose protocol does not resume calls. Pure.

| new session | consequence |
|---|---|
| of a peer whose session was lost, or closed after an error | its call continues; the audio in between is missing |
| of another peer, or while the call has a session, or after its end | a new call |

Two sessions have the same peer if their key, conversation and audio format are the same.
"""

from dataclasses import dataclass

from steno.events.records import Role
from steno.tenants import Caller
from steno_ingest.calls.doors.actions import Offered
from steno_ingest.calls.doors.audio_format import AudioFormat

SILENT_SECONDS = 10.0
"""A peer that is silent for this long counts as disconnected, even if TCP has not noticed: AudioHook pings every 5 s."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation of one peer."""

    name: str
    door: str
    tenant: str
    key: str
    format: AudioFormat
    roles: tuple[Role, ...]


def conversation_of(offered: Offered, *, door: str, caller: Caller) -> Conversation | None:
    """Returns the conversation of an offer; None if its call is identified by id only."""
    if not offered.conversation:
        return None
    roles = tuple(channel.role for channel in offered.channels)
    return Conversation(offered.conversation, door, caller.tenant, caller.key, offered.format, roles)
