"""The table of the doors and their paths. Not pure: it makes them from the settings."""

from collections.abc import Mapping
from itertools import product

from steno.http.auth import ApiKeys
from steno_ingest.calls.doors import twilio_signature
from steno_ingest.calls.doors.audiohook import AudioHookDoor
from steno_ingest.calls.doors.audiohook_entrance import audiohook_door
from steno_ingest.calls.doors.http_entrance import DoorFactory
from steno_ingest.calls.doors.port import Refusal
from steno_ingest.calls.doors.speech_sdk import SpeechSdkDoor
from steno_ingest.calls.doors.speech_sdk_entrance import REFUSED_PATHS, SPEECH_PATHS, refused_path, speech_sdk_door
from steno_ingest.calls.doors.stream import StreamDoor
from steno_ingest.calls.doors.stream_entrance import stream_door
from steno_ingest.calls.doors.twilio import TwilioDoor
from steno_ingest.metrics import CALLS_REFUSED
from steno_ingest.settings import IngestSettings
from steno_ingest.speech_tokens import SpeechTokens

RESUMABLE = frozenset({StreamDoor.name, SpeechSdkDoor.name})
"""The protocols whose peers can resume a call after a lost connection."""


def door_table(settings: IngestSettings, keys: ApiKeys) -> Mapping[str, DoorFactory]:
    """Makes the door factories, by path in lower case. Raises `SecretFileUnreadable` if a key file cannot be read."""
    # Shown from the start, at 0: a counter that first shows at 1 has not increased, to Prometheus.
    for door, reason in product((StreamDoor.name, AudioHookDoor.name, TwilioDoor.name, SpeechSdkDoor.name), Refusal):
        if reason.temporary:
            CALLS_REFUSED.labels(door, reason.value)
    tokens = twilio_signature.AuthTokens(settings.twilio_auth_tokens_file)
    authenticator = twilio_signature.Authenticator(tokens, keys, public_url=settings.twilio_public_url or "")
    speech_sdk = speech_sdk_door(keys, SpeechTokens(keys).verify)
    return {
        **dict.fromkeys(SPEECH_PATHS, speech_sdk),
        **{path: refused_path(reason) for path, reason in REFUSED_PATHS.items()},
        "/v1/stream": stream_door(keys),
        "/v1/audiohook": audiohook_door(settings),
        "/v1/twilio": twilio_signature.door_factory(authenticator, rejoin_seconds=settings.twilio_rejoin_seconds),
    }
