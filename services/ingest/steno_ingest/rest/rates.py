"""The rate limits of each API key on expensive requests to ingest."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from steno.http.gate import Limited
from steno.http.rates import Rate
from steno_ingest.settings import IngestSettings

_SUBMISSIONS = re.compile(r"/v1/recordings")
_WEBHOOKS = re.compile(r"/v1/webhooks")
_TRANSCRIPTS = re.compile(r"/v1/(recordings|calls)/.+/transcript", re.DOTALL)
_LEDGER = re.compile(r"/v1/ledger")
_LISTS = re.compile(r"/v1/(recordings|calls|webhooks)")
_CHANGES = re.compile(r"/v1/.+", re.DOTALL)
"""All other changes; submissions and new webhooks match first."""

# SQLite runs one transaction at a time. Live calls use it too, and wait at most three seconds.
_LISTS_IN_TURN = 4
_CHANGES_IN_TURN = 32
"""More than one client application sends at once, so that a pause of a call does not wait."""


@dataclass(frozen=True, kw_only=True)
class Rates:
    """The rate limits of REST and of live calls; by default there are none."""

    wrong_keys: Rate = field(default_factory=lambda: Rate(0))
    calls: Rate = field(default_factory=lambda: Rate(0))
    limited: Sequence[Limited] = ()
    at_once: int = sys.maxsize

    @classmethod
    def of(cls, settings: IngestSettings) -> "Rates":
        """Makes the rate limits of the settings."""
        return cls(
            wrong_keys=Rate(settings.wrong_keys_per_minute),
            calls=Rate(settings.calls_per_minute),
            at_once=settings.max_requests_per_key,
            limited=(
                Limited(
                    what="submissions",
                    method="POST",
                    path=_SUBMISSIONS,
                    rate=Rate(settings.submissions_per_minute),
                    at_once=settings.max_submissions_per_key,
                ),
                Limited(what="webhooks", method="POST", path=_WEBHOOKS, rate=Rate(settings.webhooks_per_minute)),
                Limited(
                    what="transcripts",
                    method="GET",
                    path=_TRANSCRIPTS,
                    rate=Rate(settings.transcripts_per_minute),
                    # Half of the slots stay free, since requests for transcripts may wait for a result.
                    at_once=max(1, settings.max_requests_per_key // 2),
                ),
                Limited(what="ledger", method="GET", path=_LEDGER, rate=Rate(0), in_turn=1),
                Limited(what="lists", method="GET", path=_LISTS, rate=Rate(0), in_turn=_LISTS_IN_TURN),
                *(
                    Limited(what="changes", method=method, path=_CHANGES, rate=Rate(0), in_turn=_CHANGES_IN_TURN)
                    for method in ("POST", "PUT", "PATCH", "DELETE")
                ),
            ),
        )
