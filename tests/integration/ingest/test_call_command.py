"""`steno call` against ingest as a process of its own: plays, shows captions, knows how the call ended."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.ingest_process import KEY, IngestProcess, eventually
from support.live_transcript import transcribe
from typer.testing import CliRunner, Result

from steno.cli import run_file
from steno.cli.__main__ import app
from steno.cli.run_file import RunningProcess
from steno.events.codec import Codec
from steno.events.schemas import ShippedSchemaIds

SAMPLE = Path(__file__).parents[3] / "samples" / "lost-card.wav"
CODEC = Codec(ShippedSchemaIds())
pytestmark = pytest.mark.timeout(240)


@asynccontextmanager
async def suite(servers: str, prefix: str, folder: Path) -> AsyncIterator[IngestProcess]:
    """Ingest with what callers sign with, and a run file that says where all of it is; there is no notifier."""
    secrets = {name: folder / name for name in ("api_key_file", "twilio_auth_tokens_file", "audiohook_keys_file")}
    secrets["api_key_file"].write_text(KEY, "utf-8")
    secrets["twilio_auth_tokens_file"].write_text("token\nold\n", "utf-8")
    secrets["audiohook_keys_file"].write_text("key c2VjcmV0IG9mIHRoZSBzdWl0ZSwgbG9uZyBlbm91Z2g=\n", "utf-8")
    files = {name: str(secrets[name]) for name in ("twilio_auth_tokens_file", "audiohook_keys_file")}
    async with IngestProcess(servers, prefix, folder, f"sqlite:///{folder}/ingest.db", **files) as process:
        await process.ready()
        processes = {
            "ingest": RunningProcess(pid=process.pid, url=await process.url()),
            "notifier": RunningProcess(pid=None, url="http://127.0.0.1:9"),
        }
        run_file.write(folder, kafka=servers, processes=processes, secrets=secrets)
        yield process


@pytest.mark.parametrize("door", ["steno", "audiohook"])
async def test_a_recording_is_played_and_its_captions_are_shown(
    kafka: str, topic_prefix: str, tmp_path: Path, door: str
) -> None:
    """Roles of the file beside it, captions by the socket of the call, status 0 once the ledger has it completed."""
    async with suite(kafka, topic_prefix, tmp_path) as process:
        calling = asyncio.create_task(call("--as", door, "--speed", "30", "--data", str(tmp_path)))

        async def over() -> str:
            _, page = await process.request("GET", "/v1/calls?state=ending")
            return next((found["call_id"] for found in page["items"]), "") or ("done" if calling.done() else "")

        await transcribe(kafka, topic_prefix, await eventually(over, seconds=60))
        result = await calling
        assert result.exit_code == 0, result.output
        (answer,) = (await process.request("GET", "/v1/calls"))[1]["items"]
    assert (answer["state"], answer["complete"], answer["door"]) == (
        "completed",
        True,
        "stream" if door == "steno" else door,
    )
    assert [channel["role"] for channel in answer["channels"]] == ["agent", "customer"]
    assert "  00:01.5  customer  good morning\n" in result.output
    assert f"call {answer['call_id']} completed" in result.output


async def test_a_call_that_is_refused_is_no_success(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """The door's own words, as JSON for scripts, and status 1; the same for a call that was ended by others."""
    async with suite(kafka, topic_prefix, tmp_path) as process:
        options = ("--as", "twilio", "--data", str(tmp_path), "--json", "--call-id", "call-1")
        calling = asyncio.create_task(call(*options))

        async def known() -> bool:
            return (await process.request("GET", "/v1/calls/call-1"))[0] == 200

        await eventually(known)
        again = await call(*options)
        assert again.exit_code == 1
        assert "call_id_in_use" in json.loads(again.stdout)["error"]
        assert (await process.request("POST", "/v1/calls/call-1/end"))[0] < 300
        ended = await calling
    assert ended.exit_code == 1
    assert "ended_by_api" in json.loads(ended.stdout)["error"]


async def call(*options: str) -> Result:
    """Runs `steno call` on the sample."""
    return await asyncio.to_thread(CliRunner().invoke, app, ["call", str(SAMPLE), *options], env={"COLUMNS": "200"})
