"""Authenticates AudioHook sessions by the signatures of their requests. Not pure: it passes in the real clock."""

import time

from steno_ingest.calls.doors.audiohook import AudioHookDoor, AudioHookOptions
from steno_ingest.calls.doors.audiohook_signature import Authenticator, ClientSecrets, NotAuthentic
from steno_ingest.calls.doors.http_entrance import DoorFactory, Upgrade, UpgradeRefused
from steno_ingest.calls.doors.port import AcceptedPeer
from steno_ingest.settings import IngestSettings

# Every refusal takes this long, so that its duration reveals nothing about the secret.
_REFUSAL_SECONDS = 0.5


def audiohook_door(settings: IngestSettings) -> DoorFactory:
    """Returns a factory that makes doors for authentic requests of Genesys.

    Raises:
        SecretFileUnreadable: the key file cannot be read.
    """
    secrets = ClientSecrets(settings.audiohook_keys_file)
    authenticator = Authenticator(secrets, clock=time.time, public_url=settings.audiohook_public_url or "")
    options = AudioHookOptions(
        messages_per_second=settings.audiohook_messages_per_second,
        message_burst=settings.audiohook_message_burst,
        events=settings.audiohook_events,
        interim=settings.audiohook_interim_transcripts,
        languages=tuple(language.strip() for language in settings.audiohook_languages.split(",")),
    )

    def make(upgrade: Upgrade) -> AcceptedPeer:
        try:
            caller = authenticator.check(upgrade)
        except NotAuthentic as wrong:
            reason = "the request is not authentic: the log of ingest says why"
            details = {"reason": str(wrong), "client": upgrade.client}
            raise UpgradeRefused(
                401, reason, delay_seconds=_REFUSAL_SECONDS, event="audiohook.refused", details=details
            ) from wrong
        door = AudioHookDoor(
            session_id=upgrade.headers["audiohook-session-id"],
            organization_id=upgrade.headers["audiohook-organization-id"],
            options=options,
        )
        return AcceptedPeer(door=door, caller=caller, holds=lambda: secrets.holds(caller))

    return make
