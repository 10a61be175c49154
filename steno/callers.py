"""The caller of an API, as its key identifies it, and what it may see. Pure.

Calls, recordings and webhooks belong to a *tenant*: the one of the key they were brought with. What was brought without one
(straight on Kafka, by a folder, before there were tenants) belongs to the house.
"""

import re
from dataclasses import dataclass, field

HOUSE = ""
"""The tenant of what belongs to nobody in particular: only callers that see everything see it."""

EVERYTHING = "*"
"""How a key says that it sees what every tenant has. What it brings itself belongs to the house."""

LONGEST_NAME = 64

_NAME = re.compile(rf"\w[\w.@+:/-]{{0,{LONGEST_NAME - 1}}}")


def is_name(text: str) -> bool:
    """Whether a text can be the name of a key, or of a tenant: a word of letters, digits and `_ . @ + : / -`."""
    return _NAME.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who brought a valid key. Whatever is asked about permission is asked of this value."""

    #: The name of the key; for logs, and for what is kept of who did something.
    name: str
    #: What it brings belongs to this tenant, and it sees what this tenant has.
    tenant: str = HOUSE
    #: It sees what every tenant has, and the house.
    everything: bool = False
    #: Which key it was, by digest: one name may have several.
    key: str = field(default="", repr=False)

    def sees(self, tenant: str) -> bool:
        """Whether it may know of what a tenant has, and change it."""
        return self.everything or tenant == self.tenant
