"""Tenants, and which of them a caller of an API may see. Pure.

Calls, recordings and webhooks belong to a *tenant*: that of the key they were sent with. What comes without a key (published on
Kafka, or found in a watched folder) belongs to no tenant.
"""

import re
from dataclasses import dataclass, field

NO_TENANT = ""
"""The tenant of what belongs to none: only callers that see all tenants see it."""

ALL_TENANTS = "*"
"""How a key says that it sees all tenants. What is sent with it belongs to no tenant."""

LONGEST_NAME = 64

_NAME = re.compile(rf"\w[\w.@+:/-]{{0,{LONGEST_NAME - 1}}}")


def is_name(text: str) -> bool:
    """Whether a text can be the name of a key, or of a tenant: a word of letters, digits and `_ . @ + : / -`."""
    return _NAME.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent a request with a valid key. Every question about permission is answered by this value."""

    #: The name of the key; for logs, and for the record of who did something.
    name: str
    #: What it sends belongs to this tenant, and it sees what belongs to this tenant.
    tenant: str = NO_TENANT
    #: It sees what belongs to any tenant, and to none.
    everything: bool = False
    #: Which key it was, by digest: one name may have several.
    key: str = field(default="", repr=False)

    def sees(self, tenant: str) -> bool:
        """Whether it may read and change what belongs to a tenant."""
        return self.everything or tenant == self.tenant
