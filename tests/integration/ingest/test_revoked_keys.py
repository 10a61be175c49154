"""Open streams when their keys go: a process of its own, real WebSockets at every door, a real Kafka."""

import asyncio
import time
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from support.audiohook_peer import API_KEY, SECRET, audiohook_peer
from support.ingest_process import KEY, IngestProcess, eventually
from support.kafka import read_all
from support.stream_peer import stream_peer

from steno.cli.clients.audio import CallAudio
from steno.cli.clients.stream import CallDescription
from steno.cli.clients.twilio import TwilioClient
from steno.events.codec import Codec
from steno.events.records import AudioCodec, CallEnded, CallStarted
from steno.events.schemas import ShippedSchemaIds
from steno.http.auth import key_line

CODEC = Codec(ShippedSchemaIds())
ACME, OTHER = "steno_acme", "steno_other"
pytestmark = pytest.mark.timeout(120)


async def test_a_key_that_goes_takes_its_calls_at_every_door(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """Soon each peer is told and closed as its protocol has it, each call ends in the ledger with the
    reason, and whose key stayed goes on. Nobody took anything over meanwhile."""
    keys, hooks = tmp_path / "api-keys", tmp_path / "hooks"
    hooks.write_text(f"{API_KEY} {SECRET} tenant=acme\n", "utf-8")
    settings = {"audiohook_keys_file": str(hooks)}
    async with IngestProcess(kafka, topic_prefix, tmp_path, f"sqlite:///{tmp_path}/ingest.db", **settings) as process:
        operator = keys.read_text("utf-8")
        keys.write_text(operator + key_line("acme", ACME) + key_line("other", OTHER), "utf-8")
        await process.ready()
        url = await process.url()
        async with (
            stream_peer(url, ACME) as going,
            stream_peer(url, OTHER) as staying,
            audiohook_peer(url) as hook,
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{url}/v1/twilio?api_key={ACME}") as twilio,
        ):
            assert (await going.start("going"))["type"] == "started"
            assert (await staying.start("staying"))["type"] == "started"
            await hook.open()
            audio = CallAudio(path=tmp_path, codec=AudioCodec.PCMU, sample_rate=8000, channels=1)
            client = TwilioClient(CallDescription(call_id="by-twilio"), audio)
            for message in client.connected():
                await twilio.send_str(message)
            await _nothing_is_taken_over(process, url)
            await eventually(lambda: _started(kafka, topic_prefix, {"going", "staying", "by-twilio", hook.call_id}))
            keys.write_text(operator + key_line("other", OTHER), "utf-8")
            hooks.write_text("#" + hooks.read_text("utf-8"), "utf-8")
            began = time.monotonic()
            assert (await going.hear("error"))["code"] == "key_revoked"
            assert {await going.closed(), await _closed(twilio)} == {1008}
            assert (await hook.hear("disconnect")).parameters["reason"] == "unauthorized"
            assert time.monotonic() - began < 10  # two, on a machine with nothing else to do
            for call_id in ("going", "by-twilio", hook.call_id):
                call = await eventually(partial(_ended, process, call_id))
                assert (call["end_reason"], call["complete"]) == ("key_revoked", False)
            await staying.speak(b"\xff" * 800)
            await staying.hear("ack", position=800)


async def _nothing_is_taken_over(process: IngestProcess, url: str) -> None:
    """Another tenant resumes it, begins it, and asks the API for it."""
    async with stream_peer(url, OTHER) as thief:
        refused = await thief.start("going", resume={"sequence": 0, "position": 0})
        assert refused["code"] == "no_such_call"
    async with stream_peer(url, OTHER) as thief:
        assert (await thief.start("going", resume={"sequence": 1, "position": 800}))["code"] == "no_such_call"
    async with stream_peer(url, OTHER) as thief:
        assert (await thief.start("going"))["code"] == "call_id_in_use"
    for method, path in (("GET", ""), ("POST", "/pause"), ("POST", "/end"), ("GET", "/transcript")):
        headers = {"X-Api-Key": OTHER}
        assert (await process.request(method, f"/v1/calls/going{path}", headers=headers))[0] == 404


async def _closed(socket: aiohttp.ClientWebSocketResponse) -> int | None:
    async with asyncio.timeout(30):
        await socket.receive()
    return socket.close_code


async def _started(servers: str, prefix: str, call_ids: set[str]) -> bool:
    records = [CODEC.decode(message.value) for message in await read_all(servers, f"{prefix}call-audio")]
    tenants = {record.call_id: record.tenant for record in records if isinstance(record, CallStarted)}
    assert not any(isinstance(record, CallEnded) for record in records)
    assert tenants.get("staying", "other") == "other"
    assert {tenants[call_id] for call_id in tenants if call_id != "staying"} <= {"acme"}
    return call_ids <= set(tenants)


async def _ended(process: IngestProcess, call_id: str) -> dict[str, object]:
    status, call = await process.request("GET", f"/v1/calls/{call_id}", headers={"X-Api-Key": KEY})
    assert status == 200
    return dict(call) if call["ended_at"] is not None else {}
