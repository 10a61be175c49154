"""The example of `docs/extending.md`: a followed table, which answers how many webhooks a tenant has registered."""

from steno.events.catalogue import WEBHOOKS
from steno.events.records import WebhookState
from steno.kafka import Cluster, FollowedTable, MemoryRows


class TenantWebhooks:
    """Counts the enabled webhooks of a tenant, as of now."""

    def __init__(self, cluster: Cluster) -> None:
        self.rows = MemoryRows[WebhookState]()
        #: A component of the service; what needs the whole table runs `After(table.complete, ...)`.
        self.table = FollowedTable(cluster, WEBHOOKS, self.rows, record=WebhookState)

    def count(self, tenant: str) -> int:
        """How many webhooks of a tenant are enabled."""
        return sum(webhook.enabled and webhook.tenant == tenant for webhook in self.rows.newest.values())
