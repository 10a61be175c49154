"""Keeps the rows of webhooks equal to the topic of webhooks, by a followed table."""

from collections.abc import Collection

from steno.events.catalogue import WEBHOOKS
from steno.events.records import WebhookState
from steno.kafka import Cluster, FollowedTable
from steno_notifier.matching import WebhookMatcher


class WebhookRows:
    """Puts and deletes the rows of webhooks (`steno.kafka.FollowedRows`)."""

    def __init__(self, matcher: WebhookMatcher) -> None:
        self._matcher = matcher

    async def put(self, key: str, record: WebhookState) -> None:
        await self._matcher.put_webhook(record)

    async def delete(self, key: str) -> None:
        await self._matcher.delete_webhook(key)

    async def keys(self) -> Collection[str]:
        return await self._matcher.webhook_ids()


def followed_webhooks(cluster: Cluster, matcher: WebhookMatcher) -> FollowedTable[WebhookState]:
    """Makes the followed table of webhooks."""
    return FollowedTable(cluster, WEBHOOKS, WebhookRows(matcher), record=WebhookState)
