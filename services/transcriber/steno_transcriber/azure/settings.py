"""The settings of the engine `azure`, from the environment (`STENO_TRANSCRIBER_AZURE_…`)."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from steno.settings import SettingsGroup
from steno_transcriber.azure.endpoints import Endpoints


class AzureSettings(SettingsGroup):
    """Azure Speech: where it is, and who asks."""

    model_config = SettingsConfigDict(env_prefix="STENO_TRANSCRIBER_AZURE_")

    endpoints: Endpoints = Field(
        default=(),
        description="Endpoints of Azure Speech by commas, tried in order: a region (westeurope), or the URL of a custom domain "
        "or of a container (https://host). Needed by the engine azure.",
    )
    keys_file: Path | None = Field(
        default=None,
        description="File of subscription keys, one or two a line, the second for the time of a rotation. Each line is for "
        "the endpoint in its place; the last one for all further endpoints. Read again when it changes.",
    )
    token_file: Path | None = Field(
        default=None,
        description="File of a bearer token (Entra) that something else keeps fresh, in place of keys. Read again when it "
        "changes.",
    )
    tenant: str = Field(default="", description="Entra tenant whose tokens are used in place of keys.")
    client_id: str = Field(default="", description="Entra application (client) id, with AZURE_TENANT.")
    client_secret_file: Path | None = Field(
        default=None, description="File of the client secret of that application. Read again when it changes."
    )
    login_url: str = Field(
        default="https://login.microsoftonline.com",
        pattern=r"^https?://[^/?#]+$",
        description="Where Entra gives tokens; other clouds than the public one have another.",
    )
