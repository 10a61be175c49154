"""Plays live calls to a running suite, and reads their final phrases."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from support.kafka import read_all
from support.suite import SuiteUnderTest

from steno.cli import api
from steno.cli.clients.audio import open_call_audio, paced
from steno.cli.clients.stream import CallDescription, StreamClient, StreamPlayer
from steno.events.codec import Codec
from steno.events.ids import live_pass_id
from steno.events.records import Phrase
from steno.events.schemas import ShippedSchemaIds

_FRAME_MS = 20
_CODEC = Codec(ShippedSchemaIds())

Said = tuple[int, int, int, str, tuple[tuple[str, int, int], ...]]
"""The content of a phrase: channel, start, duration, text, and each word with its start and duration."""


async def play(suite: SuiteUnderTest, sample: Path, call_id: str, *, speed: float) -> StreamClient:
    """Plays a sample by Steno's own protocol, with reconnections, until the door reports its end."""
    place = api.find_api(suite.data)
    audio = open_call_audio(sample)
    client = StreamClient(CallDescription(call_id=call_id, roles=["agent", "customer"]), audio)
    caller = StreamPlayer(client, url=f"{place.url}/v1/stream", key=place.key, patience_seconds=90)
    await caller.play(paced(audio.frames(_FRAME_MS), seconds=_FRAME_MS / 1000, speed=speed))
    return client


async def play_all(suite: SuiteUnderTest, calls: Mapping[str, Path], *, speed: float) -> list[StreamClient]:
    """Plays calls concurrently."""
    return list(await asyncio.gather(*(play(suite, sample, call_id, speed=speed) for call_id, sample in calls.items())))


async def finals(suite: SuiteUnderTest, call_ids: Iterable[str]) -> dict[str, list[Said]]:
    """Reads the live phrases of each call by sequence number, like a consumer of `phrases` that keeps one record per id.

    Fails where two records of one id differ, or where a sequence number is missing or doubled.
    """
    kept: dict[str, dict[str, Phrase]] = defaultdict(dict)
    wanted = set(call_ids)
    for message in await read_all(suite.kafka, "steno.phrases"):
        if message.key is None or message.key.decode("utf-8", "replace") not in wanted:
            continue  # somebody else's, which need not be a phrase
        phrase = _CODEC.decode(message.value)
        assert isinstance(phrase, Phrase)
        if phrase.call_id in wanted and phrase.recording_id == live_pass_id(phrase.call_id):
            before = kept[phrase.call_id].setdefault(phrase.phrase_id, phrase)
            assert before == phrase, f"{before} came again as {phrase}"
    found = {}
    for call_id in wanted:
        phrases = sorted(kept[call_id].values(), key=lambda phrase: phrase.sequence)
        assert [phrase.sequence for phrase in phrases] == list(range(len(phrases))), call_id
        found[call_id] = [_said(phrase) for phrase in phrases]
    return found


async def ended_call(client: api.Api, call_id: str) -> dict[str, Any]:
    """Waits until the live transcript of a call is complete; returns the call."""
    async with asyncio.timeout(60):
        return dict(await client.wait_for_call(call_id))


def _said(phrase: Phrase) -> Said:
    words = tuple((word.text, word.start_ms, word.duration_ms) for word in phrase.words)
    return phrase.channel, phrase.start_ms, phrase.duration_ms, phrase.text, words
