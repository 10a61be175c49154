"""Registers the webhook of this installation at each endpoint, and keeps it registered.

All processes of an installation share one webhook of an endpoint, which is found by its display name and URL. Processes that
register at the same moment each list the webhooks again, and keep the oldest one.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from steno.errors import Permanent, Retryable, StenoError
from steno.secret_file import SecretFile
from steno.storage.links import LEAST_SECRET, parse_secrets
from steno_transcriber import metrics
from steno_transcriber.azure import wire
from steno_transcriber.azure.client import AzureClient
from steno_transcriber.azure.endpoints import Endpoint
from steno_transcriber.azure.settings import AzureSettings

log = structlog.get_logger("steno.transcriber.azure")

LOOK_SECONDS = 60.0
"""How often each endpoint is asked whether the webhook is still there: Azure switches off one whose events fail."""


class NoSecret(StenoError):
    """The file of secrets holds none."""

    error_class = "no_secret"


class WebhookRegistration:
    """The webhook of this installation. Without a URL in the settings there is none."""

    def __init__(
        self, settings: AzureSettings, client: AzureClient, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """
        Args:
            client: One of its own, since an endpoint that refuses webhooks is left alone by it.

        Raises:
            steno.secret_file.SecretFileUnreadable: the file of the secrets is there but cannot be read.
        """
        self._name = f"{settings.job_name} webhook"
        self._url = settings.webhook_url
        self._endpoints = settings.endpoints
        self._secrets = SecretFile(settings.webhook_secret_file, parse_secrets, what="file of Azure webhook secrets")
        self._client = client
        self._sleep = sleep
        #: By URL of the endpoint: the secret that this process has registered.
        self._registered: dict[str, str] = {}

    def is_registered(self, endpoint: Endpoint) -> bool:
        """Whether the webhook was found registered when last looked for."""
        return endpoint.url in self._registered

    async def run(self) -> None:
        """Registers, and looks again from time to time, until it is cancelled. Returns at once without a URL."""
        while self._url:
            await asyncio.gather(*map(self.ensure, self._endpoints))
            await self._sleep(LOOK_SECONDS)

    async def ensure(self, endpoint: Endpoint) -> None:
        """Registers the webhook at an endpoint unless it is registered. A failure is logged, and counted."""
        try:
            await self._ensure(endpoint)
        except (Retryable, Permanent, NoSecret) as error:
            self._registered.pop(endpoint.url, None)
            metrics.AZURE_WEBHOOK_REGISTRATIONS.labels(endpoint.name, "failed").inc()
            log.warning("azure.webhook_not_registered", endpoint=endpoint.name, reason=str(error))

    async def _ensure(self, endpoint: Endpoint) -> None:
        secrets = self._secrets.current_or_recent()
        if not secrets:
            raise NoSecret(
                "STENO_TRANSCRIBER_AZURE_WEBHOOK_SECRET_FILE holds no secret: a line is one word of at least "
                f"{LEAST_SECRET} characters"
            )
        given = {"name": self._name, "url": self._url, "secret": secrets[0]}
        found = await self._find(endpoint)
        if not found:
            await self._client.create_webhook(endpoint, **given)
            found = await self._find(endpoint)
            self._note(endpoint, "created")
        elif self._registered.get(endpoint.url) != secrets[0] or not _works(found[0]):
            await self._client.update_webhook(endpoint, found[0].id, **given)
            self._note(endpoint, "updated")
        self._registered[endpoint.url] = secrets[0]
        for newer in found[1:]:
            log.info("azure.webhook_deleted", endpoint=endpoint.name, webhook=newer.id)
            await self._client.delete_webhook(endpoint, newer.id)

    async def _find(self, endpoint: Endpoint) -> list[wire.Webhook]:
        """The webhooks of this installation, the oldest first."""
        webhooks = await self._client.webhooks(endpoint)
        own = [webhook for webhook in webhooks if (webhook.name, webhook.url) == (self._name, self._url)]
        return sorted(own, key=lambda webhook: (webhook.created, webhook.id))

    def _note(self, endpoint: Endpoint, outcome: str) -> None:
        metrics.AZURE_WEBHOOK_REGISTRATIONS.labels(endpoint.name, outcome).inc()
        log.info("azure.webhook_registered", endpoint=endpoint.name, outcome=outcome)


def _works(webhook: wire.Webhook) -> bool:
    return webhook.status != "Failed" and webhook.events.get(wire.COMPLETION, False)
