"""The settings of the notifier, from its environment (`STENO_NOTIFIER_…`)."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, SecretStr
from pydantic_settings import NoDecode, SettingsConfigDict

from steno.crypto import SecretKeys
from steno.settings import BY_COMMAS, Networks, ServiceSettings

Seconds = Annotated[float, Field(gt=0)]


class NotifierSettings(ServiceSettings):
    """The settings of the notifier."""

    service: ClassVar[str] = "notifier"
    model_config = SettingsConfigDict(env_prefix="STENO_NOTIFIER_")

    database_url: SecretStr = Field(
        default=SecretStr("sqlite:////var/lib/steno/notifier.db"),
        description="The deliveries: sqlite:///FILE for one machine, postgresql://USER:PASSWORD@HOST/NAME for many.",
    )
    api_keys_file: Path | None = Field(
        default=None, description="File of the accepted API keys, hashed; unset, no key is accepted."
    )
    wrong_keys_per_minute: float = Field(
        default=60,
        ge=0,
        description="Wrong API keys that an address may send a minute, per process; then it gets 429. 0: no limit.",
    )
    max_requests_per_key: int = Field(
        default=500, ge=1, description="Requests of one API key under way at once, captions too, per process; then it gets 429."
    )
    captions_per_minute: float = Field(
        default=6_000,
        ge=0,
        description="Caption streams that one API key may open a minute, per process; 0: no limit.",
    )
    replays_per_minute: float = Field(
        default=6_000, ge=0, description="Deliveries that one API key may replay a minute, per process; 0: no limit."
    )
    secret_key: SecretKeys = Field(
        description="Decrypts webhook secrets; the same as ingest's. To rotate, put the new key first: `NEW,OLD`."
    )
    public_url: str = Field(default="", description="Where users reach ingest, put in front of the links in webhooks.")
    allowed_networks: Networks = Field(
        default=(),
        description="Private networks that webhooks may be sent to, CIDR by commas (127.0.0.0/8), besides public addresses.",
    )
    timeout_seconds: Seconds = Field(default=15, description="How long a receiver may take to answer.")
    retry_seconds: Annotated[tuple[Seconds, ...], NoDecode, BY_COMMAS] = Field(
        default=(5, 30, 300, 1_800, 7_200, 18_000, 28_800, 28_800),
        description="Pauses after each failed attempt, in seconds by commas; when they are used up, the delivery has failed.",
    )
    concurrency: int = Field(default=50, ge=1, description="Most delivery attempts at once.")
    webhook_concurrency: int = Field(default=10, ge=1, description="Most delivery attempts at once to one webhook.")
    consumer_concurrency: int = Field(default=8, ge=1, description="Events consumed concurrently.")
    caption_readers: int = Field(default=1000, ge=1, description="Readers of captions at most, on this process.")
    retention_days: float = Field(default=30, gt=0, description="How long deliveries that came to an end are kept.")

    @property
    def retry_delays(self) -> tuple[timedelta, ...]:
        """The pauses between attempts."""
        return tuple(timedelta(seconds=seconds) for seconds in self.retry_seconds)
