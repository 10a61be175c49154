"""The settings of ingest, from its environment (`STENO_INGEST_…`)."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from steno.crypto import SecretKeys
from steno.settings import ServiceSettings
from steno.tenants import LONGEST_NAME
from steno_ingest.urls import url_pattern


class IngestSettings(ServiceSettings):
    """Settings of ingest."""

    service: ClassVar[str] = "ingest"
    model_config = SettingsConfigDict(env_prefix="STENO_INGEST_")

    database_url: SecretStr = Field(
        default=SecretStr("sqlite:////var/lib/steno/ingest.db"),
        description="The ledger: sqlite:///FILE for one machine, postgresql://USER:PASSWORD@HOST/NAME for many.",
    )
    api_keys_file: Path | None = Field(
        default=None, description="File of the accepted API keys, hashed; unset, no key is accepted."
    )
    secret_key: SecretKeys = Field(
        description="Encrypts webhook secrets; the notifier has the same. To rotate, put the new key first: `NEW,OLD`."
    )
    wrong_keys_per_minute: float = Field(
        default=60,
        ge=0,
        description="Wrong API keys that an address may send a minute, per process; then it gets 429. 0: no limit.",
    )
    max_requests_per_key: int = Field(
        default=500, ge=1, description="Requests of one API key that are under way at once, per process; then it gets 429."
    )
    max_submissions_per_key: int = Field(
        default=100,
        ge=1,
        description="Recordings of one API key that are being submitted at once, per process, each a few megabytes of memory; "
        "then it gets 429.",
    )
    submissions_per_minute: float = Field(
        default=60_000,
        ge=0,
        description="Recordings that one API key may submit a minute, per process; 0: no limit.",
    )
    webhooks_per_minute: float = Field(
        default=600, ge=0, description="Webhooks that one API key may register a minute, per process; 0: no limit."
    )
    transcripts_per_minute: float = Field(
        default=60_000, ge=0, description="Transcripts that one API key may read a minute, per process; 0: no limit."
    )
    calls_per_minute: float = Field(
        default=6_000,
        ge=0,
        description="Live calls that one key, of any kind, may open a minute, per process; 0: no limit.",
    )
    max_upload_bytes: int = Field(default=1 << 30, gt=0, description="Largest recording that is accepted, in bytes.")
    watch_folder: Path | None = Field(
        default=None, description="Recordings dropped into this folder are taken in; unset, none is watched."
    )
    watch_poll_seconds: float = Field(default=1, gt=0, description="How often the watched folder is scanned.")
    watch_settle_seconds: float = Field(
        default=10, ge=0, description="How long a file must not have changed to count as whole; an empty one ten times as long."
    )
    watch_only_marked: bool = Field(
        default=False, description="Whether a file of the watched folder is whole only once FILE.done lies beside it."
    )
    watch_tenant: str = Field(
        default="",
        max_length=LONGEST_NAME,
        pattern=r"^(\w[\w.@+:/-]*)?$",
        description="Tenant that recordings of the watched folder belong to; unset, only keys with tenant=* see them.",
    )
    outbox_poll_seconds: float = Field(
        default=1, gt=0, description="How often the outbox is polled for rows of which no notification came."
    )
    consumer_concurrency: int = Field(default=16, ge=1, description="Results applied to the ledger concurrently.")
    audiohook_keys_file: Path | None = Field(
        default=None,
        description="File of the accepted AudioHook keys, `API_KEY CLIENT_SECRET [tenant=T]` a line; unset, none is accepted.",
    )
    audiohook_public_url: str | None = Field(
        default=None,
        pattern=url_pattern("wss", "ws"),
        description="Where Genesys connects to, wss://HOST/v1/audiohook, where a proxy changes host or path on the way.",
    )
    audiohook_events: bool = Field(
        default=True,
        description="Whether transcripts are sent to Genesys; AudioHook Monitor takes none.",
    )
    audiohook_interim_transcripts: bool = Field(
        default=True,
        description="Whether interim transcripts are sent to Genesys; off, each utterance is sent once, when it is final.",
    )
    audiohook_messages_per_second: float = Field(
        default=5, gt=0, description="Messages a second that Genesys takes in one session."
    )
    audiohook_message_burst: float = Field(default=25, ge=5, description="Messages that Genesys takes at once in one session.")
    audiohook_languages: str = Field(
        default="en-US",
        description="Supported languages to report to Genesys when it asks, separated by commas, e.g. en-US,de-DE.",
    )
    chunk_ms: int = Field(
        default=100,
        ge=20,
        le=500,
        description="Length of a record of a live call's audio, milliseconds; twice as much for calls that begin while "
        "100 are open, or whose frames are so long.",
    )
    live_speed: float = Field(
        default=1.25,
        ge=1,
        description="Fastest rate at which a live call is read, in multiples of real time, after a burst of 40 s.",
    )
    resume_seconds: float = Field(
        default=30,
        ge=0,
        description="How long a live call that lost its connection waits for its peer, if it may come back.",
    )
    idle_seconds: float = Field(
        default=60,
        gt=0,
        description="A connection of a live call on which nothing comes for this long, not even a ping, counts as lost.",
    )
    max_calls: int = Field(default=2000, ge=1, description="Live calls at once; further ones are refused.")
    max_calls_per_key: int = Field(
        default=1000, ge=1, description="Live calls at once of one key, of any kind, per process; further ones are refused."
    )
    max_call_hours: float = Field(
        default=12,
        gt=0,
        description="A live call that goes on for so long is ended, with the reason `too_long`.",
    )
    record_calls: bool = Field(
        default=True, description="Whether live calls are recorded; off, their audio is kept in Kafka only, for a day."
    )
    second_pass: bool = Field(
        default=True,
        description="Whether recordings of live calls are transcribed again: better than was possible while people spoke.",
    )
    keep_digits: bool = Field(
        default=False,
        description="Whether to keep which telephone keys (DTMF) were pressed in live calls. Off, only the time and channel of "
        "each press are kept: digits are often those of a card or a PIN.",
    )
    one_way_seconds: int = Field(
        default=30,
        ge=1,
        description="A channel of a live call is noted as silent once the others were heard for this long without it.",
    )
    inactive_seconds: float = Field(
        default=300,
        gt=0,
        description="A live call published by an upstream system is ended when nothing came of it for so long.",
    )
    paused_seconds: float = Field(
        default=3600,
        gt=0,
        description="The same while a call is paused, and for calls of this service's own doors whose process never came back.",
    )
    twilio_auth_tokens_file: Path | None = Field(
        default=None,
        description="File of the Twilio Auth Tokens that sign streams, `TOKEN [tenant=T]` a line; without one, API keys only.",
    )
    twilio_public_url: str | None = Field(
        default=None,
        pattern=url_pattern("wss", "ws"),
        description="Where Twilio connects to, wss://HOST/v1/twilio, where a proxy changes host or path on the way.",
    )
    twilio_rejoin_seconds: float = Field(
        default=10,
        ge=0,
        le=3600,
        description="How long after a Twilio-shaped stream another one of the same call is awaited, which goes on with it. "
        "A call is over that much later than its stream; 0 ends each with its stream.",
    )
