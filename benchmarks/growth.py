"""How the queries of lists, ledger, console and housekeeping grow with what the databases of ingest and the notifier hold.

PostgreSQL is filled with ten thousand, a hundred thousand and a million calls, as many recordings, and as many deliveries, of
eight tenants; then each query is run as the services run it, as an operator who sees everything and as one tenant, on the first
page and on a page in the middle. What shows is the median and the p99 of each, and the
exponent with which the median grows from the smallest database to the largest.

Aim: 50 ms at a million. `python benchmarks/growth.py [CALLS …]`
"""

import asyncio
import math
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from measured import quantile, report
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from steno_ingest.balance import read_balance
from steno_ingest.calls.ledger.queries import CallFilters, CallQueries
from steno_ingest.recordings.ledger import Filters, RecordingLedger
from steno_ingest.recordings.states import State
from steno_ingest.totals import Totals
from steno_notifier.delivery_queries import DeliveryQueries, Filter
from steno_notifier.delivery_queue import DeliveryQueue
from steno_notifier.delivery_state import State as DeliveryState
from steno_notifier.sweeper import Sweeper
from support.postgres import running_postgres

from steno.events.records import CallStatus
from steno.paging import Position
from steno.storage import database
from steno.tenants import Caller

LEVELS = (10_000, 100_000, 1_000_000)
LIMIT_MS = 50.0
TENANTS = 8
RUNS = 60
PAGE = 50
#: The newest entry; each one before it is a second older.
NEWEST = datetime(2026, 6, 1, tzinfo=UTC)

Query = Callable[[], Awaitable[Any]]

# Of a thousand ten fail, ten have no speech and two are still open; the rest are completed. `n` counts from 1, the oldest.
_OPEN = "n % 1000 IN (3, 4)"
_STATE = (
    f"CASE WHEN {_OPEN} THEN {{open}} WHEN n % 100 = 1 THEN 'failed' WHEN n % 100 = 2 THEN 'no_speech' ELSE 'completed' END"
)
_AT = "TIMESTAMPTZ '2026-06-01T00:00:00Z' - make_interval(secs => :calls - n)"
_MANY = "FROM generate_series(1, :calls) AS n"
_TENANT = f"'tenant-' || n % {TENANTS}"

_INGEST = (
    f"""INSERT INTO recordings (recording_id, call_id, state, door, url, sha256, channels, locale, properties, accepted_at,
        published_at, tenant, file_name)
        SELECT 'recording-' || n, 'call-' || n, {_STATE.format(open="'running'")}, 'rest', 'steno:recordings/' || n, '', '[]',
        'en-US', '{{"queue": "sales"}}', {_AT}, {_AT}, {_TENANT}, '' {_MANY}""",
    f"""INSERT INTO entries (recording_id, from_state, to_state, at)
        SELECT 'recording-' || n, NULL, 'accepted', {_AT} {_MANY}""",
    f"""INSERT INTO entries (recording_id, from_state, to_state, at)
        SELECT 'recording-' || n, 'accepted', 'running', {_AT} {_MANY}""",
    f"""INSERT INTO entries (recording_id, from_state, to_state, at)
        SELECT 'recording-' || n, 'running', {_STATE.format(open="NULL")}, {_AT} {_MANY} WHERE NOT {_OPEN}""",
    f"""INSERT INTO calls (call_id, state, door, instance, fingerprint, codec, sample_rate, channels, locale, protocol,
        properties, paused, pause_requested_by, pause_reason, end_requested_by, roles_revision, complete, end_reason,
        end_error, reason, error, current_recording_id, heard_position, heard_at, accepted_at, started_at, ended_at,
        updated_at, tenant)
        SELECT 'call-' || n, {_STATE.format(open="'active'")}, 'stream', '0', '', 'PCMU', 8000, '[]', 'en-US', '', '{{}}',
        false, '', '', '', 0, true, '', '', '', '', '', 0, {_AT}, {_AT}, {_AT}, CASE WHEN {_OPEN} THEN NULL ELSE {_AT} END,
        {_AT}, {_TENANT} {_MANY}""",
    f"""INSERT INTO call_entries (call_id, from_state, to_state, at) SELECT 'call-' || n, NULL, 'active', {_AT} {_MANY}""",
    f"""INSERT INTO call_entries (call_id, from_state, to_state, at)
        SELECT 'call-' || n, 'active', 'ending', {_AT} {_MANY} WHERE NOT {_OPEN}""",
    f"""INSERT INTO call_entries (call_id, from_state, to_state, at)
        SELECT 'call-' || n, 'ending', {_STATE.format(open="NULL")}, {_AT} {_MANY} WHERE NOT {_OPEN}""",
)
_NOTIFIER = (
    f"""INSERT INTO webhooks (webhook_id, url, events, encrypted_secret, enabled, created_at, updated_at, tenant)
        SELECT 'webhook-' || n, 'https://receiver.example/', '[]', '', true, now(), now(), {_TENANT}
        FROM generate_series(0, {TENANTS - 1}) AS n""",
    f"""INSERT INTO events (event_id, type, call_id, recording_id, occurred_at, received_at, body, tenant)
        SELECT 'event-' || n, 'transcript.completed', 'call-' || n, 'recording-' || n, {_AT}, {_AT},
        '{{}}', {_TENANT} {_MANY}""",
    # The last thousand wait.
    f"""INSERT INTO deliveries (delivery_id, event_id, webhook_id, state, due_at, attempts, tries, created_at, updated_at,
        tenant) SELECT 'delivery-' || n, 'event-' || n, 'webhook-' || n % {TENANTS},
        CASE WHEN n > :calls - 1000 THEN 'pending' WHEN n % 100 = 1 THEN 'failed' ELSE 'delivered' END,
        CASE WHEN n > :calls - 1000 THEN {_AT} END, 1, 1, {_AT}, {_AT}, {_TENANT} {_MANY}""",
)


async def fill(engine: AsyncEngine, statements: tuple[str, ...], calls: int) -> None:
    """Inserts the rows."""
    async with engine.begin() as connection:
        # The rows are consistent: foreign keys are not checked.
        await connection.execute(text("SET session_replication_role = replica"))
        for statement in statements:
            await connection.execute(text(statement), {"calls": calls} if ":calls" in statement else {})
        await connection.execute(text("SET session_replication_role = DEFAULT"))
    await look_at(engine)


async def look_at(engine: AsyncEngine) -> None:
    """Has PostgreSQL clean up and look at its tables, as it does by itself on a running system."""
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await connection.execute(text("VACUUM ANALYZE"))


TENANT, OPERATOR = Caller(name="crm", tenant="tenant-1"), Caller(name="operator", everything=True)
CALLERS = {"operator": OPERATOR, "tenant": TENANT}


def pages(calls: int) -> Mapping[str, Position | None]:
    """Where the pages begin that are read."""
    return {"first page": None, "middle page": Position(at=NEWEST - timedelta(seconds=calls // 2), id="")}


async def of_ingest(engine: AsyncEngine, calls: int) -> Mapping[str, Query]:
    """The queries of ingest, by what they answer, once all that has ended is counted."""
    outbox: Any = None  # nothing is accepted here
    queries, ledger = CallQueries(engine), RecordingLedger(engine, outbox)
    began = time.monotonic()
    await Totals(engine).count()
    print(f"  {2 * calls / (time.monotonic() - began):,.0f} recordings and calls a second were counted into the totals")
    async with engine.begin() as connection:
        # Had each been counted soon after it ended, the indexes of what is not counted would never have held them all.
        for index in ("ix_recordings_uncounted", "ix_calls_uncounted"):
            await connection.execute(text(f"REINDEX INDEX {index}"))
    await look_at(engine)
    found: dict[str, Query] = {}
    for name, caller in CALLERS.items():
        for page, after in pages(calls).items():
            read = partial(queries.page, caller=caller, after=after, limit=PAGE)
            for state in (None, CallStatus.FAILED, CallStatus.ACTIVE):
                found[f"{state or 'all'} calls, {page}, {name}"] = partial(read, CallFilters(state=state))
            found[f"calls of a door that nobody uses, {page}, {name}"] = partial(read, CallFilters(door="twilio"))
            listed = partial(ledger.page, caller=caller, after=after, limit=PAGE)
            for stage in (None, State.FAILED):
                found[f"{stage or 'all'} recordings, {page}, {name}"] = partial(listed, Filters(state=stage))
        since = NEWEST - timedelta(seconds=calls // 2)
        hour = CallFilters(since=since, until=since + timedelta(hours=1))
        found[f"calls of an hour, {name}"] = partial(queries.page, hour, caller=caller, after=None, limit=PAGE)
        found[f"ledger, {name}"] = partial(read_balance, engine, caller)
    call_id = f"call-{calls // 2}"
    found["one call with its events"] = partial(queries.with_events, call_id, caller=OPERATOR)
    found["recordings of a call"] = partial(ledger.page, Filters(call_id=call_id), caller=OPERATOR, after=None, limit=PAGE)
    long_ago = NEWEST - timedelta(seconds=2 * calls)
    found["calls never heard"] = partial(queries.never_heard, long_ago)
    found["calls never transcribed"] = partial(queries.never_transcribed, long_ago)
    return found


async def of_notifier(engine: AsyncEngine, calls: int) -> Mapping[str, Query]:
    """The queries of the notifier, by what they answer."""
    queries = DeliveryQueries(engine, now=lambda: NEWEST, wake=lambda: None)
    queue = DeliveryQueue(engine, instance="0", lease=timedelta(seconds=30))
    sweeper = Sweeper(engine, queue, retention=timedelta(seconds=2 * calls), now=lambda: NEWEST)
    filters = {
        "all": Filter(),
        "failed": Filter(state=DeliveryState.FAILED),
        "cancelled": Filter(state=DeliveryState.CANCELLED),
        "a webhook's": Filter(webhook_id="webhook-1"),
        "a new webhook's": Filter(webhook_id="webhook-new"),
    }
    found: dict[str, Query] = {}
    for name, caller in CALLERS.items():
        for page, after in pages(calls).items():
            read = partial(queries.read_page, caller=caller, after=after, limit=PAGE)
            for what, wanted in filters.items():
                found[f"{what} deliveries, {page}, {name}"] = partial(read, wanted)
        wanted = Filter(call_id=f"call-{calls // 2 + 1}")
        found[f"deliveries of a call, {name}"] = partial(queries.read_page, wanted, caller=caller, after=None, limit=PAGE)
    found["a webhook with its counts"] = partial(queries.find_webhook, "webhook-1", caller=OPERATOR)
    found["next due"] = partial(queue.next_due, now=NEWEST)
    found["backlog"] = partial(queue.backlog, now=NEWEST)
    found["a claim"] = partial(queue.claim, now=NEWEST, free=4, busy={}, per_webhook=4)
    found["a sweep that finds nothing"] = sweeper.sweep
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """How long a query takes, in milliseconds."""

    median: float
    p99: float


async def time_of(query: Query) -> Taken:
    """Times a query once it has been run a few times; a slow one is run less often."""
    taken: list[float] = []
    for run in range(RUNS + 3):
        began = time.perf_counter()
        await query()
        if run >= 3 or time.perf_counter() - began > 1:
            taken.append(1000 * (time.perf_counter() - began))
        if sum(taken) > 3000:
            break
    return Taken(median=quantile(taken, 0.5), p99=quantile(taken, 0.99))


async def measure(
    url: str, package: str, statements: tuple[str, ...], of: Callable[..., Awaitable[Mapping[str, Query]]], calls: int
) -> dict[str, Taken]:
    """Times each query of one service at so many calls."""
    engine = database.connect(url)
    try:
        await database.migrate(engine, package)
        began = time.monotonic()
        await fill(engine, statements, calls)
        print(f"{package}: {calls:,} calls filled in within {time.monotonic() - began:.0f} s")
        return {name: await time_of(query) for name, query in (await of(engine, calls)).items()}
    finally:
        await engine.dispose()


async def main() -> None:
    """Measures one size after the other."""
    levels = [int(argument) for argument in sys.argv[1:]] or list(LEVELS)
    found: list[dict[str, Taken]] = []
    with running_postgres() as server:
        for calls in levels:
            level = await measure(server.new_database(), "steno_ingest", _INGEST, of_ingest, calls)
            level |= await measure(server.new_database(), "steno_notifier", _NOTIFIER, of_notifier, calls)
            found.append(level)
    ratio = levels[-1] / levels[0]
    print(
        f"median and p99 in milliseconds at {', '.join(f'{calls:,}' for calls in levels)} calls, and the exponent of the growth"
    )
    for name, largest in sorted(found[-1].items(), key=lambda entry: -entry[1].p99):
        exponent = math.log(largest.median / found[0][name].median) / math.log(ratio) if ratio > 1 else 0.0
        print(f"  {name:45} {'  '.join(f'{at[name].median:7.1f} {at[name].p99:7.1f}' for at in found)}   {exponent:5.2f}")
    slowest = max(found[-1], key=lambda name: found[-1][name].p99)
    print(f"the slowest is: {slowest}")
    report("slowest_query", value=found[-1][slowest].p99, unit="ms", limit=LIMIT_MS, higher_is_better=False, beside="the aim")


if __name__ == "__main__":
    asyncio.run(main())
