"""The call log: what it makes of records, and that it makes the same of them wherever it is killed."""

import asyncio
import io
from datetime import timedelta
from itertools import chain, repeat

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steno_ingest.calls.log.account import account, flush
from steno_ingest.calls.log.audio.pieces import PIECE_BYTES
from steno_ingest.calls.log.reading.call_log import SAVE_AFTER_SECONDS
from steno_ingest.errors import TooLarge
from support.call_log import Killed, KillPoint, World, a_call, audio_of, read
from support.call_scenes import NOW, STEPS, Scene, Step, act
from support.effort import examples

from steno.events.records import (
    AudioChunk,
    AudioCodec,
    CallChannel,
    CallEnded,
    CallPaused,
    CallRecord,
    CallResumed,
    CallStarted,
    CallUpdated,
    DtmfPressed,
    Role,
    RolesCorrected,
)
from steno.storage.objects import StoreUnavailable


def interleaved(scenes: list[Scene], order: list[int]) -> list[CallRecord]:
    """The records of calls as they may stand in one partition: each call's in its order."""
    waiting = [list(scene.records) for scene in scenes]
    log: list[CallRecord] = []
    for number in order:
        which = number % len(waiting)
        if waiting[which]:
            log.append(waiting[which].pop(0))
    return log + [record for rest in waiting for record in rest]


def scenes_of(plans: list[list[tuple[Step, int]]]) -> list[Scene]:
    scenes = [Scene(call_id=f"call/{number}") for number in range(len(plans))]
    for scene, plan in zip(scenes, plans, strict=True):
        scene.start()
        act(scene, plan)
    return scenes


def sent_any(scene: Scene) -> bool:
    return any(byte != 0xFF for byte in scene.expected)


async def killed_again_and_again(world: World, deaths: list[tuple[int, bool]], choices: list[str]) -> None:
    """Lives until the log is read: each life ends at the given effect, takes and settles as chosen."""
    choice = chain(choices, repeat("take"))
    for steps, after in [*deaths, (-1, False)]:
        world.objects.kill_point = KillPoint(steps, after)
        process = world.process()
        try:
            await process.open()
            while process.offset < len(world.log):
                match next(choice):
                    case "settle":
                        await process.settle()
                    case "finish":
                        await process.finish()
                    case "wait":
                        world.now += SAVE_AFTER_SECONDS
                    case _:
                        await process.take()
            await process.read_all()
        except Killed:
            continue


@settings(max_examples=examples(50))
@given(
    st.lists(STEPS, min_size=1, max_size=3),
    st.lists(st.integers(0, 2), max_size=60),
    st.lists(st.tuples(st.integers(0, 25), st.booleans()), max_size=4),
    st.lists(st.sampled_from(["take", "take", "take", "settle", "finish", "wait"]), max_size=100),
)
def test_killed_anywhere_it_comes_to_the_same(
    plans: list[list[tuple[Step, int]]], order: list[int], deaths: list[tuple[int, bool]], choices: list[str]
) -> None:
    """Before or after any effect: the same recordings to the byte, notes and submissions, and nothing left in the store."""
    scenes = scenes_of(plans)
    undisturbed, world = World(interleaved(scenes, order)), World(interleaved(scenes, order))

    async def lives() -> None:
        process = undisturbed.process()
        await process.open()
        await process.read_all()
        await killed_again_and_again(world, deaths, choices)
        for scene in scenes:
            if sent_any(scene):
                assert await audio_of(world, scene) == scene.expected

    asyncio.run(lives())
    assert world.committed == len(world.log)
    assert world.ledger.events == undisturbed.ledger.events
    assert world.recordings.accepted.keys() == undisturbed.recordings.accepted.keys()
    assert {view.audio_recording_id for view in world.ledger.views.values()} == {
        view.audio_recording_id for view in undisturbed.ledger.views.values()
    }
    assert all(view.ended_at for view in world.ledger.views.values())
    assert world.accounts.finished == {scene.call_id for scene in scenes}
    assert world.dead_letters == {}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_killed_at_each_effect_it_comes_to_the_same(after: bool) -> None:
    """Each in its turn, of a call in several pieces, with notes, of which the last are made safe at its end."""
    scene = Scene()
    scene.start()
    for step, number in [(Scene.send, 800), (Scene.pause, 20_000), (Scene.send, 800), (Scene.pause, 20_000), (Scene.send, 800)]:
        step(scene, number)
    scene.end()
    for steps in range(100):
        world = World(list(scene.records))
        world.objects.kill_point = KillPoint(steps, after)
        try:
            process = world.process()
            await process.open()
            await process.take()
            await process.take()
            await process.take()
            world.now += SAVE_AFTER_SECONDS
            await process.settle()
            await process.read_all()
        except Killed:
            world.objects.kill_point = KillPoint()
            await read(world)
            await read(world)
        else:
            break
        assert await audio_of(world, scene) == scene.expected
        assert len(world.recordings.accepted) == 1
    assert steps > 15


async def test_without_recording_no_audio_is_kept() -> None:
    """The call is accounted for all the same, to its end."""
    world = await read(World(a_call().records), record_calls=False)
    assert await world.objects.list_urls("") == []
    assert (world.ledger.views["c"].ended_at, world.ledger.views["c"].audio_url) == (NOW, "")
    assert world.accounts.finished == {"c"}


async def test_a_call_without_audio_has_no_recording() -> None:
    """Nothing but a start and an end; or a call that was paused from its first sample to its last."""
    scene = Scene()
    scene.start()
    scene.pause(800)
    scene.end()
    world = await read(World(scene.records))
    assert (world.recordings.accepted, world.ledger.views["c"].audio_url) == ({}, "")
    assert world.accounts.finished == {"c"}


async def test_a_call_of_hours_holds_little_and_commits_all_along() -> None:
    """Half a minute is the most that is held, and the most that is read again after a crash."""
    scene = Scene()
    scene.start()
    for _ in range(3000):
        scene.send(800)
    world = World(scene.records)
    process = world.process()
    await process.open()
    for number in range(len(world.log)):
        await process.take()
        world.now += 0.1
        if number % 10 == 0:
            await process.settle()
            assert process.offset - world.committed <= 10 * SAVE_AFTER_SECONDS + 20
    (call,) = process.call_log.open_calls(0)
    assert call.audio.held_bytes < 2 * PIECE_BYTES
    assert world.ledger.views["c"].heard_position > 2900 * 800


async def test_beyond_what_may_be_held_audio_is_kept_before_more_is_taken() -> None:
    """However long nothing is settled, and however many calls there are."""
    scenes = [Scene(call_id=f"c{number}") for number in range(4)]
    for scene in scenes:
        scene.start()
        for _ in range(100):
            scene.send(800)
    world = World(interleaved(scenes, list(range(404))))
    process = world.process(max_held_bytes=10_000)
    await process.open()
    for _ in world.log:
        await process.take()
        assert sum(call.audio.held_bytes for call in process.call_log.open_calls(0)) <= 10_800
    for scene in scenes:
        scene.end()
        world.log.append(scene.records[-1])
    await process.read_all()
    for scene in scenes:
        assert await audio_of(world, scene) == scene.expected


async def test_one_call_is_not_held_beyond_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much of it comes at once, and however much room there is."""
    monkeypatch.setattr(flush, "MAX_CALL_BYTES", 5000)
    scene = Scene(call_id="flood")
    scene.start()
    for _ in range(100):
        scene.send(800)
    scene.end()
    world = World(scene.records)
    process = world.process()
    await process.open()
    for _ in world.log:
        await process.take()
        assert sum(call.audio.held_bytes for call in process.call_log.open_calls(0)) < 5000 + 800
    await process.settle()
    await process.finish()
    assert await audio_of(world, scene) == scene.expected


async def test_a_store_that_is_away_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be made safe is held, not committed, and made safe later."""
    scene = a_call()
    world = World(scene.records[:-1])
    process = world.process()
    await process.open()
    await process.take()
    await process.take()
    world.now += SAVE_AFTER_SECONDS

    async def away(*_: object) -> str:
        raise StoreUnavailable("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(world.objects, "put", away)
        with pytest.raises(StoreUnavailable):
            await process.call_log.settle(0)
    await process.settle()
    assert world.committed == 2
    world.log.append(scene.records[-1])
    await process.read_all()
    assert await audio_of(world, scene) == scene.expected


async def test_two_that_finish_a_call_come_to_one_recording() -> None:
    """One that had lost the partition without knowing finds the pieces half cleared by the other, and changes nothing."""
    scene = Scene()
    scene.start()
    for _ in range(3):
        scene.send(800)
        scene.pause(20_000)
    scene.end()
    world = World(scene.records)
    first, second = world.process(), world.process()
    for process in (first, second):
        await process.open()
        while process.offset < len(world.log):
            await process.take()
        await process.settle()
    # The recording, the ledger, the submission, the account, and one of three pieces.
    world.objects.kill_point = KillPoint(6)
    with pytest.raises(Killed):
        await first.finish()
    world.objects.kill_point = KillPoint()
    assert len(await world.objects.list_urls("call-audio")) == 2
    await second.finish()
    assert await audio_of(world, scene) == scene.expected
    assert len(world.recordings.accepted) == 1
    assert await world.objects.list_urls("call-audio") == []


async def test_of_a_call_that_never_started_one_record_is_put_aside() -> None:
    """The others are counted; a call that starts afterwards is like any other, and its neighbours never noticed."""
    unknown, other = a_call("unknown"), a_call("other")
    rest = Scene(call_id="unknown", sequence=7)
    rest.send(800)
    rest.send(800)
    world = await read(World([*rest.records, *other.records, *unknown.records]))
    assert world.dead_letters == {0: "unknown_call"}
    for scene in (unknown, other):
        assert await audio_of(world, scene) == scene.expected


async def test_audio_after_the_end_is_put_aside() -> None:
    """Right behind the end, after the recording is made, and in the next process: once each, and no recording changes."""
    scene = a_call()
    late = Scene(sequence=1, expected=scene.expected)
    late.send(800)
    world = World([*scene.records, *late.records, *late.records])
    await read(world)
    recording = await world.recording("c")
    world.log += late.records
    await read(world)
    assert world.dead_letters == {3: "after_the_end", 5: "after_the_end"}
    assert await world.recording("c") == recording


@pytest.mark.parametrize("when", ["while it is open", "after its end"])
async def test_a_call_id_belongs_to_one_call(when: str) -> None:
    """The same start again changes nothing, another one is put aside; the call goes on as it was."""
    scene = a_call()
    first = scene.records[0]
    assert isinstance(first, CallStarted)
    other = first.model_copy(update={"locale": "de-DE"})
    at = 2 if when == "while it is open" else 3
    world = await read(World([*scene.records[:at], first, other, *scene.records[at:]]))
    assert world.dead_letters == {at + 1: "call_id_in_use"}
    assert await audio_of(world, scene) == scene.expected
    assert len(world.recordings.accepted) == 1


async def test_a_call_in_an_unknown_codec_fails_with_a_reason() -> None:
    """In the ledger, and its start in dead letters; its audio is counted."""
    scene = Scene()
    scene.start(AudioCodec.UNKNOWN)
    scene.send(800)
    scene.send(800)
    world = await read(World(scene.records))
    assert world.ledger.views["c"].error == "unknown_codec"
    assert world.dead_letters == {0: "unknown_codec", 1: "unknown_call"}


async def test_broken_audio_is_put_aside_once_and_is_a_gap() -> None:
    """A publisher that sends half samples does not stop the consumer; the rest of its call is recorded."""
    scene = Scene()
    scene.records.append(
        CallStarted(
            call_id="c",
            codec=AudioCodec.S16LE,
            sample_rate=8000,
            channels=(CallChannel(channel=0), CallChannel(channel=1)),
            started_at=NOW,
        )
    )
    for position, audio in ((0, b"abcd" * 800), (800, b"abc"), (800, b"a"), (1600, b"efgh" * 800)):
        scene.records.append(scene.chunk(position, audio))
        scene.sequence += 1
    scene.expected = bytes(2400)
    scene.end()
    world = await read(World(scene.records))
    assert world.dead_letters == {2: "broken_audio"}
    assert (await world.recording("c"))[44:] == b"abcd" * 800 + bytes(3200) + b"efgh" * 800
    assert ("c", "gap_lost", 100) in world.ledger.events


async def test_what_an_upstream_system_says_of_its_call_gets_into_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses, properties and roles; keys are noted."""
    told: list[object] = []

    async def remember(*values: object, **named: object) -> None:
        told.append((*values, named))

    scene = Scene()
    scene.start()
    scene.send(800)
    scene.pause(800)
    channels = (CallChannel(channel=0, role=Role.AGENT),)
    scene.records += [
        CallUpdated(call_id="c", properties={"queue": "billing"}, updated_at=NOW),
        DtmfPressed(call_id="c", position=1600, digit="#", pressed_at=NOW),
        corrected := RolesCorrected(call_id="c", channels=channels, corrected_at=NOW),
    ]
    scene.end()
    world = World(scene.records)
    monkeypatch.setattr(world.ledger, "update", remember)
    monkeypatch.setattr(world.ledger, "note_roles", remember)
    monkeypatch.setattr(world.ledger, "set_paused", remember)
    await read(world)
    assert told == [
        ("c", True, {"by": "publisher", "reason": ""}),
        ("c", False, {"by": "publisher"}),
        ("c", {"properties": {"queue": "billing"}, "locale": ""}),
        (corrected, {}),
    ]
    assert world.ledger.events["c", "dtmf", 200] == (0, "x")


async def test_a_call_of_which_most_is_missing_is_recorded_with_its_times_and_takes_no_room() -> None:
    """Hours of a pause are next to nothing in the store; what was said stands where it was said."""
    world, scene = World(), Scene(call_id="c")
    scene.start()
    scene.send(900)
    pause = CallPaused(call_id="c", position=900, paused_at=NOW)
    late = 4 * 3600 * 8000
    resumed = CallResumed(call_id="c", position=late, resumed_at=NOW)
    chunk = AudioChunk(call_id="c", sequence=5, position=late, audio=b"\x10" * 800)
    end = CallEnded(call_id="c", position=late + 800, complete=True, ended_at=NOW)
    world.log = [*scene.records, pause, resumed, chunk, end]
    world.times = dict.fromkeys(range(3, len(world.log)), NOW + timedelta(hours=4))
    process = world.process()
    await process.open()
    await process.read_all()
    url = world.ledger.views["c"].audio_url
    assert url.endswith("/audio.flac")
    file = await world.recording("c")
    assert len(file) < 100_000
    with av.open(io.BytesIO(file), "r") as found:
        samples = np.concatenate([frame.to_ndarray()[0] for frame in found.decode(audio=0)])
    assert len(samples) == late + 800
    assert samples[:900].any()
    assert not samples[900:late].any()
    assert samples[late:].all()


async def test_a_call_that_is_told_of_too_often_does_not_hold_up_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond what it has had time for it is told no more, and one is put aside; a pause holds all the same."""
    monkeypatch.setattr(account, "MAX_UPDATES", 10)
    scene = Scene(call_id="c")
    scene.start()
    updates = [CallUpdated(call_id="c", properties={"number": str(number)}, updated_at=NOW) for number in range(50)]
    pause = CallPaused(call_id="c", position=0, paused_at=NOW)
    world = World([*scene.records, *updates, pause, scene.chunk(0, b"\x10" * 800)])
    told = list[str]()

    async def update(call_id: str, *, properties: dict[str, str], locale: str) -> None:
        told.append(properties["number"])

    monkeypatch.setattr(world.ledger, "update", update)
    process = world.process()
    await process.open()
    while process.offset < len(world.log):
        await process.take()
    assert told == [str(number) for number in range(10)]
    assert next(iter(world.dead_letters.values())) == "too_many_updates"
    assert list(world.dead_letters.values()).count("too_many_updates") == 1
    (call,) = process.call_log.open_calls(0)
    assert call.account.paused_from == 0
    assert call.audio.held_bytes == 0
    world.log.append(updates[0])
    world.times = {len(world.log) - 1: NOW + timedelta(minutes=5)}
    await process.take()
    world.log.append(updates[0])
    world.times[len(world.log) - 1] = NOW + timedelta(minutes=5)
    await process.take()
    assert len(told) == 11


@pytest.mark.parametrize(
    ("error", "detail"),
    [(KeyError("secret"), "an internal error of ingest; its log has the details"), (TooLarge("too large"), "too large")],
)
async def test_a_recording_that_cannot_be_made_is_told_and_can_still_be_made(error: Exception, detail: str) -> None:
    """Whoever asks for the call sees it in its events; its pieces stay, and whoever reads the partition next makes it."""
    world, scene = World(), a_call()
    world.log += scene.records
    process = world.process()
    await process.open()
    while process.offset < len(world.log):
        await process.take()
    await process.settle()
    await process.recorder.give_up(process.ended[0], error)
    assert world.ledger.events[scene.call_id, "recording_failed", 0] == (0, detail)
    await read(world)
    assert await audio_of(world, scene) == scene.expected
