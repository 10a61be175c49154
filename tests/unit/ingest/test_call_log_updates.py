"""What publishers say of calls that is not kept as they say it: too much, too far, or which keys were pressed."""

from typing import Any

import pytest
from support.call_log import World, audio_of, read
from support.call_scenes import NOW, Scene

from steno.events.records import CallEnded, CallUpdated, DtmfPressed


async def test_updates_beyond_what_is_kept_are_put_aside_once_and_the_call_goes_on() -> None:
    """Forty updates of an upstream system: those that fit are kept, one dead letter and one note tell of the rest."""
    scene = Scene()
    scene.start()
    scene.send(800)
    scene.records += [
        CallUpdated(call_id="c", properties={f"p{number}-{i}": "x" * 1000 for i in range(3)}, updated_at=NOW)
        for number in range(40)
    ]
    scene.send(800)
    scene.end()
    world = World(scene.records)
    await read(world)
    assert list(world.dead_letters.values()) == ["properties_too_large"]
    assert 20 <= len(world.ledger.views["c"].properties) <= 33
    assert [kind for _, kind, _ in world.ledger.events] == ["properties_too_large"]
    assert await audio_of(world, scene) == scene.expected


@pytest.mark.parametrize(("keep", "detail"), [(False, "x on channel 0"), (True, "7 on channel 0")])
async def test_of_a_key_only_that_it_was_pressed_is_kept(keep: bool, detail: str) -> None:
    """Also where an upstream system publishes which; a setting keeps it. Of no call, no dead letter keeps it either."""
    scene = Scene()
    stray = DtmfPressed(call_id="unknown", position=0, digit="4", pressed_at=NOW)
    scene.start()
    scene.send(1600)
    scene.records += [stray, DtmfPressed(call_id="c", position=800, digit="7", channel=0, pressed_at=NOW)]
    scene.end()
    world = World(scene.records)
    await read(world, keep_digits=keep)
    assert world.ledger.events["c", "dtmf", 100] == (0, detail)
    assert list(world.dead_letters.values()) == (["unknown_call"] if keep else [])
    assert "7" not in str(world.ledger.events) or keep


async def test_an_end_that_is_impossibly_far_is_told_where_the_audio_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger says how much of the call was heard, not what a publisher with a wrong number says."""
    scene = Scene()
    scene.start()
    scene.send(1600)
    scene.end()
    *before, ended = scene.records
    assert isinstance(ended, CallEnded)
    for far in (2**63 - 1, 2**40):
        world = World([*before, ended.model_copy(update={"position": far})])
        told: list[CallEnded] = []
        keep = world.ledger.end_audio

        async def remember(end: CallEnded, *, told: list[CallEnded] = told, keep: Any = keep) -> bool:
            told.append(end)
            return bool(await keep(end))

        monkeypatch.setattr(world.ledger, "end_audio", remember)
        await read(world)
        assert [end.position for end in told] == [1600]
