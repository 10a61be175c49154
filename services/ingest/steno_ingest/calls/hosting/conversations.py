"""Says which conversation a session belongs to, for peers that do not say whether they were here before. Pure.

| who comes | what follows |
|---|---|
| the peer whose session was lost, or closed for an error | its call goes on; what was said in between is missing |
| another integration; the same one beside itself, or once its call is over | a call of its own |

The same peer is one with the same key that says the same of the conversation and of its audio.
"""

from dataclasses import dataclass

from steno.events.records import Role
from steno.tenants import Caller
from steno_ingest.calls.doors.actions import Offered
from steno_ingest.calls.doors.audio_format import AudioFormat

SILENT_SECONDS = 10.0
"""A peer that says nothing for so long has lost its connection, whatever TCP knows of it: AudioHook pings every 5 s."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as one peer brings it."""

    name: str
    door: str
    tenant: str
    key: str
    format: AudioFormat
    roles: tuple[Role, ...]


def conversation_of(offered: Offered, *, door: str, caller: Caller) -> Conversation | None:
    """The conversation that a call is of; None where the call is known by its id alone."""
    if not offered.conversation:
        return None
    roles = tuple(channel.role for channel in offered.channels)
    return Conversation(offered.conversation, door, caller.tenant, caller.key, offered.format, roles)
