"""What to do about dead letters, for each error class that can be in their header `steno-error-class`. Pure.

A test holds the table against all error classes of the code.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Advice:
    """What happened, and what a person does about it."""

    what: str
    do: str


_REDRIVE = "then `steno dead-letters redrive --class {}`"
_FROM_RECORDINGS = "submit the recording again with what is wrong put right, then purge the letter"

_GROUPS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("undecodable",),
        "The bytes are not a valid record of Steno.",
        "Find the publisher by origin and key, and have it use the schemas of Steno in Confluent framing; it must publish the "
        "record again. Sent back unchanged it fails again: purge it",
    ),
    (
        ("unknown_schema",),
        "The schema id is not known: its publisher uses another registry than STENO_SCHEMA_REGISTRY_URL, or none.",
        "Set STENO_SCHEMA_REGISTRY_URL to the publisher's registry and restart the services, " + _REDRIVE,
    ),
    (
        ("wrong_record",),
        "The record is valid, but does not belong on its topic, or its key is not the one that it names.",
        "Have its publisher write it to its topic with its key (docs/topics.md), and publish it again; purge the letter",
    ),
    (
        ("newer_record",),
        "A newer version of Steno wrote it than the service that read it.",
        "Upgrade that service, " + _REDRIVE,
    ),
    (
        ("unexpected", "internal", "permanent", "retryable", "steno"),
        "A fault of Steno: the service failed on this record while others of its kind went through.",
        "Look for message.failed with this offset in the log of the service, and report it. After an upgrade that mends it, "
        + _REDRIVE.removeprefix("then ")
        + ". The call or recording has ended as failed meanwhile",
    ),
    (
        ("unusable_record", "unusable_records", "broken_audio", "impossible_place", "after_the_end"),
        "A record of a live call does not fit the call; only the first of each kind in a call is here.",
        "Mend what publishes the call (docs/protocols/call-audio.md). The call went on or ended without it: purge the letter",
    ),
    (
        ("unknown_call",),
        "Records of a live call came without its CallStarted.",
        "Have its publisher begin each call with CallStarted, with the call id as the key of all its records. If the start "
        "came after all, " + _REDRIVE.removeprefix("then "),
    ),
    (
        ("unknown_codec",),
        "A live call has an audio codec that this version does not know.",
        "Have its publisher use PCMU, PCMA or S16LE, or upgrade Steno; the call has failed: purge the letter",
    ),
    (
        ("properties_too_large", "too_many_updates"),
        "The properties of a call are larger, or changed more often, than Steno keeps.",
        "Have its publisher send fewer properties (docs/protocols/call-audio.md). The call went on without: purge the letter",
    ),
    (
        ("contradictory_transcript",),
        "A transcript has more phrases than its completion says: two passes with one id, or a fault of Steno.",
        "Compare the phrases with the transcript (`steno show RECORDING`), and report it. Then purge the letter",
    ),
    (
        ("live_pass",),
        "A transcript of a recording has the id of a live call's pass.",
        "Have the publisher leave `recording_id` to Steno, and submit the recording again; purge the letter",
    ),
    (
        ("undecryptable_secret", "unusable_secret", "no_secret"),
        "The secret of a webhook cannot be decrypted or used.",
        "Give ingest and notifier the same STENO_…_SECRET_KEY, restart them, " + _REDRIVE,
    ),
    (
        ("record_refused", "too_large", "recording_too_large", "audio_too_long"),
        "Something is larger than Kafka, or a setting of Steno, takes.",
        "Raise the limit that the message names (docs/operating.md, Limits) and " + _REDRIVE.removeprefix("then "),
    ),
    (
        ("unusable_id", "invalid_metadata", "call_id_in_use", "call_already_ended", "already_ended", "idempotency_key_reused"),
        "A submission cannot be accepted as it is: its id or metadata is not valid, or belongs to another call.",
        "Have its publisher correct it and submit it again; purge the letter",
    ),
    (
        (
            *("refused", "empty_audio", "hard_linked", "foreign_url", "unsupported_url", "file_forbidden", "recording_missing"),
            *("recording_refused", "checksum_mismatch", "fetch_failed", "fetch_given_up", "unreadable_audio"),
            *("forbidden_address", "decoder_died", "unsupported_option", "unsupported_locale", "unsupported_model"),
        ),
        "A recording cannot be fetched, read, or transcribed as it was asked for; such a recording fails with this reason.",
        _FROM_RECORDINGS,
    ),
    (
        ("recognition_failed", "engine_not_loaded", "model", "no_such_job", "no_such_webhook", "too_far_ahead"),
        "The speech engine refused the work, or was not there.",
        "Look at the log of the transcriber and at STENO_TRANSCRIBER_ENGINE and STENO_TRANSCRIBER_MODEL; when that is mended, "
        + _REDRIVE.removeprefix("then "),
    ),
    (
        ("not_there", "not_yet", "no_transcript", "call_not_here", "protocol_error", "cannot_play", "stopped"),
        "What the record refers to was not there when it was handled.",
        "Look at the call in the ledger (`steno calls`, `steno show`); if it is there now, " + _REDRIVE.removeprefix("then "),
    ),
    (
        (
            *(
                "object_missing",
                "foreign_object",
                "store_not_usable",
                "topic_mismatch",
                "schema_not_registered",
                "schema_refused",
            ),
            *("unusable_schema", "secret_file_unreadable", "tls_files_unusable", "consumer_ended", "consumer_stuck"),
            *("duplicate_instance", "contract"),
        ),
        "The installation is not set up as the service needs it: a store, a registry, a file or a topic.",
        "Mend what the message names, restart the service, " + _REDRIVE,
    ),
)

ADVICE = {name: Advice(what, do.replace("{}", name)) for names, what, do in _GROUPS for name in names}
"""By error class."""


def advice_for(error_class: str) -> Advice:
    """What to do about an error class, one that this version does not know included."""
    if not error_class:
        return Advice(
            "It is not a dead letter of Steno: it has no error class.",
            "Find out who writes to the topic of dead letters besides the services of Steno, and purge it",
        )
    return ADVICE.get(error_class) or Advice(
        "The error class is not known to this version of the command line.",
        "Use the version of the services; `steno dead-letters show ID` says what was wrong with one of them",
    )
