"""The registered webhooks as rows of the database, which a followed table keeps as their topic says."""

from collections.abc import Collection

from steno.events.catalogue import WEBHOOKS
from steno.events.records import WebhookState
from steno.kafka import Cluster, FollowedTable
from steno_notifier.intake import Intake


class WebhookRows:
    """Puts and deletes the rows of webhooks (`steno.kafka.FollowedRows`)."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def put(self, key: str, record: WebhookState) -> None:
        await self._intake.put_webhook(record)

    async def delete(self, key: str) -> None:
        await self._intake.delete_webhook(key)

    async def keys(self) -> Collection[str]:
        return await self._intake.webhook_ids()


def followed_webhooks(cluster: Cluster, intake: Intake) -> FollowedTable[WebhookState]:
    """The table of webhooks, ready to run."""
    return FollowedTable(cluster, WEBHOOKS, WebhookRows(intake), record=WebhookState)
