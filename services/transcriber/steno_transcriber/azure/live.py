"""Makes the live half of the engine `azure` from the settings."""

import httpx

from steno_transcriber.azure.batch import azure_info
from steno_transcriber.azure.credentials import Credentials
from steno_transcriber.azure.live_access import LiveAccess
from steno_transcriber.azure.live_engine import AzureLiveEngine
from steno_transcriber.azure.settings import AzureSettings
from steno_transcriber.azure.standby import OpenStandby


def make_live_engine(settings: AzureSettings, http: httpx.AsyncClient, standby: OpenStandby) -> AzureLiveEngine:
    """Makes the engine. It asks Azure for nothing before the first call.

    Args:
        http: Asks Entra for tokens.
        standby: Opens a session of the engine that takes calls while Azure does not answer.

    Raises:
        EngineUnavailable: the Speech SDK is not installed.
        SecretFileUnreadable: a file of secrets is there but cannot be read.
    """
    return AzureLiveEngine(
        azure_info(settings),
        LiveAccess(settings.endpoints, Credentials(settings, http)),
        streams=settings.streams,
        stereo=settings.stereo,
        fallback_seconds=settings.fallback_seconds,
        standby=standby,
    )
