"""Programs written for Azure's Speech SDK work against Steno: the SDKs for Python and JavaScript, as they are published."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from support.balancer import balancer
from support.live_suite import ended_call, finals
from support.speech_sdk_clients import (
    UNTHROTTLED,
    Event,
    install_javascript,
    linear_beginning,
    named,
    phrases,
    raw_audio,
    run_javascript,
    run_native,
    run_program,
    session,
    write_wav,
)
from support.suite import SAMPLES, SuiteUnderTest, connected, running_suite

from steno.cli import api

EXAMPLES = Path(__file__).parents[2] / "examples"
SAMPLE = next(sample for sample in SAMPLES if sample.stem == "lost-card")

pytestmark = [pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]
needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="the Speech SDK for JavaScript is installed by npm")


class World:
    """The suite, and where clients find it."""

    def __init__(self, suite: SuiteUnderTest) -> None:
        self.suite = suite
        place = api.find_api(suite.data)
        self.http, self.key = place.url, place.key
        self.client = {"url": place.url.replace("http", "ws"), "key": place.key, "properties": UNTHROTTLED}

    async def native(self, **given: Any) -> list[Event]:
        """The SDK for Python, as fast as it can."""
        return await run_native(**{**self.client, "mode": "continuous", **given})

    async def said(self, call_id: str) -> list[tuple[int, int, str]]:
        """The phrases of a call on their topic, by start, once it has ended."""
        async with connected(self.suite) as client:
            ended = await ended_call(client, call_id)
        assert (ended["state"], ended["complete"]) == ("completed", True), ended
        found = (await finals(self.suite, [call_id]))[call_id]
        return sorted((start, duration, text) for _, start, duration, text, _ in found)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The suite with words that are computed from the audio, which clients may send fast."""
    environment = {
        "STENO_TRANSCRIBER_ENGINE": "scripted",
        "STENO_INGEST_SECOND_PASS": "false",
        "STENO_INGEST_LIVE_SPEED": "20",
    }
    async with running_suite(tmp_path_factory.mktemp("suite"), environment) as suite:
        yield World(suite)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def javascript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The SDK for JavaScript."""
    return await install_javascript(tmp_path_factory.mktemp("javascript"))


async def test_a_file_is_recognised(world: World) -> None:
    """Every phrase of the call, with its times; the id of the call is that of the session."""
    events = await world.native(file=str(SAMPLE))
    assert named(events, "canceled")[0]["code"] == "NoError", "the end of the file"
    assert len(phrases(events)) > 5
    assert phrases(events) == await world.said(session(events))


async def test_a_phrase_in_detail_with_a_phrase_list(world: World) -> None:
    """Words with times and confidence within the phrase; the phrase list goes to the engine."""
    events = await world.native(file=str(SAMPLE), detailed=True, phrases=["City Bank", "Peter Walker"])
    first = named(events, "recognized")[0]
    (best,) = first["json"]["NBest"]
    assert best["Display"] == first["text"]
    begin, end = first["offset_ms"], first["offset_ms"] + first["duration_ms"]
    assert [word["Word"] for word in best["Words"]] == best["Lexical"].split()
    assert all(begin <= word["Offset"] / 10_000 <= end for word in best["Words"])
    async with connected(world.suite) as client:
        call = await client.wait_for_call(session(events))
    assert call["protocol"] == "speech_sdk"


async def test_phrases_one_by_one(world: World) -> None:
    """Each recognition ends with its phrase, and the next goes on behind it."""
    events = await world.native(mode="once", file=str(SAMPLE), times=3)
    once = [(event["offset_ms"], event["duration_ms"], event["text"]) for event in named(events, "once")]
    assert once == (await world.said(session(events)))[:3]


async def test_a_client_stops_in_the_middle_and_begins_again(world: World, tmp_path: Path) -> None:
    """Within a second, with what was said by then; nothing is told twice."""
    raw, form = raw_audio(SAMPLE, tmp_path / "raw")
    events = await world.native(mode="stop", raw=str(raw), format=form, seconds=[2, 5], properties={})
    assert max(event["seconds"] for event in named(events, "stopped")) < 1
    said = await world.said(session(events))
    told = phrases(events)
    assert told == said[: len(told)]
    assert len(told) >= 2
    assert named(events, "recognizing")


async def test_channels_and_speakers(world: World) -> None:
    """Each phrase has its channel, or its speaker by channel."""
    separate, together = await asyncio.gather(
        world.native(file=str(SAMPLE), separate_channels=True), world.native(file=str(SAMPLE), mode="conversation")
    )
    by_channel = {(event["offset_ms"], event["json"]["Channel"]) for event in named(separate, "recognized")}
    by_speaker = {(event["offset_ms"], event["speaker"]) for event in named(together, "recognized")}
    assert {(offset, f"Guest-{channel + 1}") for offset, channel in by_channel} == by_speaker
    assert {speaker for _, speaker in by_speaker} == {"Guest-1", "Guest-2"}


async def test_an_id_properties_and_roles_of_a_call(world: World) -> None:
    """By the context or the query, so that a CRM finds its call."""
    told = {"callId": "crm-7", "properties": {"queue": "sales"}, "roles": ["agent", "customer"]}
    events = await world.native(mode="once", file=str(SAMPLE), steno=told)
    await world.native(mode="once", file=str(SAMPLE), query={"X-Steno-Call-Id": "crm-8"})
    async with connected(world.suite) as client:
        call, other = await client.wait_for_call("crm-7"), await client.wait_for_call("crm-8")
    assert call["properties"] == {"queue": "sales", "connection_id": session(events)}
    assert [channel["role"] for channel in call["channels"]] == ["agent", "customer"]
    assert other["state"] == "completed"


@pytest.mark.parametrize(
    "form",
    [
        {"samples_per_second": 44_100, "bits_per_sample": 16, "channels": 1},
        {"samples_per_second": 8000, "bits_per_sample": 16, "channels": 1},
        {"samples_per_second": 8000, "bits_per_sample": 8, "channels": 1, "wave": "ALAW"},
        {"samples_per_second": 16_000, "bits_per_sample": 16, "channels": 1, "wave": "G722"},
    ],
    ids=lambda form: form.get("wave", str(form["samples_per_second"])),
)
async def test_audio_of_any_format(world: World, tmp_path: Path, form: dict[str, Any]) -> None:
    """The call is recorded as long as it was, whatever its audio was coded as."""
    raw = tmp_path / "raw"
    bytes_per_second = {"ALAW": 8000, "G722": 8000}.get(form.get("wave", ""), 2 * form["samples_per_second"])
    raw.write_bytes(bytes(3 * bytes_per_second))
    events = await world.native(raw=str(raw), format=form)
    assert named(events, "canceled")[0]["code"] == "NoError"
    async with connected(world.suite) as client:
        call = await client.wait_for_call(session(events))
    assert (call["state"], call["complete"]) == ("no_speech", True)


async def test_minutes_of_silence(world: World, tmp_path: Path) -> None:
    """The client, which keeps a minute of audio, does not give up."""
    silence = write_wav(tmp_path / "silence.wav", bytes(2 * 8000 * 150), rate=8000)
    raw, form = raw_audio(silence, tmp_path / "raw")
    events = await world.native(raw=str(raw), format=form, piece=1600, pause=0.008)
    assert [event["code"] for event in named(events, "canceled")] == ["NoError"]
    assert named(events, "recognized") == []


async def test_nobody_speaks(world: World, tmp_path: Path) -> None:
    """One phrase is awaited for the time that was asked for."""
    silence = write_wav(tmp_path / "silence.wav", bytes(2 * 8000 * 30), rate=8000)
    asked = {**UNTHROTTLED, "SpeechServiceConnection_InitialSilenceTimeoutMs": "2000"}
    events = await world.native(mode="once", file=str(silence), properties=asked)
    (once,) = named(events, "once")
    assert (once["reason"], once["json"]["RecognitionStatus"]) == ("NoMatch", "InitialSilenceTimeout")


async def test_keys_and_tokens(world: World) -> None:
    """A token that was issued for the key does; wrong ones are an AuthenticationFailure at once."""
    async with aiohttp.ClientSession() as http:
        for header in ({"Ocp-Apim-Subscription-Key": world.key}, {"Authorization": f"Bearer {world.key}"}):
            async with http.post(f"{world.http}/sts/v1.0/issueToken", headers=header) as answer:
                assert answer.status == 200
                token = await answer.text()
        async with http.post(f"{world.http}/sts/v1.0/issueToken", headers={"Ocp-Apim-Subscription-Key": "wrong"}) as answer:
            assert answer.status == 401
    url = {"url": world.client["url"], "file": str(SAMPLE), "mode": "once"}
    assert named(await run_native(**url, token=token), "once")[0]["reason"] == "RecognizedSpeech"
    for wrong in ({"token": token[:-3]}, {"key": "wrong"}):
        (canceled,) = named(await run_native(**url, **wrong), "canceled")
        assert canceled["code"] == "AuthenticationFailure"


async def test_what_cannot_be_served_is_told_to_the_user(world: World) -> None:
    """A language that nobody has, a model that is not loaded: a text in the error of the client, and a failed call."""
    for given, reason in ({"language": "xx-XX"}, "xx-XX"), ({"endpoint_id": "huge"}, "huge"):
        events = await world.native(mode="once", file=str(SAMPLE), **given)
        (canceled,) = named(events, "canceled")
        assert canceled["code"] == "BadRequest"
        assert reason in canceled["text"]
        async with connected(world.suite) as client:
            call = await client.wait_for_call(session(events))
        assert call["state"] == "failed"
        assert reason in call["reason"]


async def test_translation_and_synthesis_end_with_a_text_for_the_user(world: World) -> None:
    """And so does what is asked for by the URL and cannot be served."""
    asked: list[tuple[dict[str, Any], str]] = [
        ({"mode": "translate"}, "translation is not set up"),
        ({"mode": "speak"}, "speech synthesis is not part of this service"),
        ({"mode": "once", "query": {"X-Steno-Call-Id": "a" * 300}}, "X-Steno-Call-Id must have"),
    ]
    for events, (_, reason) in zip(
        await asyncio.gather(*(world.native(file=str(SAMPLE), **given) for given, _ in asked)), asked, strict=True
    ):
        (canceled,) = named(events, "canceled")
        assert canceled["code"] == "BadRequest"
        assert reason in canceled["text"]


@pytest.mark.parametrize("stop", ["killed", "terminated"])
async def test_a_client_does_not_notice_that_ingest_is_started_anew(world: World, stop: str) -> None:
    """It connects to the next process behind the balancer, and continues: no phrase is lost, none comes twice."""
    calm = phrases(await world.native(file=str(SAMPLE)))
    assert len(calm) > 5
    async with balancer(int(world.http.rpartition(":")[2])) as port:
        playing = asyncio.create_task(world.native(file=str(SAMPLE), url=f"ws://127.0.0.1:{port}", properties={}))
        await asyncio.sleep(8)
        if stop == "killed":
            await world.suite.kill("ingest")
        else:
            await world.suite.terminate("ingest")
        events = await playing
    await world.suite.ready("ingest")
    assert named(events, "disconnected")
    assert [event["code"] for event in named(events, "canceled")] == ["NoError"]
    assert phrases(events) == calm
    assert await world.said(session(events)) == calm


@needs_npm
async def test_the_sdk_for_javascript(world: World, javascript: Path, tmp_path: Path) -> None:
    """Continuously, by channel, and one phrase."""
    beginning = linear_beginning(SAMPLE, tmp_path / "beginning.wav", seconds=14)
    raw, form = raw_audio(beginning, tmp_path / "raw")
    given = {"url": world.client["url"], "key": world.key, "raw": str(raw), "format": form, "mode": "continuous"}
    calm = phrases(await world.native(file=str(beginning)))
    events, separate, single = await asyncio.gather(
        run_javascript(javascript, **given),
        run_javascript(javascript, **given, separate_channels=True),
        run_javascript(javascript, **{**given, "mode": "once"}),
    )
    assert len(calm) > 2
    assert phrases(events) == calm == await world.said(session(events))
    assert phrases(separate) == calm
    assert {event["json"]["Channel"] for event in named(separate, "recognized")} == {0, 1}
    once = named(single, "once")
    assert [(event["offset_ms"], event["duration_ms"], event["text"]) for event in once] == calm[:1]


@needs_npm
async def test_the_examples_of_the_documentation(world: World, javascript: Path, tmp_path: Path) -> None:
    """Both print what was said."""
    environment = {**os.environ, "STENO_URL": world.http, "STENO_API_KEY": world.key}
    beginning = linear_beginning(SAMPLE, tmp_path / "beginning.wav", seconds=14)
    shutil.copy(EXAMPLES / "speech_sdk_client.mjs", javascript)
    commands = (sys.executable, str(EXAMPLES / "speech_sdk_client.py")), ("node", "speech_sdk_client.mjs")
    printed = await asyncio.gather(
        *(run_program(*command, str(beginning), folder=javascript, environment=environment) for command in commands)
    )
    calm = phrases(await world.native(file=str(beginning)))
    for lines in printed:
        assert sorted(lines.splitlines()) == sorted(text for _, _, text in calm)
