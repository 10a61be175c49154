"""What ingest is told by its environment (`STENO_INGEST_…`)."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from steno.crypto import SecretKeys
from steno.settings import ServiceSettings


class IngestSettings(ServiceSettings):
    """Settings of ingest."""

    service: ClassVar[str] = "ingest"
    model_config = SettingsConfigDict(env_prefix="STENO_INGEST_")

    database_url: SecretStr = Field(
        default=SecretStr("sqlite:////var/lib/steno/ingest.db"),
        description="The ledger: sqlite:///FILE for one machine, postgresql://USER:PASSWORD@HOST/NAME for many.",
    )
    api_keys_file: Path | None = Field(
        default=None, description="File of the API keys that open the door, hashed; without one, none does."
    )
    secret_key: SecretKeys = Field(
        description="Encrypts webhook secrets; the notifier has the same. New keys in front of old ones, by commas."
    )
    max_upload_bytes: int = Field(default=1 << 30, gt=0, description="Largest recording that is taken, in bytes.")
    watch_folder: Path | None = Field(
        default=None, description="Recordings dropped into this folder are taken in; unset, none is watched."
    )
    watch_poll_seconds: float = Field(default=1, gt=0, description="How often the watched folder is looked at.")
    watch_settle_seconds: float = Field(
        default=2, ge=0, description="How long a file must not have changed to count as complete."
    )
    outbox_poll_seconds: float = Field(
        default=1, gt=0, description="How often the outbox is looked at when nobody says that something was added."
    )
    consumer_concurrency: int = Field(default=16, ge=1, description="Results applied to the ledger side by side.")
