"""Authenticates Speech SDK clients, and refuses what they ask for by an address that is not served. Not pure: it reads keys.

Whichever address a client takes, it is served the same way (`SPEECH_PATHS`): what it asks for is in its first messages.
"""

import re
import secrets
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from pydantic import TypeAdapter, ValidationError

from steno.http.auth import SUBSCRIPTION_KEY, ApiKeys
from steno.tenants import Caller
from steno_ingest.calls.doors.http_entrance import DoorFactory, Upgrade, UpgradeRefused
from steno_ingest.calls.doors.port import AcceptedPeer
from steno_ingest.calls.doors.speech_sdk import SpeechSdkDoor
from steno_ingest.calls.doors.speech_sdk_options import CallId, NotServed, read_query
from steno_ingest.calls.doors.speech_sdk_turn import InterruptedTurns

_INTERACTIVE = "/speech/recognition/interactive/cognitiveservices/v1"

SPEECH_PATHS = (
    "/speech/recognition/conversation/cognitiveservices/v1",
    "/speech/recognition/dictation/cognitiveservices/v1",
    _INTERACTIVE,
    "/speech/universal/v2",
    "/stt/speech/recognition/conversation/cognitiveservices/v1",
    "/stt/speech/recognition/dictation/cognitiveservices/v1",
    "/stt" + _INTERACTIVE,
    "/stt/speech/universal/v2",
)
"""The paths at which clients recognise, in lower case."""

REFUSED_PATHS: Mapping[str, str] = {
    "/speech/translation/cognitiveservices/v1": "translation is not set up at this service; recognise with a SpeechRecognizer",
    "/cognitiveservices/websocket/v1": "speech synthesis is not part of this service",
    "/tts/cognitiveservices/websocket/v1": "speech synthesis is not part of this service",
}
"""The paths of what is not served, in lower case, and the reasons."""

_CONNECTION_ID = re.compile(r"[0-9A-Za-z-]{8,64}")
_CALL_ID = "x-steno-call-id"
_CALL_IDS: TypeAdapter[str] = TypeAdapter(CallId)


def speech_sdk_door(keys: ApiKeys, token: Callable[[str], Caller | None]) -> DoorFactory:
    """Returns a factory that makes doors for clients with a valid key or token.

    Args:
        token: Returns the caller of a token; None if it is not valid.
    """
    interrupted = InterruptedTurns()

    def make(upgrade: Upgrade) -> AcceptedPeer:
        query = {name.lower(): value for name, value in parse_qsl(upgrade.query)}
        caller = _caller(upgrade.headers, query, keys, token)
        try:
            options = read_query(upgrade.query, interactive=upgrade.path.lower().endswith(_INTERACTIVE))
            if call_id := upgrade.headers.get(_CALL_ID) or query.get(_CALL_ID, ""):
                _CALL_IDS.validate_python(call_id)
        except NotServed as refused:
            raise UpgradeRefused(400, str(refused), by_close=True) from refused
        except ValidationError as error:
            reason = "X-Steno-Call-Id must have 1 to 256 characters, and no control characters"
            raise UpgradeRefused(400, reason, by_close=True) from error
        connection_id = upgrade.headers.get("x-connectionid") or query.get("x-connectionid", "")
        if not _CONNECTION_ID.fullmatch(connection_id):
            connection_id = secrets.token_hex(16)
        door = SpeechSdkDoor(
            options,
            connection_id=connection_id,
            call_id=call_id,
            other_call_id=f"{connection_id}-{secrets.token_hex(4)}",
            interrupted=interrupted,
        )
        return AcceptedPeer(door=door, caller=caller, holds=lambda: keys.holds(caller))

    return make


def refused_path(reason: str) -> DoorFactory:
    """Returns a factory that refuses its clients, whose users are shown the reason."""

    def refuse(upgrade: Upgrade) -> AcceptedPeer:
        raise UpgradeRefused(400, reason, by_close=True)

    return refuse


def _caller(
    headers: Mapping[str, str], query: Mapping[str, str], keys: ApiKeys, token: Callable[[str], Caller | None]
) -> Caller:
    """Returns the caller of a key or a token, in a header or, as browsers must, in the query. Raises `UpgradeRefused`."""
    key = headers.get(SUBSCRIPTION_KEY) or query.get(SUBSCRIPTION_KEY)
    authorization = headers.get("authorization") or query.get("authorization")
    if key is None and authorization is None:
        raise UpgradeRefused(401, "no key was sent; give the SDK an API key of this service as its subscription")
    caller = None
    if key is not None:
        caller = keys.verify(key)
    elif authorization is not None:
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() == "bearer":
            caller = token(value.strip()) or keys.verify(value.strip())
    if caller is None:
        raise UpgradeRefused(401, "the key or token is not valid for this service, or not any more")
    return caller
