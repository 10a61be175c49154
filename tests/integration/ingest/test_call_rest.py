"""Live calls by REST: lists, one call, its transcript while it runs and afterwards, pause, resume, roles, end."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from steno_ingest.balance import read_balance
from support.callers import OPERATOR
from support.calls import AT, CALL, NO_CALLS, call_ended, call_started, live_completed, live_phrase
from support.ingest import Ingest, problem, running_ingest

from steno.events import ids
from steno.events.observations import Observation
from steno.events.records import CallChannel
from steno.tenants import Caller

LIVE = ids.live_pass_id(CALL)


class Host:
    """Stands for the doors of this process: has one call, and keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    async def pause(self, call_id: str, *, by: Caller, reason: str) -> bool:
        self.told.append(("pause", call_id, by.name, reason))
        return call_id == CALL

    async def resume(self, call_id: str, *, by: Caller) -> bool:
        self.told.append(("resume", call_id, by.name))
        return call_id == CALL

    async def note_pause_stored(self, call_id: str) -> None:
        self.told.append(("kept", call_id))

    async def set_roles(self, call_id: str, channels: Sequence[CallChannel]) -> bool:
        self.told.append(("roles", call_id, *[entry.role.value for entry in channels]))
        return call_id == CALL

    async def end(self, call_id: str, *, by: str) -> bool:
        self.told.append(("end", call_id, by))
        return call_id == CALL


@pytest.fixture
def host() -> Host:
    """The calls whose socket is in this process."""
    return Host()


@pytest.fixture
async def ingest(database_url: str, tmp_path: Path, host: Host) -> AsyncIterator[Ingest]:
    """Ingest on either database, with a host."""
    async with running_ingest(tmp_path, database_url, hosted=host) as ingest:
        yield ingest


async def begun(ingest: Ingest, call_id: str = CALL, **about: Any) -> None:
    """A call comes in by Steno's own door."""
    await ingest.calls.begin(call_started(call_id, **about), door="stream", instance="ingest-1", paused=False, chunk_ms=100)


async def shown(ingest: Ingest, call_id: str = CALL) -> dict[str, Any]:
    """What the API shows of a call."""
    response = await ingest.client.get(f"/v1/calls/{call_id}")
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def written(ingest: Ingest, **parameters: str) -> str:
    """The transcript of the call, as text unless asked otherwise."""
    response = await ingest.client.get(f"/v1/calls/{CALL}/transcript", params={"format": "txt", **parameters})
    assert response.status_code == 200, response.text
    return str(response.text)


async def test_a_call_is_shown_with_its_events(ingest: Ingest) -> None:
    """Who speaks, where it stands, how much was heard, and what happened in it, by time."""
    await begun(ingest)
    await ingest.calls.note_heard({CALL: 12_000})
    await ingest.calls.note_event(CALL, "dtmf", position_ms=900, detail="5")
    await ingest.calls.note_event(CALL, "gap_lost", position_ms=300, duration_ms=200)
    await ingest.calls.note_event("other", "torn", position_ms=1)
    call = await shown(ingest)
    events = call.pop("events")
    assert [(event["kind"], event["position_ms"], event["duration_ms"], event["detail"]) for event in events] == [
        ("gap_lost", 300, 200, ""),
        ("dtmf", 900, 0, "5"),
    ]
    del call["accepted_at"], call["updated_at"]
    assert call == {
        "call_id": CALL,
        "state": "active",
        "paused": False,
        "tenant": None,
        "door": "stream",
        "protocol": "stream",
        "recording_id": LIVE,
        "current_recording_id": None,
        "codec": "PCMU",
        "sample_rate": 8000,
        "channels": [
            {"channel": 0, "role": "agent", "participant": "Ann"},
            {"channel": 1, "role": "customer", "participant": None},
        ],
        "roles_revision": 0,
        "locale": "en-US",
        "properties": {"queue": "sales"},
        "started_at": AT.isoformat().replace("+00:00", "Z"),
        "ended_at": None,
        "audio_recording_id": None,
        "audio_url": None,
        "heard_ms": 1500,
        "complete": False,
        "end_reason": None,
        "end_error": None,
        "reason": None,
        "error": None,
        "links": {"self": f"/v1/calls/{CALL}", "transcript": f"/v1/calls/{CALL}/transcript"},
    }
    assert (await ingest.client.get("/v1/calls/a%20b")).status_code == 404
    problem(await ingest.stranger.get(f"/v1/calls/{CALL}"), 401)


async def test_a_call_whose_id_has_slashes_is_reached(ingest: Ingest, host: Host) -> None:
    """By the paths that its answer names: to read it, its transcript, and to do something with it."""
    call_id = "a/b c/d@pbx.example"
    await begun(ingest, call_id)
    (listed,) = (await ingest.client.get("/v1/calls")).json()["items"]
    links = listed["links"]
    assert links["self"] == "/v1/calls/a%2Fb%20c%2Fd%40pbx.example"
    assert (await ingest.client.get(links["self"])).json()["call_id"] == call_id
    assert (await ingest.client.get(links["transcript"])).json()["call_id"] == call_id
    assert (await ingest.client.post(f"{links['self']}/pause")).status_code == 202
    assert host.told[0][:2] == ("pause", call_id)


async def test_pages_are_stable_and_filtered(ingest: Ingest) -> None:
    """Walking through pages while calls come in gives each that was there, once, the newest first; filters go together."""
    for number in range(9):
        await begun(ingest, f"c{number}")
    seen: list[str] = []
    cursor: str | None = None
    for page in range(5):
        parameters = {"limit": "4", **({"cursor": cursor} if cursor else {})}
        answer = (await ingest.client.get("/v1/calls", params=parameters)).json()
        seen += [item["call_id"] for item in answer["items"]]
        cursor = answer["next"]
        await begun(ingest, f"new{page}")
        if cursor is None:
            break
    assert seen == [f"c{number}" for number in reversed(range(9))]

    async def listed(**parameters: str) -> list[str]:
        response = await ingest.client.get("/v1/calls", params=parameters)
        assert response.status_code == 200, response.text
        return sorted(item["call_id"] for item in response.json()["items"])

    await ingest.calls.note_started(call_started("foreign"))
    for call_id in ("c1", "foreign"):
        await ingest.calls.end_audio(call_ended(call_id))
    assert await listed(state="ending") == ["c1", "foreign"]
    assert await listed(state="ending", door="kafka") == await listed(door="kafka") == ["foreign"]
    moment = (await shown(ingest, "c2"))["accepted_at"]
    assert await listed(until=moment) == ["c0", "c1"]
    assert "c2" in await listed(since=moment)
    for wrong in ({"state": "lost"}, {"since": "yesterday"}, {"limit": "0"}, {"door": "\0"}):
        problem(await ingest.client.get("/v1/calls", params=wrong), 422)
    problem(await ingest.client.get("/v1/calls", params={"cursor": "nonsense"}), 404)


async def test_the_transcript_is_there_while_people_speak(ingest: Ingest) -> None:
    """Phrases by time as they come, in every format; corrected roles show in all of it."""
    await begun(ingest)
    assert await written(ingest) == ""
    for number in (1, 0):
        await ingest.calls.note_phrase(live_phrase(number))
    lines = ["[00:00.0] agent: phrase number 0", "[00:02.0] customer: phrase number 1"]
    assert (await written(ingest)).splitlines() == (await written(ingest, **{"pass": "live"})).splitlines() == lines
    document = (await ingest.client.get(f"/v1/calls/{CALL}/transcript")).json()
    assert (document["recording_id"], document["channels"], len(document["phrases"])) == (LIVE, 2, 2)
    assert document["phrases"][1]["words"] == [{"text": "phrase", "start_ms": 2000, "duration_ms": 300, "confidence": 0.5}]
    assert "<v Agent>phrase number 0" in await written(ingest, format="vtt")
    assert "Customer: phrase number 1" in await written(ingest, format="srt")
    swapped = {"channels": [{"channel": 0, "role": "customer"}, {"channel": 1, "role": "agent", "participant": "Bob"}]}
    corrected = (await ingest.client.put(f"/v1/calls/{CALL}/roles", json=swapped)).json()
    assert (corrected["roles_revision"], corrected["channels"][1]["participant"]) == (1, "Bob")
    assert (await written(ingest)).splitlines() == [
        "[00:00.0] customer: phrase number 0",
        "[00:02.0] agent: phrase number 1",
    ]
    for query in ({"format": "pdf"}, {"pass": "best"}):
        problem(await ingest.client.get(f"/v1/calls/{CALL}/transcript", params=query), 422)
    problem(await ingest.client.get("/v1/calls/unknown/transcript"), 404)


async def test_what_was_observed_of_a_call_is_shown(ingest: Ingest) -> None:
    """Spans of the live pass stand in its transcript, and among what happened in the call, each with its channel."""
    await begun(ingest)
    await ingest.calls.end_audio(call_ended())
    spans = [Observation(kind="music", channel=channel, start_ms=3_000, duration_ms=9_000) for channel in (0, 1)]
    await ingest.calls.note_transcript(live_completed(observations=tuple(spans)))
    document = (await ingest.client.get(f"/v1/calls/{CALL}/transcript")).json()
    assert document["observations"] == [span.model_dump() for span in spans]
    events = [event for event in (await shown(ingest))["events"] if event["kind"] == "music"]
    assert [(event["position_ms"], event["duration_ms"], event["detail"]) for event in events] == [
        (3_000, 9_000, "channel 0"),
        (3_000, 9_000, "channel 1"),
    ]


async def test_a_better_pass_takes_the_place_of_the_live_one(ingest: Ingest) -> None:
    """Its document counts once it is complete, with the call's roles; the live transcript stays to be had."""
    await begun(ingest)
    await ingest.calls.note_phrase(live_phrase(0))
    await ingest.calls.end_audio(call_ended())
    await ingest.calls.note_transcript(live_completed(phrase_count=1))
    assert "phrase number 0" in await written(ingest)
    document = (
        b'{"call_id": "call-1", "recording_id": "better", "locale": "en-US", "duration_ms": 60000, "channels": 2,'
        b' "engine": "x", "phrases": [{"phrase_id": "p", "channel": 1, "role": "agent", "start_ms": 1200,'
        b' "duration_ms": 800, "text": "better", "confidence": 0.9, "words": []}]}'
    )
    url = await ingest.objects.put("transcripts/better.json", document)
    better = live_completed(recording_id="better", supersedes=LIVE, result_url=url)
    await ingest.calls.note_transcript(better)
    assert (await shown(ingest))["current_recording_id"] == "better"
    assert await written(ingest) == "[00:01.2] customer: better\n"
    assert "phrase number 0" in await written(ingest, **{"pass": "live"})
    await ingest.objects.delete(url)
    gone = problem(await ingest.client.get(f"/v1/calls/{CALL}/transcript"), 410)
    assert "pass=live" in gone["detail"]
    wordless = live_completed(recording_id="wordless", supersedes="better", result_url="", phrase_count=0)
    await ingest.calls.note_transcript(wordless)
    assert await written(ingest) == ""


async def test_a_pause_is_asked_of_whoever_has_the_call(ingest: Ingest, host: Host) -> None:
    """200 where its audio is dropped now, 202 where another process has to; the ledger knows either way."""
    for call_id in (CALL, "elsewhere"):
        await begun(ingest, call_id)
    asked = {"reason": "card number"}
    for call_id, status in ((CALL, 200), ("elsewhere", 202)):
        paused = await ingest.client.post(f"/v1/calls/{call_id}/pause", json=asked)
        assert (paused.status_code, paused.json()) == (status, {"paused": True, "in_effect": status == 200})
        assert (await shown(ingest, call_id))["paused"]
        resumed = await ingest.client.post(f"/v1/calls/{call_id}/resume")
        assert (resumed.status_code, resumed.json()) == (status, {"paused": False, "in_effect": status == 200})
        assert not (await shown(ingest, call_id))["paused"]
    assert host.told[:3] == [
        ("pause", CALL, "tester", "card number"),
        ("kept", CALL),
        ("resume", CALL, "tester"),
    ]
    problem(await ingest.client.post(f"/v1/calls/{CALL}/pause", json={"why": "x"}), 422)
    problem(await ingest.client.post("/v1/calls/unknown/pause"), 404)
    await ingest.calls.end_audio(call_ended())
    over = problem(await ingest.client.post(f"/v1/calls/{CALL}/pause"), 409)
    assert (over["type"], over["state"]) == ("urn:steno:problem:call_already_ended", "ending")


async def test_the_gate_closes_before_the_ledger_knows(ingest: Ingest, host: Host) -> None:
    """Where the ledger is away the request fails, and the audio is dropped all the same."""
    await begun(ingest)
    async with ingest.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE calls RENAME TO lost"))
    assert (await ingest.client.post(f"/v1/calls/{CALL}/pause")).status_code >= 500
    assert host.told == [("pause", CALL, "tester", "")]
    assert (await ingest.client.post(f"/v1/calls/{CALL}/resume")).status_code >= 500
    assert len(host.told) == 1


async def test_the_call_of_an_upstream_system_is_paused_there(ingest: Ingest, host: Host) -> None:
    """409, with a word on whom to ask; it may be ended here, and its roles corrected."""
    await ingest.calls.note_started(call_started("foreign"))
    for wish in ("pause", "resume"):
        refused = problem(await ingest.client.post(f"/v1/calls/foreign/{wish}"), 409)
        assert refused["type"] == "urn:steno:problem:call_not_here"
        assert "upstream system" in refused["detail"]
    assert not (await shown(ingest, "foreign"))["paused"]
    roles = {"channels": [{"channel": 0, "role": "ivr"}]}
    assert (await ingest.client.put("/v1/calls/foreign/roles", json=roles)).json()["channels"][0]["role"] == "ivr"
    ended = await ingest.client.post("/v1/calls/foreign/end")
    assert (ended.status_code, ended.json()["state"], ended.json()["end_reason"]) == (202, "ending", "closed")
    problem(await ingest.client.post("/v1/calls/foreign/end"), 409)
    assert ("end", "foreign", "tester") in host.told


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"channels": []}, "channels"),
        ({"channels": [{"channel": 5, "role": "agent"}]}, "channels.0.channel"),
        ({"channels": [{"channel": 0, "role": "agent"}, {"channel": 0, "role": "ivr"}]}, "channels"),
        ({"channels": [{"channel": 0, "role": "boss"}]}, "channels.0.role"),
        ({"channels": [{"channel": "0", "role": "agent"}]}, "channels.0.channel"),
    ],
)
async def test_roles_that_cannot_be_are_refused(ingest: Ingest, body: dict[str, Any], where: str) -> None:
    """The fault is named by its place, and nothing changes."""
    await begun(ingest)
    refused = problem(await ingest.client.put(f"/v1/calls/{CALL}/roles", json=body), 422)
    assert where in refused["errors"][0]["where"]
    assert (await shown(ingest))["roles_revision"] == 0


async def test_calls_are_in_the_ledger(ingest: Ingest) -> None:
    """Counted by state beside recordings; a row changed past its entries shows."""
    await begun(ingest, "a")
    await begun(ingest, "b")
    await ingest.calls.end_audio(call_ended("b"))
    await ingest.calls.note_transcript(live_completed("b"))
    answer = (await ingest.client.get("/v1/ledger")).json()
    assert (answer["calls"], answer["balanced"]) == ({**NO_CALLS, "accepted": 2, "active": 1, "completed": 1}, True)
    async with ingest.engine.begin() as connection:
        await connection.execute(text("UPDATE calls SET state = 'failed' WHERE call_id = 'a'"))
    assert not (await read_balance(ingest.engine, OPERATOR)).balanced
    assert not (await ingest.client.get("/v1/ledger")).json()["balanced"]
