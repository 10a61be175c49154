"""Lets AudioHook sessions in, by the signature of their request. Not pure: it sets the clock of the doors."""

import time

from steno_ingest.calls.doors.audiohook import AudioHookDoor, AudioHookOptions
from steno_ingest.calls.doors.audiohook_signature import ClientSecrets, Gatekeeper, NotAuthentic
from steno_ingest.calls.doors.http_entrance import DoorFactory, Upgrade, UpgradeRefused
from steno_ingest.calls.doors.port import Entered
from steno_ingest.settings import IngestSettings

# A refusal takes this long whatever was wrong, so that its time tells nothing of the secret.
_REFUSAL_SECONDS = 0.5


def audiohook_door(settings: IngestSettings) -> DoorFactory:
    """Makes doors for requests that are Genesys's, and refuses all others.

    Raises:
        SecretFileUnreadable: the file of their keys cannot be read.
    """
    secrets = ClientSecrets(settings.audiohook_keys_file)
    gatekeeper = Gatekeeper(secrets, clock=time.time, public_url=settings.audiohook_public_url or "")
    options = AudioHookOptions(
        messages_per_second=settings.audiohook_messages_per_second,
        message_burst=settings.audiohook_message_burst,
        events=settings.audiohook_events,
        interim=settings.audiohook_interim_transcripts,
        languages=tuple(language.strip() for language in settings.audiohook_languages.split(",")),
    )

    def make(upgrade: Upgrade) -> Entered:
        try:
            caller = gatekeeper.check(upgrade)
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
        return Entered(door=door, caller=caller, holds=lambda: secrets.holds(caller))

    return make
