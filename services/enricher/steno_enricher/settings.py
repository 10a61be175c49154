"""The settings of the enricher."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from steno.settings import ServiceSettings


class EnricherSettings(ServiceSettings):
    """The settings of the enricher, from `STENO_ENRICHER_…`."""

    model_config = SettingsConfigDict(env_prefix="STENO_ENRICHER_")
    service: ClassVar[str] = "enricher"

    keep_summarised_seconds: float = Field(
        default=3600,
        gt=0,
        description="How long a call stays in the table after its summary, so that late duplicates are recognised.",
    )
    grace_seconds: float = Field(
        default=120,
        gt=0,
        description="An ended live call of which nothing comes for this long is summarised without its missing phrases.",
    )
    inactive_seconds: float = Field(
        default=21_600,
        gt=0,
        description="A live call that nobody ended is summarised and closed when nothing comes for this long.",
    )
    stuck_seconds: float = Field(
        default=300, gt=0, description="How long Kafka or one record may make no progress before the process exits."
    )
