"""The enricher's settings."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from steno.settings import ServiceSettings


class EnricherSettings(ServiceSettings):
    """What the enricher is told beyond what every service is."""

    model_config = SettingsConfigDict(env_prefix="STENO_ENRICHER_")
    service: ClassVar[str] = "enricher"

    keep_summarised_seconds: float = Field(
        default=3600, gt=0, description="How long a call stays in the table after its summary, to know late duplicates by."
    )
    grace_seconds: float = Field(
        default=120,
        gt=0,
        description="After which silence a live call that is over is summarised without all of its phrases.",
    )
    inactive_seconds: float = Field(
        default=21_600, gt=0, description="After which silence a live call that nobody ended is summarised and closed."
    )
    stuck_seconds: float = Field(
        default=300, gt=0, description="How long Kafka or one record may stand still before the process ends itself."
    )
