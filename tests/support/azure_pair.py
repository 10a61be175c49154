"""Live calls of one Steno that are recognised by another one: the engine `azure` through the Speech SDK to the door for it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from support.live_calls import Entry
from support.live_transcriber import LiveInstallation, live_installation, written
from support.speech import call_audio
from support.suite import SuiteUnderTest, running_suite

from steno.cli import api
from steno.events.records import AudioCodec, Phrase, TranscriptFailed

FAR = {"STENO_TRANSCRIBER_ENGINE": "scripted", "STENO_INGEST_SECOND_PASS": "false"}
SAMPLES_PER_SECOND = 16_000
FASTER = 1.2

PLACED_MS = 300
"""Whoever hears the audio from another moment on may place the beginning of an utterance a little differently."""

Span = tuple[int, int, int]
"""Channel, begin and end."""


@dataclass(frozen=True, kw_only=True)
class AzurePair:
    """The Steno whose calls they are, and the one that recognises them."""

    near: LiveInstallation
    far: SuiteUnderTest

    def spans(self, log: Sequence[Entry]) -> list[Span]:
        """Where somebody speaks in a call, by what was published: nothing twice, nothing over another phrase of its channel."""
        by_id: dict[str, Phrase] = {}
        for phrase in self.near.made.of(Phrase):
            if phrase.call_id == log[0].record.call_id:
                known = by_id.setdefault(phrase.phrase_id, phrase)
                assert (known.text, known.duration_ms) == (phrase.text, phrase.duration_ms)
        found = sorted((p.channel, p.start_ms, p.start_ms + p.duration_ms) for p in by_id.values())
        for one, following in pairwise(found):
            assert one[0] != following[0] or one[2] <= following[1] + PLACED_MS, (one, following)
        return found

    async def transcribe(self, logs: Sequence[Sequence[Entry]]) -> list[list[Span]]:
        """Plays calls a little faster than they were spoken, and gives where somebody speaks in them."""
        await asyncio.gather(*(self.near.play(log, faster=FASTER) for log in logs))
        await self.near.completed(logs)
        return [self.spans(log) for log in logs]

    def check(self, found: Sequence[Sequence[Span]], expected: Sequence[Sequence[Span]]) -> None:
        """Fails unless what was said was heard in each call, and nothing else."""
        assert all(len(spans) > 1 for spans in expected)
        for one, other in zip(found, expected, strict=True):
            assert _covered(other, one)
            assert _covered(one, other)
        assert not self.near.made.of(TranscriptFailed)
        assert not self.near.made.dead_letters


@asynccontextmanager
async def azure_pair(servers: str, prefix: str, folder: Path) -> AsyncIterator[AzurePair]:
    """Starts both, but for the transcriber of the near one."""
    async with running_suite(folder / "far", FAR) as far:
        place = api.find_api(far.data)
        keys = folder / "azure-keys"
        keys.write_text(f"{place.key}\n", "utf-8")
        keys.chmod(0o600)
        settings = {
            "STENO_TRANSCRIBER_ENGINE": "azure",
            "STENO_TRANSCRIBER_AZURE_ENDPOINTS": place.url,
            "STENO_TRANSCRIBER_AZURE_KEYS_FILE": str(keys),
        }
        async with live_installation(servers, prefix, folder, settings) as near:
            yield AzurePair(near=near, far=far)


def calls(run: str, *, count: int, seconds: int) -> list[list[Entry]]:
    """Calls that differ, each as long; those of two runs say the same."""
    return [
        written(
            f"{run}-{index}",
            call_audio()[:, index * SAMPLES_PER_SECOND :][:, : seconds * SAMPLES_PER_SECOND],
            codec=AudioCodec.PCMU,
        )
        for index in range(count)
    ]


def _covered(wanted: Sequence[Span], found: Sequence[Span]) -> bool:
    """Whether what was said in each of these spans was heard in the others as well."""
    return all(
        sum(max(0, min(end, other[2]) - max(begin, other[1])) for other in found if other[0] == channel) > 0.8 * (end - begin)
        for channel, begin, end in wanted
    )
