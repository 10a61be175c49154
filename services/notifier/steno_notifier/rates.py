"""Rate limits by API key on expensive requests, counted in this process."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from steno.http.gate import Limited
from steno.http.rates import Rate
from steno_notifier.settings import NotifierSettings

_CAPTIONS = re.compile(r"/v1/calls/.+/captions")
_REPLAYS = re.compile(r"/v1/deliveries/.+/replay")


@dataclass(frozen=True, kw_only=True)
class Rates:
    """The rate limits of the REST API; by default there are none."""

    wrong_keys: Rate = field(default_factory=lambda: Rate(0))
    limited: Sequence[Limited] = ()
    at_once: int = sys.maxsize

    @classmethod
    def from_settings(cls, settings: NotifierSettings) -> "Rates":
        """Makes the limits of the settings."""
        return cls(
            wrong_keys=Rate(settings.wrong_keys_per_minute),
            at_once=settings.max_requests_per_key,
            limited=(
                Limited(what="captions", method="GET", path=_CAPTIONS, rate=Rate(settings.captions_per_minute)),
                Limited(what="replays", method="POST", path=_REPLAYS, rate=Rate(settings.replays_per_minute)),
            ),
        )
