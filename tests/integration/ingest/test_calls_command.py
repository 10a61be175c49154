"""`steno calls` and `steno ledger` against ingest as it is served."""

import asyncio
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from support.calls import call_ended, call_started
from support.http_server import serving
from support.ingest import KEY, running_ingest
from typer.testing import CliRunner, Result

from steno.cli.__main__ import app


async def test_calls_are_listed_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest first, by state where that is asked for, as a table or as JSON; the ledger counts them beside recordings."""
    async with running_ingest(tmp_path, f"sqlite:///{tmp_path}/ingest.db") as ingest:
        await ingest.calls.begin(call_started("[first]"), door="stream", instance="ingest-1", paused=True, chunk_ms=100)
        await ingest.calls.note_started(call_started("second"))
        await ingest.calls.note_heard({"second": 8000 * 61})
        await ingest.calls.end_audio(call_ended("second", position=8000 * 61))
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


async def test_recordings_are_submitted_to_any_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a URL and a key on the command line, whatever the environment says; a file of any bytes for a name is one of them."""
    monkeypatch.setenv("STENO_UP_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("STENO_UP_API_KEY", "steno_wrong")
    calls = tmp_path / "calls"
    calls.mkdir()
    for name in (b"a.wav", b"caf\xe9.sln", b"two\nlines.vox"):
        (calls / os.fsdecode(name)).write_bytes(name)
    (calls / "empty.wav").touch()
    (calls / "notes.xml").touch()
    async with running_ingest(tmp_path, f"sqlite:///{tmp_path}/ingest.db") as ingest, serving(ingest.app) as served:
        place = ("--url", f"http://127.0.0.1:{served.port}/", "--key", KEY)
        with capture_logs():  # of ingest, which is in this process
            submitted = await asyncio.to_thread(CliRunner().invoke, app, ["submit", str(calls), "--json", *place])
        ledger = await command("ledger", "--json", *place)
        shown = await command("show", json.loads(submitted.stdout)[0]["recording_id"], *place)
        refused = await asyncio.to_thread(CliRunner().invoke, app, ["ledger", *place[:2], "--key", "steno_other"])
    results = {Path(one["file"]).name: one for one in json.loads(submitted.stdout)}
    assert submitted.exit_code == 1
    assert "empty" in results.pop("empty.wav")["error"]
    assert {one["state"] for one in results.values()} == {"accepted"}
    assert len(results) == json.loads(ledger.stdout)["accepted"] == 3
    assert "notes.xml" in submitted.stderr
    assert "accepted" in shown.stdout
    assert (refused.exit_code, len(refused.stderr.splitlines())) == (1, 1)


async def test_the_ledger_is_held_against_the_calls_of_a_pbx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over pages of the API: missing, extra and too short ones, and bad rows; status 1 if there are any, and 0 for none."""
    monkeypatch.setattr("steno.cli.api._PAGE", 2)
    start = datetime.now(UTC).replace(microsecond=0)
    async with running_ingest(tmp_path, f"sqlite:///{tmp_path}/ingest.db") as ingest:
        for name, seconds in (("whole", 60), ("short", 20), ("extra", 60), ("also", 60), ("more", 60)):
            await ingest.calls.note_started(call_started(name, started_at=start))
            await ingest.calls.note_heard({name: 8000 * seconds})
            await ingest.calls.end_audio(call_ended(name, position=8000 * seconds))
        rows = [f"{name};{start:%Y-%m-%d %H:%M:%S};60" for name in ("whole", "short", "also", "more", "[missing]")]
        file, right = tmp_path / "pbx.csv", tmp_path / "right.csv"
        file.write_text("\n".join(["\ufeffcall;started_at;duration", *rows, "c9;yesterday;60"]))
        right.write_text(
            "\n".join(["call_id,started_at,duration", *(f"{name},{start},0:00:20" for name in ("whole", "short"))])
        )
        async with serving(ingest.app) as served:
            place = ("--url", f"http://127.0.0.1:{served.port}", "--key", KEY)
            wrong = ("ledger", "--against", str(file), "--id-column", "Call", *place)
            table = await asyncio.to_thread(CliRunner().invoke, app, wrong)
            told = await asyncio.to_thread(CliRunner().invoke, app, [*wrong, "--json"])
            lost = await asyncio.to_thread(CliRunner().invoke, app, ["ledger", "--against", str(file), *place])
            same = await asyncio.to_thread(CliRunner().invoke, app, ["ledger", "--against", str(right), "--json", *place])
    found = json.loads(told.stdout)
    assert (table.exit_code, told.exit_code, lost.exit_code) == (1, 1, 2)
    assert [(call["call_id"], call["line"]) for call in found["missing"]] == [("[missing]", 6)]
    assert [call["call_id"] for call in found["extra"]] == ["extra"]
    assert [(call["call_id"], call["ledger_seconds"]) for call in found["too_short"]] == [("short", 20.0)]
    assert [row["line"] for row in found["bad_rows"]] == [7]
    assert "[missing]" in table.stdout
    assert "1 missing, 1 extra, 1 too short" in table.stdout
    assert "line 7" in table.stderr
    assert "--id-column" in lost.stderr
    assert [call["call_id"] for call in json.loads(same.stdout)["extra"]] == ["more", "also", "extra"]
