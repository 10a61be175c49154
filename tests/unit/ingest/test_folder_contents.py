"""What lies in the watched folder: which files are whole recordings, and why others are left."""

from hypothesis import given
from hypothesis import strategies as st
from steno_ingest.recordings.folder_contents import EMPTY_WAITS, SettleTracker, Stamp, complete_recordings, reasons_left

SUFFIXES = (".wav", ".mp3", ".json", ".done", ".wav.done", ".part", ".xml")
NAMES = st.sampled_from([f"{stem}{suffix}" for stem in ("a", "b.wav") for suffix in SUFFIXES])
STAMPS = st.builds(Stamp, st.integers(1, 2), st.integers(1, 2), st.integers(0, 2))
LOOKS = st.dictionaries(st.sampled_from("abc"), STAMPS)


def stamps(*names: str) -> dict[str, Stamp]:
    return {name: Stamp(1, 1, 1) for name in names}


@given(st.lists(LOOKS, min_size=1, max_size=12))
def test_files_settle_when_they_have_not_changed(looks: list[dict[str, Stamp]]) -> None:
    """With a look each second and three seconds to settle: those that had the same stamp in the last four looks."""
    settling = SettleTracker(3)
    for now, present in enumerate(looks):
        recent = looks[max(0, now - 3) : now + 1]
        expected = {name for name in present if len(recent) == 4 and all(look.get(name) == present[name] for look in recent)}
        assert settling.settled(present, now) == expected


def test_an_empty_file_is_still_later() -> None:
    """Programs make a file first, and write when they have something."""
    settling, empty = SettleTracker(2), {"a.wav": Stamp(1, 0, 1)}
    settling.settled(empty, 0)
    assert settling.settled(empty, 2 * EMPTY_WAITS - 0.1) == set()
    assert settling.settled(empty, 2 * EMPTY_WAITS) == {"a.wav"}


@given(present=st.dictionaries(NAMES, STAMPS), still=st.sets(NAMES), only_marked=st.booleans())
def test_every_still_file_is_taken_or_goes_along_or_is_left(
    present: dict[str, Stamp], still: set[str], only_marked: bool
) -> None:
    """One of these, whatever lies there; of what is not still, nothing is taken but what has a marker."""
    settled = still & present.keys()
    taken = complete_recordings(present, settled, only_marked=only_marked)
    told = reasons_left(present, settled, only_marked=only_marked)
    audio = {dropped.audio for dropped in taken}
    beside = {name for dropped in taken for name in (dropped.sidecar, dropped.marker) if name is not None}
    assert not audio & told.keys()
    assert not beside & told.keys()
    assert told.keys() <= settled
    for name in audio:
        assert name in settled or {f"{name}.done", f"{name.rpartition('.')[0]}.done"} & present.keys()


def test_others_stay_as_they_are_for_a_reason() -> None:
    """Each for its own."""
    names = ("a.wav", "a.json", "b.wav.part", "c.xml", "d.json", "e.wav.done")
    told = reasons_left(stamps(*names), names)
    assert told.keys() == {"b.wav.part", "c.xml", "d.json", "e.wav.done"}
    assert len(set(told.values())) == 3
    waiting = reasons_left(stamps(*names), names, only_marked=True)
    assert waiting.keys() == told.keys() | {"a.wav"}
