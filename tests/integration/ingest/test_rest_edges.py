"""Edge values in every number, date, cursor and text that the REST API of ingest takes."""

from pathlib import Path

from support.calls import call_started
from support.edge_values import Walk
from support.ingest import Ingest, running_ingest


async def walk_of(ingest: Ingest, *, only: tuple[str, ...] = ()) -> Walk:
    """All routes, each with something there."""
    recording = (await ingest.upload(b"audio", call_id="call-1")).json()
    webhook = (await ingest.client.post("/v1/webhooks", json={"url": "https://receiver.example/a"})).json()
    await ingest.calls.begin(call_started("call-1"), door="stream", instance="i", paused=False, chunk_ms=100)
    known = {"recording_id": recording["recording_id"], "webhook_id": webhook["webhook_id"], "call_id": "call-1"}
    return Walk(ingest.app, ingest.client, known, only=only)


async def test_no_value_of_any_field_is_an_error_of_the_server(tmp_path: Path) -> None:
    """Every parameter of every route, and every field of every body: answered by 2xx or 4xx, never by 5xx."""
    async with running_ingest(tmp_path, f"sqlite:///{tmp_path}/ingest.db") as ingest:
        walk = await walk_of(ingest)
        faults = await walk.faults()
    assert not faults, "\n".join(faults)
    assert walk.requests > 1000


async def test_no_moment_or_cursor_is_an_error_of_the_database(ingest: Ingest) -> None:
    """What is handed on to a query, on either database."""
    walk = await walk_of(ingest, only=("since", "until", "cursor", "call_id", "door"))
    faults = await walk.faults()
    assert not faults, "\n".join(faults)
