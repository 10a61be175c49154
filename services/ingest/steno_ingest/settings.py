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
        description="Wrong API keys per minute that an address may send to a process; then it gets 429. 0: no limit.",
    )
    max_requests_per_key: int = Field(
        default=500, ge=1, description="Requests of one API key in progress, per process; further ones get 429."
    )
    max_submissions_per_key: int = Field(
        default=100,
        ge=1,
        description="Submissions of one API key in progress, per process, each using a few megabytes; further ones get 429.",
    )
    submissions_per_minute: float = Field(
        default=60_000,
        ge=0,
        description="Recordings per minute that one API key may submit to a process; 0: no limit.",
    )
    webhooks_per_minute: float = Field(
        default=600, ge=0, description="Webhooks per minute that one API key may register at a process; 0: no limit."
    )
    transcripts_per_minute: float = Field(
        default=60_000, ge=0, description="Transcripts per minute that one API key may read from a process; 0: no limit."
    )
    calls_per_minute: float = Field(
        default=6_000,
        ge=0,
        description="Live calls per minute that one key (of any kind) may start at a process; 0: no limit.",
    )
    max_upload_bytes: int = Field(default=1 << 30, gt=0, description="Largest recording that is accepted, in bytes.")
    watch_folder: Path | None = Field(
        default=None, description="Folder whose recordings are submitted; unset, no folder is watched."
    )
    watch_poll_seconds: float = Field(default=1, gt=0, description="How often the watched folder is scanned.")
    watch_settle_seconds: float = Field(
        default=10, ge=0, description="How long a file must be unchanged to count as complete; an empty one ten times as long."
    )
    watch_only_marked: bool = Field(
        default=False, description="Whether a file of the watched folder is complete only if FILE.done exists."
    )
    watch_tenant: str = Field(
        default="",
        max_length=LONGEST_NAME,
        pattern=r"^(\w[\w.@+:/-]*)?$",
        description="Tenant of recordings from the watched folder; unset, only keys with tenant=* see them.",
    )
    outbox_poll_seconds: float = Field(
        default=1, gt=0, description="How often the outbox is polled for rows of other processes."
    )
    consumer_concurrency: int = Field(default=16, ge=1, description="Results applied to the ledger concurrently.")
    audiohook_keys_file: Path | None = Field(
        default=None,
        description="File of accepted AudioHook keys, `API_KEY CLIENT_SECRET [tenant=T]` per line; unset, none is accepted.",
    )
    audiohook_public_url: str | None = Field(
        default=None,
        pattern=url_pattern("wss", "ws"),
        description="URL to which Genesys connects, wss://HOST/v1/audiohook, if a proxy changes host or path.",
    )
    audiohook_events: bool = Field(
        default=True,
        description="Whether transcripts are sent to Genesys; AudioHook Monitor accepts none.",
    )
    audiohook_interim_transcripts: bool = Field(
        default=True,
        description="Whether interim transcripts are sent to Genesys; off, each utterance is sent once, when it is final.",
    )
    audiohook_messages_per_second: float = Field(
        default=5, gt=0, description="Messages per second that Genesys accepts in a session."
    )
    audiohook_message_burst: float = Field(
        default=25, ge=5, description="Messages that Genesys accepts in a session in one burst."
    )
    audiohook_languages: str = Field(
        default="en-US",
        description="Supported languages to report to Genesys when it asks, separated by commas, e.g. en-US,de-DE.",
    )
    chunk_ms: int = Field(
        default=100,
        ge=20,
        le=500,
        description="Length of an audio record of a live call in milliseconds; twice as much for calls that begin while 100 "
        "are open, or whose frames are that long.",
    )
    live_speed: float = Field(
        default=1.25,
        ge=1,
        description="Fastest rate at which a live call is read, in multiples of real time, after a burst of 40 s.",
    )
    resume_seconds: float = Field(
        default=30,
        ge=0,
        description="How long a live call waits for its peer after a lost connection, if the peer may reconnect.",
    )
    idle_seconds: float = Field(
        default=60,
        gt=0,
        description="A connection of a live call without a message or ping for this long counts as lost.",
    )
    max_calls: int = Field(
        default=2000, ge=1, description="Maximum number of live calls per process; further ones are refused."
    )
    max_calls_per_key: int = Field(
        default=1000,
        ge=1,
        description="Maximum number of live calls per key (of any kind) and process; further ones are refused.",
    )
    max_call_hours: float = Field(
        default=12,
        gt=0,
        description="A live call that lasts this long is ended, with the reason `too_long`.",
    )
    record_calls: bool = Field(
        default=True, description="Whether live calls are recorded; if not, their audio is only in Kafka, for a day."
    )
    second_pass: bool = Field(
        default=True,
        description="Whether recordings of live calls are transcribed again, with better quality than during the call.",
    )
    keep_digits: bool = Field(
        default=False,
        description="Whether to keep which telephone keys (DTMF) were pressed in live calls. Off, only the time and channel of "
        "each press are kept: digits are often those of a card or a PIN.",
    )
    one_way_seconds: int = Field(
        default=30,
        ge=1,
        description="A silent channel of a live call is reported after this much sound on other channels.",
    )
    inactive_seconds: float = Field(
        default=300,
        gt=0,
        description="A live call of an upstream system is ended after this long without a record.",
    )
    paused_seconds: float = Field(
        default=3600,
        gt=0,
        description="The same for a paused call, and for a call of this service whose process never returned.",
    )
    twilio_auth_tokens_file: Path | None = Field(
        default=None,
        description="File of the Twilio Auth Tokens that sign streams, `TOKEN [tenant=T]` per line; unset, API keys only.",
    )
    twilio_public_url: str | None = Field(
        default=None,
        pattern=url_pattern("wss", "ws"),
        description="URL to which Twilio connects, wss://HOST/v1/twilio, if a proxy changes host or path.",
    )
    twilio_rejoin_seconds: float = Field(
        default=10,
        ge=0,
        le=3600,
        description="How long after a Twilio-shaped stream another stream may continue its call. The call ends that much later "
        "than its stream; 0: with its stream.",
    )
