"""The call log on records that cannot be used: what they cost the call, and that they cost no other."""

from steno_ingest.calls.log.reading.call_log import SAVE_AFTER_SECONDS
from support.call_log import World, a_call, audio_of, read
from support.call_scenes import NOW, Scene

from steno.events.catalogue import CALL_AUDIO
from steno.events.records import CallEnded, CallPaused, CallStarted
from steno.kafka.messages import Message


def absurd(scene: Scene, number: int) -> None:
    """Chunks whose places are impossible, each with its own."""
    for _ in range(number):
        scene.records.append(scene.chunk(2**50 + scene.sequence, b"\0" * 160))
        scene.sequence += 1


async def test_a_call_of_rubbish_fails_once_with_a_reason_and_others_go_on() -> None:
    """One record of it is put aside, however many there are; what was good is recorded; a killed process comes to the same."""
    scene, other = Scene(call_id="bad"), a_call("other")
    scene.start()
    scene.send(800)
    absurd(scene, 60)
    good = len(scene.records)
    absurd(scene, 500)
    world = World([*scene.records[:good]])
    first = world.process()
    await first.open()
    await first.read_all()
    world.now += SAVE_AFTER_SECONDS
    await first.settle()
    assert world.ledger.views["bad"].error == ""
    world.log += [*scene.records[good:], *other.records]
    second = world.process()
    await second.open()
    await second.read_all()
    assert set(world.dead_letters.values()) == {"impossible_place"}
    assert len(world.dead_letters) == 1
    assert world.ledger.views["bad"].error == "unusable_records"
    assert await audio_of(world, other) == other.expected
    (failed,) = second.call_log.open_calls(0)
    assert failed.account.failure is not None
    assert "mend what publishes the call" in failed.account.failure.reason
    # Somebody ends it, ingest itself at the latest: what was good of it is recorded.
    world.log.append(CallEnded(call_id="bad", position=800, complete=False, reason="inactive", ended_at=NOW))
    await second.read_all()
    assert await audio_of(world, scene) == scene.expected


async def test_a_few_unusable_records_in_a_long_call_fail_nothing() -> None:
    """What is good between them makes up for them."""
    scene = Scene()
    scene.start()
    for _ in range(150):
        for _ in range(10):
            scene.send(80)
        absurd(scene, 1)
    scene.end()
    world = await read(World(scene.records))
    assert world.ledger.views["c"].error == ""
    assert len(world.dead_letters) == 1


async def test_of_what_the_ledger_refuses_one_record_a_call_is_put_aside() -> None:
    """Starts of other calls by its id, before and after its end: they count nothing against it, and it is as it was."""
    scene = a_call()
    first = scene.records[0]
    assert isinstance(first, CallStarted)
    others = [first.model_copy(update={"locale": f"x-{number}"}) for number in range(150)]
    world = await read(World([*scene.records[:2], *others, *scene.records[2:]]))
    assert list(world.dead_letters.values()) == ["call_id_in_use"]
    world.log += others
    await read(world)
    assert list(world.dead_letters.values()) == ["call_id_in_use"] * 2
    assert world.ledger.views["c"].error == ""
    assert await audio_of(world, scene) == scene.expected


async def test_a_fault_of_ours_fails_the_call_that_hits_it_and_no_other() -> None:
    """The kernel gave a record up: the call fails with a reason, nothing more of it is taken, what was heard is kept."""
    scene, other = Scene(call_id="hit"), a_call("other")
    scene.start()
    scene.send(800)
    world = World([*scene.records, *other.records])
    process = world.process()
    await process.open()
    await process.read_all()
    message = Message(topic=CALL_AUDIO, partition=0, offset=1, key="hit", record=scene.records[1], headers={}, timestamp=NOW)
    await process.call_log.give_up(message, KeyError("a bug"))
    scene.send(800)
    world.log.append(scene.records[-1])
    await process.read_all()
    assert world.ledger.views["hit"].error == "internal"
    assert world.ledger.views["other"].error == ""
    (hit,) = process.call_log.open_calls(0)
    assert hit.account.position == 800


async def test_what_is_held_is_not_passed_by_what_is_settled() -> None:
    """Records behind it were taken; whoever reads on begins with it."""
    world = World(a_call().records)
    process = world.process()
    await process.open()
    await process.read_all()
    assert await process.call_log.settle(0, 2) == 2


async def test_what_another_one_sends_by_the_id_of_a_call_is_no_part_of_it() -> None:
    """Whatever comes of it between the records of the call: one is put aside, and the call is as it was, also after a crash."""
    scene, other = a_call(), Scene()
    other.start()
    other.send(4000)
    other.send(4000)
    others = [
        *other.records,
        *(CallPaused(call_id="c", position=number, paused_at=NOW) for number in range(150)),
        CallEnded(call_id="c", position=0, complete=True, ended_at=NOW),
    ]
    others = [record.model_copy(update={"writer": "door-2"}) for record in others]
    world = await read(World([scene.records[0], *others, *scene.records[1:3]]))
    assert list(world.dead_letters.values()) == ["call_id_in_use"]
    world.log += [*others, *scene.records[3:], *others]
    await read(world)
    assert set(world.dead_letters.values()) == {"call_id_in_use", "after_the_end"}
    assert (world.ledger.views["c"].error, world.ledger.views["c"].complete) == ("", True)
    assert await audio_of(world, scene) == scene.expected


async def test_a_call_of_a_door_goes_on_by_its_own_writer() -> None:
    """What is published without one by its id is of another call."""
    scene, foreign = a_call(), a_call()
    scene.records = [record.model_copy(update={"writer": "door-1"}) for record in scene.records]
    foreign_records = [record.model_copy(update={"call_id": "c"}) for record in foreign.records[1:]]
    world = await read(World([*scene.records[:2], *foreign_records, *scene.records[2:]]))
    assert "call_id_in_use" in set(world.dead_letters.values())
    assert world.ledger.views["c"].error == ""
    assert await audio_of(world, scene) == scene.expected
