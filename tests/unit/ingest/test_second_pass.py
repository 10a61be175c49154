"""The second pass over a live call: when its recording is submitted, and what is asked of it."""

from support.call_log import World, a_call, read
from support.call_scenes import NOW, Scene

from steno.events import ids
from steno.events.recognition import RecognitionDetails
from steno.events.records import CallStarted, CallUpdated, Role


async def test_a_recording_is_submitted_for_a_second_pass() -> None:
    """With the roles as they are corrected by then, and the live pass as what it takes the place of."""
    scene = a_call()
    world = await read(World(scene.records))
    (record,) = world.recordings.accepted.values()
    view = world.ledger.views["c"]
    assert (record.call_id, record.recording_id, record.url) == ("c", view.audio_recording_id, view.audio_url)
    assert (record.supersedes, record.sha256) == (ids.live_pass_id("c"), record.sha256)
    assert record.recording_id == ids.recording_id("c", record.sha256)
    assert [(entry.channel, entry.role) for entry in record.channels] == [(0, Role.UNKNOWN)]
    assert await world.objects.list_urls("call-audio") == []


async def test_the_second_pass_asks_of_the_engine_what_the_call_did() -> None:
    """Also where its account was saved in between."""
    scene = a_call()
    started = scene.records[0]
    assert isinstance(started, CallStarted)
    asked = RecognitionDetails(candidate_locales=("de-DE", "en-US"), hints=("Contoso",), model="small")
    scene.records[0] = started.model_copy(update={"recognition": asked})
    world = await read(World(scene.records))
    (record,) = world.recordings.accepted.values()
    assert record.recognition == asked


async def test_without_a_second_pass_there_is_a_recording_only() -> None:
    """The call names it, and nothing is submitted."""
    world = await read(World(a_call().records), second_pass=False)
    assert world.recordings.accepted == {}
    assert await world.recording("c")


async def test_a_call_of_several_languages_has_no_second_pass() -> None:
    """A pass has one language, so the live transcript stays; where each was told is noted."""
    scene = Scene()
    scene.start()
    scene.send(800)
    scene.records.append(CallUpdated(call_id="c", locale="de-DE", updated_at=NOW))
    scene.send(800)
    scene.end()
    world = await read(World(scene.records))
    assert world.recordings.accepted == {}
    assert await world.recording("c")
    assert world.ledger.events == {("c", "language", 100): (0, "de-DE")}
