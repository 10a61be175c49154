"""Checks regularly that the ledger balances, and shows the result as a metric."""

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from steno.background import PeriodicWork
from steno.tenants import Caller
from steno_ingest.balance import read_balance
from steno_ingest.metrics import LEDGER_UNBALANCED

log = structlog.get_logger("steno.ingest.balance_check")

# Counting a million recordings and calls anew takes a second on PostgreSQL. On SQLite nobody could write meanwhile.
_EVERY_SECONDS = 900.0
_EVERYTHING = Caller("balance-check", everything=True)


class BalanceCheck(PeriodicWork):
    """Counts the ledger at the start and every fifteen minutes."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(
            self.check,
            every_seconds=_EVERY_SECONDS,
            failed=lambda error: log.warning("ledger.not_checked", reason=str(error)),
            cut_short=True,
        )
        self._engine = engine

    async def check(self) -> None:
        """Counts all of it once. Raises `DatabaseUnavailable`."""
        balance = await read_balance(self._engine, _EVERYTHING, recount=self._engine.dialect.name != "sqlite")
        unbalanced = {
            "recordings": not balance.recordings.balanced,
            "calls": not balance.calls.balanced,
            "unpublished": balance.unpublished > 0,
            "totals": not balance.totals_agree,
        }
        for part, wrong in unbalanced.items():
            LEDGER_UNBALANCED.labels(part).set(wrong)
        if not balance.balanced:
            parts = [part for part, wrong in unbalanced.items() if wrong]
            log.error("ledger.unbalanced", parts=parts, unpublished=balance.unpublished)
