"""Calls of our own doors on their way to a second, better transcript: ingest and a transcriber as they run."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from support.ingest_process import KEY, PARTITIONS, IngestProcess, eventually
from support.service_process import ServiceProcess
from support.stream_peer import stream_peer

from steno.cli.clients.audio import open_call_audio

SAMPLE = Path(__file__).parents[3] / "samples" / "lost-card.wav"
pytestmark = pytest.mark.timeout(240)


def transcriber(kafka: str, prefix: str, folder: Path) -> ServiceProcess:
    """A transcriber with the scripted engine, on the objects of ingest."""
    return ServiceProcess(
        "transcriber",
        servers=kafka,
        prefix=prefix,
        partitions=PARTITIONS,
        environment={
            "STENO_OBJECTS_URL": (folder / "objects").as_uri(),
            "STENO_TRANSCRIBER_ENGINE": "scripted",
            "STENO_TRANSCRIBER_THREADS": "1",
            "STENO_TRANSCRIBER_DRAIN_SECONDS": "10",
        },
    )


def recorded(call: dict[str, Any]) -> bytes:
    """The audio in the recording that a call names."""
    return Path(unquote(urlsplit(call["audio_url"]).path)).read_bytes()[58:]


async def test_the_second_pass_takes_the_place_of_the_first(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """A pause by the API is silence in the recording, roles are those corrected meanwhile, and its transcript counts."""
    audio = b"".join(open_call_audio(SAMPLE).frames(1000))[: 2 * 8000 * 12]
    pause = slice(2 * 8000 * 4, 2 * 8000 * 6)
    roles = {"channels": [{"channel": 0, "role": "customer"}, {"channel": 1, "role": "agent"}]}
    async with (
        IngestProcess(kafka, topic_prefix, tmp_path, f"sqlite:///{tmp_path}/ingest.db") as ingest,
        transcriber(kafka, topic_prefix, tmp_path),
    ):
        await ingest.ready()
        async with stream_peer(await ingest.url(), KEY) as peer:
            await peer.start("call-1", channels=[{"role": "agent"}, {"role": "customer"}])
            await peer.speak(audio[: pause.start], frame=1600)
            await peer.hear("ack", position=pause.start // 2)
            assert (await ingest.request("POST", "/v1/calls/call-1/pause", json={"reason": "card"}))[0] == 200
            await peer.hear("paused")
            await peer.speak(audio[pause], frame=1600)
            await peer.hear("ack", position=pause.stop // 2)
            assert (await ingest.request("POST", "/v1/calls/call-1/resume"))[0] == 200
            await peer.hear("resumed")
            assert (await ingest.request("PUT", "/v1/calls/call-1/roles", json=roles))[0] == 200
            await peer.speak(audio[pause.stop :], frame=1600)
            await peer.say("end")
            await peer.hear("ended", complete=True)

        async def transcribed_again() -> dict[str, Any]:
            _, answer = await ingest.request("GET", "/v1/calls/call-1")
            again = answer["audio_recording_id"] and answer["current_recording_id"] == answer["audio_recording_id"]
            return dict(answer) if again else {}

        call = await eventually(transcribed_again, seconds=90)
        assert recorded(call) == audio[: pause.start] + b"\xff" * (pause.stop - pause.start) + audio[pause.stop :]
        assert ("gap_paused", 4000, 2000) in [(e["kind"], e["position_ms"], e["duration_ms"]) for e in call["events"]]
        status, transcript = await ingest.request("GET", "/v1/calls/call-1/transcript?pass=current")
        assert status == 200
        assert transcript["recording_id"] == call["audio_recording_id"]
        assert transcript["duration_ms"] == 12_000
        phrases = transcript["phrases"]
        assert {(phrase["channel"], phrase["role"]) for phrase in phrases} == {(0, "customer"), (1, "agent")}
        assert not [p for p in phrases if p["start_ms"] < 6000 and p["start_ms"] + p["duration_ms"] > 4300]
        assert await ingest.stop() == 0


async def test_what_a_torn_call_left_is_recorded(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """Its peer vanished and did not come back; ingest was killed meanwhile."""
    audio = bytes(number * 7 % 251 for number in range(40_000))
    options = {"resume_seconds": "1"}
    async with IngestProcess(kafka, topic_prefix, tmp_path, f"sqlite:///{tmp_path}/ingest.db", **options) as ingest:
        await ingest.ready()
        async with stream_peer(await ingest.url(), KEY) as peer:
            await peer.start("call-1")
            await peer.speak(audio, frame=1600)
            await peer.hear("ack", position=40_000)
            await ingest.kill()
        await ingest.start()

        async def ended() -> dict[str, Any]:
            status, answer = await ingest.request("GET", "/v1/calls/call-1")
            return dict(answer) if status == 200 and answer["audio_url"] else {}

        call = await eventually(ended, seconds=60)
        assert recorded(call) == audio
        assert (call["complete"], call["heard_ms"]) == (False, 5000)
        assert await ingest.stop() == 0
