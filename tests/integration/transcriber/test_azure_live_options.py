"""What is asked of the live engine of Azure, as its far end sees it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from steno_transcriber.azure import speech_sdk
from steno_transcriber.engines.port import CallAudio, EngineUnavailable
from support.azure_far_end import Connected, FarEnd, far_end
from support.azure_live import KEY, azure_engine

from steno.events.recognition import Profanity, RecognitionOptions

ENDPOINT_ID = "0f0f0f0f-1111-2222-3333-444455556666"


@pytest.fixture
async def there() -> AsyncIterator[FarEnd]:
    async with far_end() as made:
        yield made


async def asked(there: FarEnd, folder: Path, **options: Any) -> Connected:
    """The connection of a call that asks for this."""
    async with azure_engine(folder, [there.host]) as engine:
        session = engine.open(channels=1, options=RecognitionOptions(**options))
        await session.send(CallAudio(position=0, samples=np.zeros((1, 16_000), dtype=np.float32)))
        await session.finish()
        await session.close()
    return there.connections[-1]


async def test_a_language_is_asked_for_with_all_details(there: FarEnd, tmp_path: Path) -> None:
    """Words with times and confidence; swear words as they are; the key in its header."""
    found = await asked(there, tmp_path, locale="en-GB")
    (context,) = found.turns.contexts
    assert found.headers["Ocp-Apim-Subscription-Key"] == KEY
    assert found.query["language"][0].lower() == "en-gb"
    assert context["phraseDetection"]["language"].lower() == "en-gb"
    assert context["phraseOutput"]["format"].lower() == "detailed"
    assert {"WordTimings", "WordConfidence"} <= set(context["phraseOutput"]["detailed"]["options"])
    assert found.query["profanity"] == ["raw"]


async def test_candidates_are_told_apart_while_people_speak(there: FarEnd, tmp_path: Path) -> None:
    """Continuously; a language that Azure does not have is left out."""
    (context,) = (await asked(there, tmp_path, candidate_locales=("en-US", "de-DE", "tlh-US"))).turns.contexts
    assert context["languageId"]["languages"] == ["en-US", "de-DE"]
    assert context["languageId"]["mode"] == "DetectContinuous"


async def test_hints_are_the_phrase_list(there: FarEnd, tmp_path: Path) -> None:
    """As they are written."""
    (context,) = (await asked(there, tmp_path, locale="en-US", hints=("Contoso", "Jessie Doe"))).turns.contexts
    (group,) = context["dgi"]["Groups"]
    assert [item["Text"] for item in group["Items"]] == ["Contoso", "Jessie Doe"]


async def test_a_model_is_a_custom_endpoint(there: FarEnd, tmp_path: Path) -> None:
    """By its id; the service's own model is no id."""
    assert (await asked(there, tmp_path, locale="en-US", model=ENDPOINT_ID)).query["cid"] == [ENDPOINT_ID]
    assert "cid" not in (await asked(there, tmp_path, locale="en-US", model="speech")).query


@pytest.mark.parametrize(("profanity", "named"), [(Profanity.MASKED, "masked"), (Profanity.REMOVED, "removed")])
async def test_swear_words_are_masked_or_removed(there: FarEnd, tmp_path: Path, profanity: Profanity, named: str) -> None:
    """By the service."""
    assert (await asked(there, tmp_path, locale="en-US", profanity=profanity)).query["profanity"] == [named]


async def test_a_far_end_that_never_answers_loses_the_session(there: FarEnd, tmp_path: Path) -> None:
    """After a minute of audio, and whoever sends is not held for ever."""
    there.faults.mute = True
    async with azure_engine(tmp_path, [there.host]) as engine:
        session = engine.open(channels=1, options=RecognitionOptions(locale="en-US"))

        async def send() -> None:
            for position in range(0, 90 * 16_000, 1_600):
                await session.send(CallAudio(position=position, samples=np.zeros((1, 1_600), dtype=np.float32)))
            await session.finish()

        async with asyncio.timeout(60):
            with pytest.raises(EngineUnavailable, match="ServiceTimeout"):
                await send()
        await session.close()


def test_without_the_sdk_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is proprietary, and not installed unless somebody asks for it."""
    monkeypatch.setitem(sys.modules, "azure.cognitiveservices.speech", None)
    with pytest.raises(EngineUnavailable, match=r"pip install 'steno-transcriber\[azure\]'"):
        speech_sdk.load()
