"""The table of the doors: which protocol is spoken at which path. Not pure: it makes them by the settings."""

from collections.abc import Mapping

from steno.http.auth import ApiKeys
from steno_ingest.calls.doors import twilio_signature
from steno_ingest.calls.doors.audiohook_entrance import audiohook_door
from steno_ingest.calls.doors.http_entrance import DoorFactory
from steno_ingest.calls.doors.stream import StreamDoor
from steno_ingest.calls.doors.stream_entrance import stream_door
from steno_ingest.settings import IngestSettings

RESUMABLE = frozenset({StreamDoor.name})
"""The protocols whose peers come back for a call when they lose their connection."""


def door_table(settings: IngestSettings, keys: ApiKeys) -> Mapping[str, DoorFactory]:
    """The doors, by path. Raises what says that a file of secrets cannot be read."""
    tokens = twilio_signature.AuthTokens(settings.twilio_auth_tokens_file)
    gatekeeper = twilio_signature.Gatekeeper(tokens, keys, public_url=settings.twilio_public_url or "")
    return {
        "/v1/stream": stream_door(keys),
        "/v1/audiohook": audiohook_door(settings),
        "/v1/twilio": twilio_signature.door_factory(gatekeeper, rejoin_seconds=settings.twilio_rejoin_seconds),
    }
