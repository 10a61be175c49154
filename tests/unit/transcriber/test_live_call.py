"""A live call's utterances follow from its log alone, wherever somebody takes over."""

import random
from datetime import timedelta
from itertools import pairwise
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steno_transcriber.live.call import LiveCall
from steno_transcriber.live.replay_points import ReplayPoints
from steno_transcriber.segmenter import OpenSpan, Segmenter
from steno_transcriber.similarity import LATEST_MS
from steno_transcriber.speech import Samples, Utterance
from support.any_live_log import SWAPPED, any_log, restarts_each, silence
from support.effort import examples
from support.live_calls import BEGAN, CHANNELS, CallWriter
from support.live_listener import Exact, Listener, listened, speech, start_of, undisturbed
from support.speech import call_audio

from steno.events.records import (
    AudioChunk,
    AudioCodec,
    AudioGap,
    CallEnded,
    CallUpdated,
    GapReason,
    RolesCorrected,
)
from steno.unusable_records import UnusableRecord


@settings(max_examples=examples(25), deadline=None)
@given(seed=st.integers(0, 2**64))
def test_whoever_takes_over_comes_to_the_same(seed: int) -> None:
    """Killed anywhere, with a checkpoint of any age and finals that were not out: nothing is missing, twice or different."""
    dice = random.Random(seed)
    log = any_log(dice)
    cuts = [(dice.random(), dice.random() * 0.2, dice.randrange(4)) for _ in range(dice.randrange(1, 4))]
    with restarts_each(1.5):
        whole = listened(log)
        expected = whole.published
        saved, published = start_of(log), list[Exact]()
        for at, age, unpublished in sorted(cuts):
            listener = Listener.of(saved, published[: saved.next_sequence])
            killed_at = int(at * len(log))
            saved_at = max(0, killed_at - int(age * len(log)))
            for index, entry in enumerate(log[:killed_at]):
                if entry.offset >= saved.offset:
                    listener.take(entry)
                listener.publish(leave=unpublished)
                if index == saved_at and entry.offset >= saved.offset:
                    saved = listener.checkpoint(entry.offset + 1)
            published = listener.published
            assert published == expected[: len(published)]
        last = Listener.of(saved, published[: saved.next_sequence])
        for entry in log:
            if entry.offset >= saved.offset:
                last.take(entry)
        last.publish()
        assert last.published == expected
        assert last.call.observations == whole.call.observations


@settings(max_examples=20, deadline=None)
@given(chunk=st.integers(80, 4000), rate=st.sampled_from([8000, 16_000]))
def test_borders_of_chunks_do_not_matter(chunk: int, rate: int) -> None:
    """The same audio in chunks of another length is the same utterances of each channel."""
    audio = np.concatenate([speech(2000, 5000), silence(700), speech(12_000, 4000)], axis=1)
    found = []
    for length in (0, chunk):
        call = CallWriter(sample_rate=rate)
        call.start()
        call.say(audio, chunk=length)
        call.end()
        found.append(sorted(undisturbed(call.log)))
    assert found[0]
    assert found[0] == found[1]


def test_what_came_before_a_pause_and_comes_again_behind_a_takeover_is_known() -> None:
    """The successor begins behind the pause, and has never seen those chunks; what follows may touch them."""
    call = CallWriter()
    call.start()
    call.say(speech(1000, 3000))
    call.pause()
    paused_at = len(call.log)
    call.again(3)
    call.say(speech(4000, 3000))
    call.end()
    expected = undisturbed(call.log)
    first = Listener.of(start_of(call.log))
    for entry in call.log[:paused_at]:
        first.take(entry)
    first.publish()
    checkpoint = first.checkpoint(call.log[paused_at].offset)
    assert checkpoint.offset == call.log[paused_at].offset
    second = Listener.of(checkpoint, first.published)
    for entry in call.log[paused_at:]:
        second.take(entry)
    second.publish()
    assert second.published == expected


def test_a_successor_is_given_no_more_than_it_needs() -> None:
    """What its segmenters hear, what the other channel heard shortly before, and at most a chunk more."""
    call = CallWriter()
    call.start()
    call.say(speech(1000, 20_000), chunk=240)
    with restarts_each(1.5), patch.object(ReplayPoints, "due", return_value=True):
        listener = Listener.of(start_of(call.log))
        for entry in call.log:
            listener.take(entry)
            listener.publish()
            checkpoint = listener.checkpoint(entry.offset + 1)
            restarts = [(mark.restart_ms, mark.raised_restart_ms) for mark in checkpoint.marks]
            needed = (min(at for pair in restarts for at in pair if at is not None) - LATEST_MS) * 8
            if needed > 0:
                assert checkpoint.position <= needed <= checkpoint.position + 240


def test_a_call_at_16_khz_is_cut_as_its_recording_is() -> None:
    """Live and batch have one segmenter: samples that need no resampling come to the same utterances."""
    call = CallWriter(sample_rate=16_000)
    call.start()
    call.say(call_audio())
    call.end()
    pcm = (np.clip(call_audio(), -1, 1) * 32767).astype("<i2") / np.float32(32768)
    for index in (0, 1):
        batch = Segmenter(channel=index)
        cut: list[Utterance] = [*batch.accept(pcm[index]), *batch.finish()]
        live = [found for found in undisturbed(call.log) if found[0] == index]
        assert [(found[1], found[2], found[4]) for found in live] == [
            (found.start_ms, found.duration_ms, found.samples.tobytes()) for found in cut
        ]


def test_what_comes_twice_is_heard_once() -> None:
    """A peer that reconnects says its last chunks again; a producer may, too."""
    plain, doubled = CallWriter(), CallWriter()
    for call in (plain, doubled):
        call.start()
        for begin in range(0, 20_000, 1000):
            call.say(speech(begin, 1000))
            if call is doubled:
                call.again(7)
        call.end()
    assert undisturbed(doubled.log) == undisturbed(plain.log)


def test_a_chunk_that_overlaps_is_heard_from_where_it_is_new() -> None:
    """By its position, though its sequence is new."""
    plain, overlapping = CallWriter(), CallWriter()
    for call in (plain, overlapping):
        call.start()
        call.say(speech(0, 9000))
        if call is overlapping:
            call.position -= 4000
            call.say(speech(8500, 8500))
        else:
            call.say(speech(9000, 8000))
        call.end()
    assert len(undisturbed(plain.log)) > 2
    assert sorted(undisturbed(overlapping.log)) == sorted(undisturbed(plain.log))


@pytest.mark.parametrize("how", ["lost", "told", "paused"])
def test_a_gap_ends_what_was_being_said(how: str) -> None:
    """Both halves are utterances at their own time, and the audio clock goes on."""
    call = CallWriter()
    call.start()
    call.say(speech(1000, 2000))
    if how == "lost":
        call.lose(80_000)
    elif how == "told":
        call.gap(80_000)
    else:
        call.pause()
        call.resume(80_000)
    call.say(speech(1000, 2000))
    call.end()
    found = [cut for cut in undisturbed(call.log) if cut[0] == 0]
    before, after = found[: len(found) // 2], found[len(found) // 2 :]
    assert len(before) == len(after) > 0
    assert [(cut[1] + 12_000, cut[2], cut[4]) for cut in before] == [(cut[1], cut[2], cut[4]) for cut in after]
    assert before[-1][1] + before[-1][2] <= 2000


def test_an_empty_gap_ends_what_was_being_said() -> None:
    """In the midst of a word: one utterance ends there, the next begins there, and no audio is missing between them."""
    plain, cut = CallWriter(), CallWriter()
    for call in (plain, cut):
        call.start()
        call.say(speech(1000, 1500))
        if call is cut:
            call.gap(0)
        call.say(speech(2500, 1500))
        call.end()
    (whole,) = [found for found in undisturbed(plain.log) if found[0] == 0 and found[1] < 1500 < found[1] + found[2]]
    before, after = [found for found in undisturbed(cut.log) if found[0] == 0 and found[1] + found[2] > whole[1]][:2]
    assert before[1] == whole[1]
    assert before[1] + before[2] <= 1500 <= after[1]
    assert after[1] - (before[1] + before[2]) < 300


def test_a_gap_told_again_is_none() -> None:
    """What lies in the past changes nothing."""
    call = CallWriter()
    call.start()
    call.say(speech(1000, 1000))
    call.gap(800)
    told = call.log[-1].record
    call.say(speech(1000, 1000))
    call.write(told)
    call.say(speech(2000, 1000))
    once = [entry for index, entry in enumerate(call.log) if entry.record is not told or index < 12]
    assert len(once) == len(call.log) - 1
    assert undisturbed(call.log) == undisturbed(once)


def test_roles_count_from_where_they_were_corrected() -> None:
    """An utterance has the role that was known when it ended."""
    call = CallWriter()
    call.start()
    call.say(speech(0, 20_000))
    call.write(RolesCorrected(call_id="call-1", channels=SWAPPED[:1], corrected_at=BEGAN))
    call.say(speech(20_000, 20_000))
    call.end()
    roles = [(cut[0], cut[5]) for cut in undisturbed(call.log)]
    assert {(0, "agent"), (0, "customer"), (1, "customer")} >= set(roles) >= {(0, "agent"), (0, "customer")}
    assert [role for index, role in roles if index == 0] == sorted(role for index, role in roles if index == 0)


def test_it_knows_when_something_was_said() -> None:
    """By the clock of the log: the time of its record less the audio behind it."""
    call = CallWriter()
    call.start()
    call.say(np.concatenate([speech(1000, 2000), silence(1000)], axis=1))
    listener = Listener.of(start_of(call.log))
    for entry in call.log:
        listener.take(entry)
    assert listener.waiting
    for found in listener.waiting:
        assert abs(found.said_at - BEGAN - timedelta(milliseconds=found.utterance.end_ms)) <= timedelta(milliseconds=100)


def test_what_is_open_can_be_listened_to() -> None:
    """Hypotheses need it: it begins where its final will, and grows to it."""
    call = CallWriter()
    call.start()
    call.say(np.concatenate([speech(1000, 4000), silence(1000)], axis=1))
    listener, heard = Listener.of(start_of(call.log)), list[tuple[OpenSpan, Samples]]()
    for entry in call.log:
        listener.take(entry)
        channel = listener.call.channels[0]
        if (span := channel.open_span) is not None:
            heard.append((span, channel.form.samples(channel.open_audio(after=0))))
    final = next(found.utterance for found in listener.waiting if found.utterance.channel == 0)
    mine = [(span, samples) for span, samples in heard if span.start_ms == final.start_ms]
    assert len(mine) > 5
    assert all(earlier.duration_ms <= later.duration_ms for (earlier, _), (later, _) in pairwise(mine))
    for span, samples in mine:
        assert span.padding_before_ms == final.padding_before_ms
        # Bringing it to 16 kHz makes something of the very end.
        length = min(len(samples), len(final.samples)) - 40
        assert np.array_equal(samples[:length], final.samples[:length])


def test_a_call_that_rests_goes_on() -> None:
    """What was open ends when nothing comes; audio that comes later is heard."""
    call = CallWriter()
    call.start()
    call.say(speech(1000, 2000))
    first = Listener.of(start_of(call.log))
    for entry in call.log:
        first.take(entry)
    first.waiting += first.call.rest()
    first.publish()
    assert first.published
    checkpoint = first.checkpoint(1000)
    assert checkpoint.offset == 1000
    call.offset = 1000
    call.say(speech(3000, 2000))
    second = Listener.of(checkpoint)
    second.published = list(first.published)
    for entry in call.log:
        first.take(entry)
        if entry.offset >= 1000:
            second.take(entry)
    for listener in (first, second):
        listener.waiting += listener.call.end()
        listener.publish()
        assert listener.call.ended
    assert first.published == second.published


@pytest.mark.parametrize(
    "broken",
    [
        AudioChunk(call_id="call-1", sequence=10, position=8000, audio=b"\0\0\0"),
        AudioChunk(call_id="call-1", sequence=10, position=2**63 - 1, audio=bytes(400)),
        AudioGap(call_id="call-1", position=2**63 - 1, length=2**63 - 1, reason=GapReason.LOST),
    ],
    ids=["half a sample", "far ahead", "endless gap"],
)
def test_a_record_that_does_not_fit_is_refused_and_harms_nothing(broken: AudioChunk | AudioGap) -> None:
    """The call goes on as if it had not come."""
    call = CallWriter()
    call.start()
    call.say(speech(1000, 1000))
    listener = Listener.of(start_of(call.log))
    for entry in call.log:
        listener.take(entry)
    with pytest.raises(UnusableRecord):
        listener.call.add_record(broken, offset=500, written_at=BEGAN)
    call.offset = 500
    call.say(speech(2000, 1000))
    call.end()
    for entry in call.log:
        listener.take(entry)
    listener.publish()
    assert listener.published == undisturbed(call.log)


def test_an_end_that_lies_impossibly_far_ends_the_call_where_it_is() -> None:
    """A call must end."""
    call = CallWriter()
    call.start()
    call.say(speech(1000, 2000))
    call.write(CallEnded(call_id="call-1", position=2**63 - 1, complete=True, ended_at=BEGAN))
    listener = Listener.of(start_of(call.log))
    for entry in call.log:
        listener.take(entry)
    assert listener.call.ended
    assert listener.call.duration_ms == 2000


def test_roles_are_told_by_the_number_of_the_channel() -> None:
    """Not by the order in which they come."""
    call = CallWriter(channels=tuple(reversed(CHANNELS)))
    call.start()
    call.say(speech(1000, 20_000))
    call.end()
    assert {(cut[0], cut[5]) for cut in undisturbed(call.log)} == {(0, "agent"), (1, "customer")}


def test_updates_beyond_what_is_kept_of_a_call_change_nothing() -> None:
    """As in the ledger: the first that does not fit is passed over whole, one that replaces a value still counts."""
    call = CallWriter(codec=AudioCodec.PCMU, sample_rate=8000)
    call.start()
    for number in range(40):
        properties = {f"p{number}-{i}": "x" * 1000 for i in range(3)}
        call.write(CallUpdated(call_id=call.call_id, properties=properties, locale=f"en-{number}", updated_at=BEGAN))
    call.write(CallUpdated(call_id=call.call_id, properties={"p0-0": "new"}, updated_at=BEGAN))
    live = LiveCall(start_of(call.log))
    for entry in call.log:
        live.add_record(entry.record, offset=entry.offset, written_at=entry.written_at)
    last = len(live.facts.properties) // 3 - 1
    assert 6 < last < 11
    assert (live.facts.locale, live.facts.properties["p0-0"]) == (f"en-{last}", "new")
    assert sum(map(len, live.facts.properties.values())) <= 32_768
