"""The settings of the engine `azure`, from the environment (`STENO_TRANSCRIBER_AZURE_…`)."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from steno.settings import SettingsGroup
from steno_transcriber.azure.endpoints import Endpoints
from steno_transcriber.azure.keys import MOST_RECORDINGS
from steno_transcriber.azure.wire import ApiVersion


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
    api_version: ApiVersion = Field(default="2024-11-15", description="Version of the REST API, for recordings.")
    job_name: str = Field(
        default="steno",
        min_length=1,
        max_length=64,
        pattern=r"^[\w .-]+$",
        description="Display name of the jobs at Azure, by which they are found again; another one for each installation that "
        "uses the same subscription.",
    )
    job_recordings: int = Field(
        default=100, ge=1, le=MOST_RECORDINGS, description="Recordings that are sent in one job, at most."
    )
    job_seconds: float = Field(
        default=10, ge=0, description="How long a recording waits for others that can be sent in the same job."
    )
    max_recordings: int = Field(
        default=1000,
        ge=1,
        description="Recordings of one process that may be at Azure at once, besides those that are decoded here.",
    )
    url_hours: float = Field(
        default=48,
        gt=0,
        le=24 * 7,
        description="How long the URLs are valid by which Azure reads recordings of the object store.",
    )
    not_started_seconds: float = Field(
        default=3600,
        gt=0,
        description="A job that Azure has not started after this time is reported, and waited for all the same.",
    )
    webhook_url: str = Field(
        default="",
        pattern=r"^(https?://[^/?#]+[^?#]*)?$",
        description="Where Azure reaches POST /azure/webhook of this service from outside, https://HOST/azure/webhook: it says "
        "there when a job has ended. Empty: jobs are asked for only.",
    )
    webhook_secret_file: Path | None = Field(
        default=None,
        description="File of the secrets that sign what Azure posts there, each of 32 characters or more on a line of its own; "
        "Azure is given the first, all are accepted. Read again when it changes. Needed with AZURE_WEBHOOK_URL.",
    )
    fast_seconds: float = Field(
        default=0,
        ge=0,
        description="Recordings shorter than this are fetched and recognised at once (fast transcription, API 2024-11-15); "
        "0: none. One that is interrupted is paid for again.",
    )
    streams: int = Field(
        default=100,
        ge=1,
        description="Streams of live calls that one process has open at Azure at once; further calls wait for their turn. The "
        "quota of a resource is 100 unless Azure has raised it.",
    )
    stereo: bool = Field(
        default=False,
        description="Whether the endpoints tell the channels of a stream of two apart (separate channel processing); else each "
        "channel of a live call has a stream of its own.",
    )
    fallback_seconds: float = Field(
        default=0,
        ge=0,
        description="After so long without an answer of Azure live calls go to the first engine after it that takes "
        "utterances (whisper), until Azure answers again; 0: they wait.",
    )
