"""Hypotheses of live calls by the transcriber's process on a real Kafka, while the call is played."""

from collections import defaultdict
from pathlib import Path

import pytest
from support.live_transcriber import live_installation, written
from support.speech import call_audio

from steno.events import ids
from steno.events.records import Hypothesis

FASTER = 2


@pytest.mark.parametrize("engine", ["scripted", "scripted_call"])
async def test_hypotheses_lead_to_the_phrase(kafka: str, topic_prefix: str, tmp_path: Path, engine: str) -> None:
    """They come while somebody speaks, under the id that the phrase will have, and what stands of them begins it."""
    log = written("one", call_audio()[:, : 24 * 16_000])
    async with live_installation(kafka, topic_prefix, tmp_path, {"STENO_TRANSCRIBER_ENGINE": engine}) as steno:
        worker = steno.worker("a")
        await worker.start()
        await worker.ready()
        await steno.play(log, faster=FASTER)
        await steno.completed([log])
        told: defaultdict[str, list[Hypothesis]] = defaultdict(list)
        for hypothesis in steno.made.of(Hypothesis):
            told[hypothesis.phrase_id].append(hypothesis)
        phrases = {phrase.phrase_id: phrase for phrase in steno.phrases(log)}
        shown = await worker.metrics()
    assert len(phrases) > 2
    assert any(hypotheses[-1].stable_text for hypotheses in told.values())
    assert set(told) <= set(phrases)
    assert f"steno_transcriber_live_hypotheses_total {sum(map(len, told.values()))}.0" in shown
    for phrase_id, phrase in phrases.items():
        hypotheses = told[phrase_id]
        assert [hypothesis.revision for hypothesis in hypotheses] == list(range(len(hypotheses)))
        for hypothesis in hypotheses:
            assert hypothesis.recording_id == ids.live_pass_id("one")
            assert (hypothesis.channel, hypothesis.role, hypothesis.start_ms) == (phrase.channel, phrase.role, phrase.start_ms)
            assert phrase.text.startswith(hypothesis.stable_text)
