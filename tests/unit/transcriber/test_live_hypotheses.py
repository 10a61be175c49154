"""Hypotheses of a live call: how often, of what, and none behind the phrase; with a clock and threads that tests move."""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import pytest
from steno_transcriber import metrics
from steno_transcriber.decode_pool import Urgency
from steno_transcriber.engines.choice import Engines
from steno_transcriber.engines.port import EngineUnavailable, Pack
from steno_transcriber.engines.scripted import ScriptedEngine
from steno_transcriber.live import open_utterance
from steno_transcriber.live.call import LiveCall, LiveUtterance, first_checkpoint
from steno_transcriber.live.hypotheses import COMPARED_MS, DUE_SECONDS, SOONEST_SECONDS, Hypotheses, HypothesisResources
from steno_transcriber.live.hypothesis_publisher import HypothesisPublisher
from steno_transcriber.live.loop_lag import LoopLag
from steno_transcriber.live.open_utterance import SCREENED_AGAIN
from steno_transcriber.speech import SAMPLES_PER_MS, Samples, Utterance
from steno_transcriber.steps import Steps
from steno_transcriber.tones_and_music import Sound, is_ruled_out
from support.crosstalk import leaky
from support.live_calls import CHANNELS, CallWriter, Entry
from support.non_speech import TONES, as_heard
from support.recognition_options import ENGLISH
from support.speech import call_audio

from steno.events import ids
from steno.events.catalogue import HYPOTHESES, Topic
from steno.events.observations import ObservationKind
from steno.events.records import AudioCodec, CallStarted, Hypothesis, Phrase, Record, Role
from steno.kafka.errors import KafkaUnavailable

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741 - an item

CHUNK_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    at: float
    urgency: Urgency
    function: Callable[[], Any]
    future: Future[Any]

    def begin(self) -> bool:
        return self.future.set_running_or_notify_cancel()

    def end(self) -> None:
        try:
            self.future.set_result(self.function())
        except (EngineUnavailable, ValueError) as error:
            self.future.set_exception(error)


class Bed:
    """The log of a call, and what its hypotheses need."""

    def __init__(self, engine: ScriptedEngine | None = None) -> None:
        self.engine = engine or ScriptedEngine()
        self.steps = Steps()
        self.now = 100.0
        self.idle = True
        self.loop_lag = LoopLag(clock=lambda: self.now)
        #: Whether what is lined up is decoded at once.
        self.quick = True
        self.jobs: list[Job] = []
        self.published: list[tuple[float, Hypothesis]] = []
        self.away = 0
        self.ended: list[LiveUtterance] = []

    def begin(self, log: Sequence[Entry]) -> None:
        started = log[0].record
        assert isinstance(started, CallStarted)
        self.call = LiveCall(first_checkpoint(started, log[0].offset))
        resources = HypothesisResources(
            pool=self,
            loop_lag=self.loop_lag,
            clock=lambda: self.now,
        )
        publisher = HypothesisPublisher(self.call, publisher=self, steps=self.steps)
        self.hypotheses = Hypotheses(self.call, resources, engines=Engines([self.engine]), publisher=publisher)

    def submit_shared(
        self,
        urgency: Urgency,
        owner: Hashable,
        function: Callable[[Sequence[I]], Sequence[T]],
        item: I,
        *,
        kind: Callable[[I], Hashable],
    ) -> Future[T]:
        job = Job(at=self.now, urgency=urgency, function=lambda: function([item])[0], future=Future())
        self.jobs.append(job)
        if self.quick:
            self.decode(job)
        return job.future

    def decode(self, job: Job) -> None:
        if job.begin():
            job.end()

    async def send(self, topic: Topic, record: Record, *, event_id: str | None = None) -> None:
        assert topic is HYPOTHESES
        assert isinstance(record, Hypothesis)
        await asyncio.sleep(0)
        if self.away:
            self.away -= 1
            raise KafkaUnavailable("Kafka is away")
        self.published.append((self.now, record))

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def play(self, log: Sequence[Entry]) -> None:
        """Takes records as they come, in real time of the test's clock."""
        for entry in log:
            self.ended += self.call.add_record(entry.record, offset=entry.offset, written_at=entry.written_at)
            self.hypotheses.update()
            await self.settle()
            self.now += CHUNK_SECONDS

    async def play_until(self, log: Sequence[Entry], happened: Callable[[], bool]) -> Sequence[Entry]:
        """Takes records until something has happened; gives those that are left."""
        for count, entry in enumerate(log):
            await self.play([entry])
            if happened():
                return log[count + 1 :]
        raise AssertionError("it never happened")

    @property
    def told(self) -> list[Hypothesis]:
        return [hypothesis for _, hypothesis in self.published]

    def of(self, utterance: Utterance) -> list[tuple[float, Hypothesis]]:
        """What was published of an utterance."""
        key = (utterance.channel, utterance.start_ms)
        return [entry for entry in self.published if (entry[1].channel, entry[1].start_ms) == key]


@pytest.fixture
async def bed() -> AsyncIterator[Bed]:
    made = Bed()
    yield made
    await made.hypotheses.stop()
    assert len(asyncio.all_tasks()) == 1


def one_channel(seconds: int = 20, **fields: Any) -> list[Entry]:
    """A call of which one side is heard."""
    writer = CallWriter(channels=CHANNELS[:1], **fields)
    writer.start()
    writer.say(call_audio()[:1, : seconds * 16_000])
    writer.end()
    return writer.log


def opened(bed: Bed) -> Callable[[], bool]:
    """Whether somebody speaks."""
    return lambda: bed.call.channels[0].open_since_ms is not None


async def test_at_most_five_a_second_while_threads_are_idle(bed: Bed) -> None:
    """One with every second chunk, none while nobody speaks."""
    log = one_channel()
    bed.begin(log)
    await bed.play(log)
    assert {job.urgency for job in bed.jobs} == {Urgency.SPARE}
    longest = max(bed.ended, key=lambda spoken: spoken.utterance.duration_ms).utterance
    times = [at for at, _ in bed.of(longest)]
    gaps = np.diff(times)
    assert gaps.min() >= SOONEST_SECONDS - 1e-6
    assert gaps.max() <= SOONEST_SECONDS + CHUNK_SECONDS + 1e-6
    spoken_seconds = sum(spoken.utterance.duration_ms for spoken in bed.ended) / 1000
    assert len(bed.jobs) <= 5 * spoken_seconds + len(bed.ended)


async def test_a_copy_of_another_channel_has_none(bed: Bed) -> None:
    """What one leg hears of the other is not shown as said there, not even for a moment."""
    writer = CallWriter()
    writer.start()
    spoken = call_audio()[:, : 10 * 16_000].copy()
    spoken[1] = 0
    writer.say(leaky(spoken, decibels=-12, delay_ms=60))
    bed.begin(writer.log)
    await bed.play(writer.log)
    assert {hypothesis.channel for hypothesis in bed.told} == {0}


async def test_what_is_no_copy_for_a_second_is_not_compared_again(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    """To compare costs as much as to hear."""
    compared: list[int] = []

    def is_copying(call: LiveCall, channel: int) -> bool:
        opened = call.channels[channel].open_since_ms
        assert opened is not None
        compared.append(call.duration_ms - opened)
        return False

    monkeypatch.setattr(LiveCall, "is_copying", is_copying)
    log = one_channel()
    bed.begin(log)
    await bed.play(log)
    assert max(spoken.utterance.duration_ms for spoken in bed.ended) > 2 * COMPARED_MS
    assert 0 < max(compared) < COMPARED_MS + 1000 * (SOONEST_SECONDS + CHUNK_SECONDS)


@pytest.mark.parametrize("tone", [False, True])
async def test_speech_is_screened_ever_more_rarely_and_a_tone_each_time(
    bed: Bed, monkeypatch: pytest.MonkeyPatch, tone: bool
) -> None:
    """What somebody says behind a tone has its hypotheses at once."""
    looks: list[int] = []

    def classify(samples: Samples) -> Sound | None:
        looks.append(len(samples))
        return Sound(kind=ObservationKind.TONE, surely=True) if tone else None

    monkeypatch.setattr(open_utterance, "classify", classify)
    monkeypatch.setattr(open_utterance, "is_ruled_out", lambda samples: False)
    log = one_channel()
    bed.begin(log)
    await bed.play(log)
    if tone:
        assert len(looks) == len(bed.jobs)
        assert not bed.published
    else:
        assert all(now < before or now >= SCREENED_AGAIN * before for before, now in pairwise(looks))
        assert len(looks) < len(bed.jobs) / 2


async def test_speech_is_screened_until_it_is_known_to_be_some(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which a second or two of it tell."""
    looks: list[int] = []

    def ruled_out(samples: Samples) -> bool:
        looks.append(len(samples))
        return is_ruled_out(samples)

    monkeypatch.setattr(open_utterance, "is_ruled_out", ruled_out)
    log = one_channel()
    bed.begin(log)
    await bed.play(log)
    assert max(looks) < 2_000 * SAMPLES_PER_MS < min(len(spoken.utterance.samples) for spoken in bed.ended)


@pytest.mark.parametrize("why", ["no thread is idle", "the event loop comes late"])
async def test_one_a_second_while_the_machine_has_no_time_to_spare(bed: Bed, why: str) -> None:
    """Each is due then, and stands before recordings."""
    if why == "no thread is idle":
        bed.idle = False
    else:
        bed.loop_lag.add_delay(1.0)
    log = one_channel()
    bed.begin(log)
    await bed.play(log)
    assert {job.urgency for job in bed.jobs} == {Urgency.HYPOTHESIS}
    longest = max(bed.ended, key=lambda spoken: spoken.utterance.duration_ms).utterance
    gaps = np.diff([at for at, _ in bed.of(longest)])
    assert len(gaps) > 2
    assert gaps.min() >= DUE_SECONDS - 1e-6
    assert gaps.max() <= 1


async def test_none_beside_one_that_is_in_line(bed: Bed) -> None:
    """Whoever waits hears all that has come by the time its turn comes."""
    log = one_channel()
    bed.begin(log)
    bed.quick = False
    rest = await bed.play_until(log, lambda: len(bed.jobs) == 1)
    start_ms = bed.call.channels[0].open_since_ms
    await bed.play(rest[:7])
    assert len(bed.jobs) == 1
    assert bed.call.channels[0].open_since_ms == start_ms
    bed.decode(bed.jobs[0])
    await bed.settle()
    (told,) = bed.told
    assert told.start_ms == start_ms
    heard_ms = bed.call.duration_ms - told.start_ms
    assert heard_ms - 5 <= told.duration_ms <= heard_ms


@pytest.mark.parametrize("codec", [AudioCodec.PCMU, AudioCodec.S16LE])
@pytest.mark.parametrize("rate", [8000, 16_000])
async def test_an_engine_hears_what_the_final_hears(codec: AudioCodec, rate: int) -> None:
    """Each sample once, to the bit, from the padding before the speech on."""
    heard: dict[int, list[bytes]] = {}

    def script(utterance: Utterance) -> str:
        heard.setdefault(utterance.start_ms, []).append(utterance.samples.tobytes())
        return "so it is"

    bed = Bed(ScriptedEngine(script))
    log = one_channel(codec=codec, sample_rate=rate)
    bed.begin(log)
    await bed.play(log)
    assert len(bed.ended) > 1
    for spoken in bed.ended:
        audio = spoken.utterance.samples.tobytes()
        for earlier in heard[spoken.utterance.audio_start_ms][:-1]:
            # The filter of 8 kHz sees silence behind the end of an utterance, and more of the call behind a part of it.
            length = min(len(earlier), len(audio) - 4 * 40)
            assert earlier[:length] == audio[:length]
    await bed.hypotheses.stop()


async def test_a_hypothesis_says_of_what_it_is(bed: Bed) -> None:
    """The id its phrase will have, revisions from 0, role, language; what stands begins the phrase."""
    writer = CallWriter(locale="en-GB")
    writer.start()
    writer.say(call_audio()[:, : 45 * 16_000])
    writer.end()
    bed.begin(writer.log)
    before = metrics.LIVE_HYPOTHESES._value.get()
    await bed.play(writer.log)
    assert metrics.LIVE_HYPOTHESES._value.get() == before + len(bed.published)
    assert {hypothesis.role for hypothesis in bed.told} == {Role.AGENT, Role.CUSTOMER}
    pass_id = ids.live_pass_id("call-1")
    for spoken in bed.ended:
        utterance = spoken.utterance
        told = [hypothesis for _, hypothesis in bed.of(utterance)]
        (final,) = bed.engine.decode(Pack(utterances=(utterance,)), ENGLISH)
        assert [hypothesis.revision for hypothesis in told] == list(range(len(told)))
        assert {hypothesis.phrase_id for hypothesis in told} <= {
            ids.phrase_id("call-1", pass_id, utterance.channel, utterance.start_ms)
        }
        assert all(hypothesis.recording_id == pass_id and hypothesis.locale == "en-GB" for hypothesis in told)
        assert all(hypothesis.text.startswith(hypothesis.stable_text) for hypothesis in told)
        assert all(final.text.startswith(hypothesis.stable_text) for hypothesis in told)
        assert len(told) < 3 or told[-1].stable_text


class LoudStep:
    """Writes what is said in capitals, behind how many phrases there were."""

    name = "loud"

    def apply(self, phrase: Phrase, state: str) -> tuple[Phrase, str]:
        return phrase.model_copy(update={"text": f"{state or 0} {phrase.text.upper()}"}), str(int(state or 0) + 1)


async def test_a_hypothesis_goes_through_the_steps_and_changes_none_of_their_states(bed: Bed) -> None:
    """Nobody reads of an open utterance what a step takes out of its final."""
    bed.steps = Steps([LoudStep()])
    log = one_channel()
    bed.begin(log)
    await bed.play(log)
    assert len(bed.told) > 3
    assert all(told.text.startswith("0 ") and told.text == told.text.upper() for told in bed.told)


async def test_one_in_line_is_not_decoded_when_its_utterance_has_ended(bed: Bed) -> None:
    """Its turn passes."""
    log = one_channel()
    bed.begin(log)
    bed.quick = False
    await bed.play_until(log, lambda: bool(bed.ended))
    assert len(bed.jobs) == 1
    assert bed.jobs[0].future.cancelled()
    assert not bed.jobs[0].begin()


async def test_one_being_decoded_is_not_told_when_its_utterance_has_ended(bed: Bed) -> None:
    """The phrase comes next, and nothing behind it."""
    log = one_channel()
    bed.begin(log)
    bed.quick = False
    rest = await bed.play_until(log, lambda: bool(bed.jobs))
    assert bed.jobs[0].begin()
    await bed.play_until(rest, lambda: bool(bed.ended))
    bed.jobs[0].end()
    await bed.settle()
    assert not bed.published


async def test_a_long_utterance_that_is_cut_begins_anew(bed: Bed) -> None:
    """What follows the cut is another utterance, with hypotheses of its own."""
    loud = np.square(call_audio()[0, : 1000 * 480].reshape(-1, 480)).mean(axis=1)
    frames = call_audio()[0, : 1000 * 480].reshape(-1, 480)[loud > np.quantile(loud, 0.7)]
    writer = CallWriter(channels=CHANNELS[:1])
    writer.start()
    writer.say(np.tile(frames.reshape(1, -1), 4)[:, : 20 * 16_000])
    bed.begin(writer.log)
    await bed.play(writer.log)
    assert bed.ended
    cut_ms = bed.ended[0].utterance.end_ms
    behind = [hypothesis for hypothesis in bed.told if hypothesis.start_ms == cut_ms]
    assert behind[0].revision == 0
    assert behind[-1].duration_ms > 1000
    assert max(hypothesis.duration_ms for hypothesis in bed.told) <= 14_500


async def test_while_kafka_is_away_hypotheses_are_dropped(bed: Bed) -> None:
    """And come again when it is back."""
    log = one_channel()
    bed.begin(log)
    bed.away = 3
    await bed.play(log)
    assert bed.told[0].revision == 3
    assert len(bed.told) > 3


@pytest.mark.parametrize("error", [EngineUnavailable("the engine is away"), ValueError("a fault")])
async def test_an_engine_that_fails_is_not_asked_again_of_the_same_utterance(error: Exception) -> None:
    """The call goes on, and so do its next hypotheses."""
    errors = [error]

    def script(utterance: Utterance) -> str:
        if errors:
            raise errors.pop()
        return "so it is"

    bed = Bed(ScriptedEngine(script))
    log = one_channel()
    bed.begin(log)
    await bed.play(log)
    first, *others = bed.ended
    assert not bed.of(first.utterance)
    assert all(bed.of(spoken.utterance) for spoken in others if spoken.utterance.duration_ms > 500)
    await bed.hypotheses.stop()


async def test_where_nothing_was_understood_nothing_is_told() -> None:
    """An empty text is no hypothesis."""
    bed = Bed(ScriptedEngine(lambda utterance: ""))
    log = one_channel()
    bed.begin(log)
    await bed.play(log)
    assert bed.jobs
    assert not bed.published


async def test_while_a_tone_sounds_there_are_none() -> None:
    """Whatever the engine would write, once there is enough of it to tell; what is said behind it has its hypotheses."""
    heard: list[int] = []

    def script(utterance: Utterance) -> str:
        heard.append(utterance.start_ms)
        return "so it is"

    bed = Bed(ScriptedEngine(script))
    writer = CallWriter(channels=CHANNELS[:1])
    writer.start()
    writer.say(as_heard(TONES["dial tone, Europe"], 8_000)[np.newaxis])
    writer.say(call_audio()[:1, : 12 * 16_000])
    writer.end()
    bed.begin(writer.log)
    await bed.play(writer.log)
    assert len(bed.jobs) > 10
    assert sum(start_ms < 9_500 for start_ms in heard) <= 1
    assert sum(start_ms > 9_500 for start_ms in heard) > 10
    await bed.hypotheses.stop()


async def test_a_call_that_is_somebody_elses_lets_go(bed: Bed) -> None:
    """What is in line is not decoded."""
    log = one_channel()
    bed.begin(log)
    bed.quick = False
    await bed.play_until(log, lambda: bool(bed.jobs))
    await bed.hypotheses.stop()
    assert bed.jobs[0].future.cancelled()


async def test_time_between_hypotheses_is_measured(bed: Bed) -> None:
    """From the beginning of an utterance to the first, and from each to the next."""
    before = metrics.LIVE_HYPOTHESIS_SECONDS._sum.get()
    log = one_channel()
    bed.begin(log)
    bed.idle = False
    rest = await bed.play_until(log, opened(bed))
    await bed.play_until(rest, lambda: len(bed.jobs) == 1)
    assert metrics.LIVE_HYPOTHESIS_SECONDS._sum.get() - before == pytest.approx(DUE_SECONDS, abs=CHUNK_SECONDS)
