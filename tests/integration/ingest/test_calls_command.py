"""`steno calls` and `steno ledger` against ingest as it is served."""

import asyncio
import json
from pathlib import Path

import pytest
from support.calls import call_ended, call_started
from support.http_server import serving
from support.ingest import KEY, running_ingest
from typer.testing import CliRunner, Result

from steno.cli.__main__ import app


async def test_calls_are_listed_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest first, by state where that is asked for, as a table or as JSON; the ledger counts them beside recordings."""
    async with running_ingest(tmp_path, f"sqlite:///{tmp_path}/ingest.db") as ingest:
        await ingest.calls.begin(call_started("[first]"), door="stream", instance="ingest-1", paused=True)
        await ingest.calls.note_started(call_started("second"))
        await ingest.calls.note_heard({"second": 8000 * 61})
        await ingest.calls.audio_ended(call_ended("second", position=8000 * 61))
        async with serving(ingest.app) as served:
            monkeypatch.setenv("STENO_UP_URL", f"http://127.0.0.1:{served.port}")
            monkeypatch.setenv("STENO_UP_API_KEY", KEY)
            everything = await command("calls", "--json")
            table = await command("calls")
            active = await command("calls", "--state", "active", "--json")
            ledger = await command("ledger")
    assert [call["call_id"] for call in json.loads(everything.stdout)] == ["second", "[first]"]
    assert [call["call_id"] for call in json.loads(active.stdout)] == ["[first]"]
    second, first = [line for line in table.stdout.splitlines() if "2030-05-04" in line]
    assert "ending" in second
    assert "1:01" in second
    assert "[first]" in first
    assert "active, paused" in first
    assert "Ann, customer" in first
    counted = {line.split()[1]: line.replace("│", " ").split()[1:] for line in ledger.stdout.splitlines() if "│" in line}
    assert counted["accepted"] == ["0", "2"]
    assert counted["ending"] == ["1"]
    assert "balanced" in ledger.stdout.splitlines()[-1]


async def command(*arguments: str) -> Result:
    """Runs a command that is to succeed."""
    result = await asyncio.to_thread(CliRunner().invoke, app, arguments, env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result
