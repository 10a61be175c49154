"""The newest partial answer of each channel is published, and none once the call has ended."""

import asyncio

from steno_transcriber.engines.port import PartialAnswer
from steno_transcriber.live.hypothesis_publisher import UnfinishedUtterance
from steno_transcriber.live.partial_answers import PartialAnswers
from steno_transcriber.speech import Recognition
from support.recognition_options import ENGLISH


class Publisher:
    """Publishes texts, each when the test lets it."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.go: asyncio.Future[None] | None = None

    async def publish(self, _utterance: UnfinishedUtterance, recognition: Recognition) -> None:
        self.texts.append(recognition.text)
        if self.go is not None:
            await self.go


def answer(text: str, *, channel: int = 0) -> PartialAnswer:
    return PartialAnswer(
        channel=channel, start_ms=0, duration_ms=100 * len(text), recognition=Recognition(text=text, confidence=1.0)
    )


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_an_answer_that_comes_as_another_is_published_is_published_too() -> None:
    """In whatever turn of the loop it comes."""
    for late in range(6):
        publisher = Publisher()
        publisher.go = asyncio.get_running_loop().create_future()
        answers = PartialAnswers(publisher, call_id="call-1")  # type: ignore[arg-type]
        answers.add(answer("one"), ENGLISH)
        await asyncio.sleep(0)
        publisher.go.set_result(None)
        publisher.go = None
        for _ in range(late):
            await asyncio.sleep(0)
        answers.add(answer("one two"), ENGLISH)
        await turns()
        assert publisher.texts == ["one", "one two"]


async def test_of_answers_that_come_meanwhile_the_newest_is_published() -> None:
    """And channels do not wait for each other."""
    publisher = Publisher()
    publisher.go = asyncio.get_running_loop().create_future()
    answers = PartialAnswers(publisher, call_id="call-1")  # type: ignore[arg-type]
    for text in ("one", "one two", "one two three"):
        answers.add(answer(text), ENGLISH)
        await asyncio.sleep(0)
    answers.add(answer("yes", channel=1), ENGLISH)
    await asyncio.sleep(0)
    assert publisher.texts == ["one", "yes"]
    publisher.go.set_result(None)
    await turns()
    assert publisher.texts == ["one", "yes", "one two three"]


async def test_nothing_is_published_once_the_call_has_ended() -> None:
    """Neither what waits nor what still comes."""
    publisher = Publisher()
    publisher.go = asyncio.get_running_loop().create_future()
    answers = PartialAnswers(publisher, call_id="call-1")  # type: ignore[arg-type]
    for text in ("one", "one two"):
        answers.add(answer(text), ENGLISH)
        await asyncio.sleep(0)
    answers.end_all()
    publisher.go.set_result(None)
    answers.add(answer("late"), ENGLISH)
    await turns()
    assert publisher.texts == ["one"]
