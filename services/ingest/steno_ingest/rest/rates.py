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
"""What is no submission and no new webhook: those have their own."""

# The database of one machine takes one transaction at a time. Live calls wait for it, too, and no longer than three seconds.
_LISTS_IN_TURN = 4
_CHANGES_IN_TURN = 32
"""More than an agent's desk asks for at once: a call is to be paused now."""


@dataclass(frozen=True, kw_only=True)
class Rates:
    """The rates of REST and of live calls; without settings nothing is limited."""

    wrong_keys: Rate = field(default_factory=lambda: Rate(0))
    calls: Rate = field(default_factory=lambda: Rate(0))
    limited: Sequence[Limited] = ()
    at_once: int = sys.maxsize

    @classmethod
    def of(cls, settings: IngestSettings) -> "Rates":
        """As they are set."""
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
                    # Those that wait for a result leave places for a call that is to be paused now.
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
