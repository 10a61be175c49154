"""`steno bench` on a suite that runs."""

import json

import pytest
from typer.testing import CliRunner

from steno.cli.__main__ import app
from steno.cli.bench import measure


@pytest.mark.timeout(600)
def test_a_capacity_card_has_all_figures_and_a_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured in short, of real recordings and real calls; every process of the suite is in it.

    What the environment names is not touched: nobody listens there.
    """
    monkeypatch.setenv("STENO_UP_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    monkeypatch.setenv("STENO_INGEST_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    monkeypatch.setattr(measure, "CALL_SECONDS", 10.0)
    monkeypatch.setattr(measure, "BATCH_SECONDS", 4.0)
    monkeypatch.setattr(measure, "WEBHOOKS", 2)
    monkeypatch.setattr(measure, "FINAL_SECONDS", 30.0)  # how much a busy machine carries is not the question
    monkeypatch.setattr(measure, "_ROUNDS", 1)
    done = CliRunner().invoke(app, ["bench", "--calls", "10", "--hours", "24", "--json"])
    assert done.exit_code in (0, 2), done.output
    card = json.loads(done.stdout)
    figures, plan = card["figures"], card["plan"]
    processes = {"transcriber", "ingest", "broker", "enricher", "notifier"}
    for found in (figures["batch"]["cpu"], figures["live"]["cpu"], figures["memory_mb"]):
        assert found.keys() == processes
        assert all(value > 0 for value in found.values())
    assert figures["batch_speed"] > 1
    assert figures["live"]["calls"] >= 1
    assert 0 < figures["webhook_seconds"] < 60
    assert set(plan["replicas"]) == {"transcriber live", "transcriber batch", *(processes - {"transcriber"})}
