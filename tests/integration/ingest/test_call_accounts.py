"""The accounts of calls in a real database."""

import os
import time
from datetime import timedelta

import pytest
from steno_ingest.calls.ledger.account_rows import AccountRows, SavedAccount
from steno_ingest.outbox import now
from steno_ingest.sweeper import OLDEST_ACCOUNT, Sweeper
from support.ingest import Ingest


def kept(call_id: str, next_offset: int, *, partition: int = 0, ended: bool = False) -> SavedAccount:
    return SavedAccount(
        call_id=call_id,
        partition=partition,
        next_offset=next_offset,
        foreign=True,
        ended=ended,
        account={"position": next_offset * 800, "masks": [[1, 2]]},
    )


@pytest.fixture
def accounts(ingest: Ingest) -> AccountRows:
    return AccountRows(ingest.engine)


async def test_an_account_that_is_further_stays(accounts: AccountRows) -> None:
    """A process that had lost its partition without knowing comes late, and changes nothing."""
    await accounts.save([kept("a", 5), kept("b", 5)])
    await accounts.save([kept("a", 4), kept("b", 6, ended=True), kept("c", 1)])
    assert [await accounts.find(call_id) for call_id in ("a", "b", "c", "d")] == [
        kept("a", 5),
        kept("b", 6, ended=True),
        kept("c", 1),
        None,
    ]


async def test_more_accounts_than_a_statement_takes_are_kept_together(accounts: AccountRows) -> None:
    """A thousand calls and more in one partition."""
    many = [kept(f"call-{number:04}", number) for number in range(1, 1201)]
    await accounts.save(many)
    await accounts.save([])
    found = await accounts.unfinished(0)
    assert sorted(found, key=lambda account: account.call_id) == many


async def test_what_is_unfinished_is_found_by_its_partition(accounts: AccountRows) -> None:
    """Open calls, and those whose recording is to be made; a finished one only where it is asked for by its id."""
    await accounts.save(
        [kept("open", 1), kept("ended", 1, ended=True), kept("done", 1, ended=True), kept("far", 1, partition=2)]
    )
    for _ in range(2):
        await accounts.finish("done")
    assert {account.call_id for account in await accounts.unfinished(0)} == {"open", "ended"}
    assert await accounts.find("done") == kept("done", 1, ended=True)
    assert [await accounts.is_finished(call_id) for call_id in ("done", "ended", "never")] == [True, False, False]


async def test_what_nothing_refers_to_is_swept(ingest: Ingest, accounts: AccountRows) -> None:
    """Old accounts that are finished, and old pieces; what is young or unfinished stays."""
    await accounts.save([kept("open", 1), kept("done", 1, ended=True)])
    await accounts.finish("done")
    for name in ("old", "young"):
        await ingest.objects.put(f"call-audio/{name}/000-001", b"x")
    eight_days_ago = time.time() - 8 * 86_400
    os.utime(ingest.folder / "call-audio/old/000-001", (eight_days_ago, eight_days_ago))
    await Sweeper(ingest.objects, accounts).sweep()
    assert (ingest.kept(), await accounts.find("done")) == (["call-audio/young/000-001"], kept("done", 1, ended=True))
    later = AccountRows(ingest.engine, clock=lambda: now() + OLDEST_ACCOUNT)
    assert await later.delete(finished_before=now() + timedelta(seconds=1)) == 1
    assert (await accounts.find("done"), await accounts.find("open")) == (None, kept("open", 1))
