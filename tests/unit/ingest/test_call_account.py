"""The account of a call, and the pieces its recording is made of."""

import json
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_ingest.calls.log.account.account import MAX_NOTES, Account
from steno_ingest.calls.log.audio.pieces import MAX_PIECE_BYTES, Shape, Span, UnsavedAudio, blocks_of_silence, layout, masked
from support.call_scenes import NOW, STEPS, Scene, Step, act

from steno.call_clock import CallClock
from steno.events.records import (
    AudioChunk,
    AudioCodec,
    AudioGap,
    CallEnded,
    CallPaused,
    CallRecord,
    CallResumed,
    DtmfPressed,
    GapReason,
)
from steno.unusable_records import AfterTheEnd, BrokenAudio, ImpossiblePlace, UnusableRecord

RATE = 8000
SHAPE = Shape(codec=AudioCodec.PCMU, sample_rate=RATE, channels=1)


def account(*, codec: AudioCodec = AudioCodec.PCMU, channels: int = 1) -> Account:
    return Account(call_id="c", codec=codec, sample_rate=RATE, channel_count=channels, one_way_seconds=30)


def chunk(sequence: int, position: int, audio: bytes) -> AudioChunk:
    return AudioChunk(call_id="c", sequence=sequence, position=position, audio=audio)


def gap(position: int, length: int, reason: GapReason = GapReason.LATE) -> AudioGap:
    return AudioGap(call_id="c", position=position, length=length, reason=reason)


def paused(position: int) -> CallPaused:
    return CallPaused(call_id="c", position=position, paused_at=NOW)


def resumed(position: int) -> CallResumed:
    return CallResumed(call_id="c", position=position, resumed_at=NOW)


def ended(position: int) -> CallEnded:
    return CallEnded(call_id="c", position=position, complete=True, ended_at=NOW)


def tell(of: Account, record: CallRecord) -> tuple[int, bytes] | None:
    """Hands a record of the log over."""
    heard = of.apply(record)
    return None if heard is None else (heard.position, heard.audio)


def recording(of: Account, pieces: list[tuple[Span, bytes]], shape: Shape = SHAPE) -> bytes:
    """What a recording of these pieces holds."""
    contents = dict(pieces)
    whole = b""
    for part in layout(contents, of.position):
        if part.piece is None:
            whole += b"".join(blocks_of_silence(shape, part.span.end - part.span.start))
        else:
            frame = shape.frame_bytes
            audio = contents[part.piece][(part.span.start - part.piece.start) * frame :][
                : (part.span.end - part.span.start) * frame
            ]
            whole += masked(audio, part.span, of.masks, shape)
    return whole


def heard(of: Account, records: Sequence[CallRecord]) -> bytes:
    """The recording of a call with these records."""
    unsaved = UnsavedAudio(SHAPE)
    for record in records:
        if (audio := tell(of, record)) is not None:
            unsaved.add(*audio)
    return recording(of, unsaved.drain())


def kinds(of: Account) -> list[tuple[str, int, int]]:
    return [(note.kind, note.position_ms, note.duration_ms) for note in of.notes]


def test_what_comes_in_order_is_kept_as_it_came() -> None:
    """Nothing is noted of a call of which nothing is missing."""
    of = account()
    assert heard(of, [chunk(0, 0, b"abcd"), chunk(1, 4, b"efgh"), ended(8)]) == b"abcdefgh"
    assert (of.notes, of.ended) == ([], True)


def test_what_comes_twice_is_kept_once() -> None:
    """Whole chunks by their sequence; a chunk cut otherwise, by its position."""
    of = account()
    records = [chunk(0, 0, b"abcd"), chunk(0, 0, b"abcd"), chunk(1, 2, b"cdef"), chunk(2, 0, b"abc"), chunk(3, 6, b"gh")]
    assert heard(of, records) == b"abcdefgh"
    assert of.notes == []


def test_what_never_came_is_silence_and_is_told() -> None:
    """A jump of the position is a gap of reason lost; a gap that is told has its own reason; a jump of the sequence is none."""
    of = account()
    silence = b"\xff" * 800
    records = [chunk(0, 0, b"a" * 800), chunk(1, 1600, b"b" * 800), gap(2400, 800), chunk(90, 3200, b"c" * 800), ended(4800)]
    assert heard(of, records) == b"a" * 800 + silence + b"b" * 800 + silence + b"c" * 800 + silence
    assert kinds(of) == [("gap_lost", 100, 100), ("gap_late", 300, 100), ("gap_lost", 500, 100)]


def test_of_an_empty_gap_nothing_is_missing() -> None:
    """The recording goes on over it, and nothing is told."""
    of = account()
    assert heard(of, [chunk(0, 0, b"abcd"), gap(4, 0), gap(4, 0), chunk(1, 4, b"efgh"), ended(8)]) == b"abcdefgh"
    assert (of.notes, of.ended) == ([], True)


def test_a_pause_is_silence_of_its_length_whatever_comes_meanwhile() -> None:
    """Audio of the paused span is dropped, by whoever it was sent; that it came is noted once."""
    of = account()
    records = [
        chunk(0, 0, b"a" * 800),
        paused(800),
        chunk(1, 800, b"4" * 800),
        chunk(2, 1600, b"2" * 800),
        resumed(2400),
        chunk(3, 2400, b"b" * 800),
    ]
    assert heard(of, records) == b"a" * 800 + b"\xff" * 1600 + b"b" * 800
    assert kinds(of) == [("audio_while_paused", 100, 0), ("gap_paused", 100, 200)]


def test_a_pause_that_is_told_late_takes_back_what_was_kept() -> None:
    """Audio behind its beginning is masked, up to where it was let go on."""
    of = account()
    records = [chunk(0, 0, b"a" * 2400), paused(800), resumed(1600), chunk(1, 2400, b"b" * 800)]
    assert heard(of, records) == b"a" * 800 + b"\xff" * 800 + b"a" * 800 + b"b" * 800


def test_a_pause_that_is_told_again_is_the_same_pause() -> None:
    """A peer that came back sends again from what it knows to be safe: the pause, too, and nothing is masked for it."""
    of = account()
    first = [chunk(0, 0, b"a" * 800), paused(800), resumed(1600), chunk(1, 1600, b"b" * 800)]
    assert heard(of, [*first, *first, chunk(2, 2400, b"c" * 800)]) == b"a" * 800 + b"\xff" * 800 + b"b" * 800 + b"c" * 800
    assert kinds(of) == [("gap_paused", 100, 100)]


def test_what_ended_an_earlier_pause_ends_no_later_one() -> None:
    """A peer that sends again from before both: the call stays paused until the later one ends."""
    of = account()
    first = [chunk(0, 0, b"a" * 800), paused(800), resumed(1600), chunk(1, 1600, b"b" * 800), paused(2400)]
    leaked = chunk(2, 2400, b"4" * 800)
    records = [*first, resumed(1600), leaked, resumed(3200), chunk(3, 3200, b"c" * 800)]
    assert heard(of, records) == b"a" * 800 + b"\xff" * 800 + b"b" * 800 + b"\xff" * 800 + b"c" * 800


def test_a_call_that_ends_paused_was_paused_to_its_end() -> None:
    """The rest is silence, and noted as such."""
    of = account()
    assert heard(of, [chunk(0, 0, b"a" * 800), paused(800), ended(1600)]) == b"a" * 800 + b"\xff" * 800
    assert kinds(of) == [("gap_paused", 100, 100)]


def test_a_key_is_noted_but_not_while_paused() -> None:
    """Card numbers are keyed in during pauses."""
    of = account()
    of.apply_dtmf(DtmfPressed(call_id="c", position=800, digit="5", channel=1, pressed_at=NOW))
    of.apply(paused(0))
    of.apply_dtmf(DtmfPressed(call_id="c", position=900, digit="4", pressed_at=NOW))
    assert [(note.kind, note.position_ms, note.detail) for note in of.notes] == [("dtmf", 100, "5 on channel 1")]


def test_a_silent_channel_is_noted_with_the_time_since_when() -> None:
    """One leg of two, after thirty seconds of the other."""
    of = account(channels=2)
    for number in range(310):
        tell(of, chunk(number, number * 800, b"\x10\xff" * 800))
    assert [(note.kind, note.position_ms, note.duration_ms, note.detail) for note in of.notes] == [
        ("one_way_audio", 0, 30_000, "channel 1")
    ]


@pytest.mark.parametrize(
    ("record", "error"),
    [
        (chunk(1, 800, b"abc"), BrokenAudio),
        (chunk(1, 800, b""), BrokenAudio),
        (chunk(0, 800, b"ab"), ImpossiblePlace),
        (chunk(1, 802 + 38 * RATE, b"ab"), ImpossiblePlace),
        (chunk(2**31 - 1, 800, b"ab"), ImpossiblePlace),
        (gap(800, 38 * RATE), ImpossiblePlace),
        (gap(800, 2**62), ImpossiblePlace),
    ],
    ids=[
        "odd",
        "empty",
        "old sequence, new audio",
        "ahead of time",
        "sequence",
        "a gap ahead of time",
        "a gap of years",
    ],
)
def test_what_cannot_be_is_put_aside_and_the_call_goes_on(record: CallRecord, error: type[UnusableRecord]) -> None:
    """Told once a call for each reason, so that one broken publisher does not stop everybody's consumer."""
    of = account(codec=AudioCodec.S16LE)
    tell(of, chunk(0, 0, b"ab" * 800))
    for first in (True, False):
        with pytest.raises(error) as raised:
            tell(of, record)
        assert of.count_unusable(raised.value, 800) is first
    assert tell(of, chunk(2, 800, b"cd")) == (800, b"cd")
    assert kinds(of) == [(error.error_class, 100, 0)]


def test_a_pause_that_begins_ahead_of_time_is_one_all_the_same() -> None:
    """Nothing is kept that was not to be."""
    of = account()
    tell(of, chunk(0, 0, b"ab"))
    with pytest.raises(ImpossiblePlace):
        of.apply(paused(2**62))
    assert of.paused_from == 2
    assert tell(of, chunk(1, 2, b"ab")) is None


LATER = NOW + timedelta(minutes=10)


def test_as_much_can_be_missing_as_the_call_has_had_time_for() -> None:
    """All gaps of a call together: by the times its records were written, half a minute before them, and a quarter more."""
    of = account()
    of.advance_clock(NOW)
    of.apply(gap(0, 30 * RATE))
    with pytest.raises(ImpossiblePlace):
        of.apply(gap(30 * RATE, 8 * RATE))
    of.advance_clock(LATER)
    of.apply(gap(30 * RATE, 757 * RATE))
    with pytest.raises(ImpossiblePlace):
        tell(of, chunk(0, (787 + 1) * RATE, b"ab"))
    assert tell(of, chunk(0, 787 * RATE, b"ab")) == (787 * RATE, b"ab")


def test_audio_that_is_there_needs_no_time() -> None:
    """A call that was published after the fact is recorded whole, with its gaps: it has had the time that its audio lasts."""
    of = account()
    for number in range(100):
        of.advance_clock(NOW)
        assert tell(of, chunk(number, number * 8000, b"a" * 8000)) is not None
    of.apply(gap(100 * 8000, 162 * RATE))


def test_a_call_may_be_paused_for_as_long_as_it_was() -> None:
    """Also where nothing of it came meanwhile."""
    of = account()
    of.advance_clock(NOW)
    of.apply(paused(800))
    of.advance_clock(LATER)
    of.apply(resumed(600 * RATE))
    assert tell(of, chunk(0, 600 * RATE, b"ab")) == (600 * RATE, b"ab")


def test_the_time_of_a_call_is_kept_with_its_account() -> None:
    """Whoever reads on judges the same; for an account of an earlier version it begins."""
    of = account()
    of.advance_clock(NOW)
    of.apply(gap(0, 30 * RATE))
    of.advance_clock(NOW + timedelta(seconds=90))
    kept = json.loads(json.dumps(of.to_json()))
    again = Account.from_json(kept)
    assert (again.reader.clock, again.reader.missing) == (of.reader.clock, 30 * RATE)
    for name in ("elapsed_ms", "written_at", "missing"):
        del kept[name]
    assert Account.from_json(kept).reader.clock == CallClock()


def test_a_key_pressed_far_ahead_is_noted_where_the_call_can_be() -> None:
    """No database takes any number."""
    of = account()
    of.apply_dtmf(DtmfPressed(call_id="c", position=2**62, digit="5", pressed_at=NOW))
    assert [note.position_ms for note in of.notes] == [37_500]


def test_nothing_follows_the_end() -> None:
    """Audio is put aside; the rest makes no difference. An end that is years ahead ends the call where its audio is."""
    of = account()
    assert heard(of, [chunk(0, 0, b"ab"), ended(2**62)]) == b"ab"
    with pytest.raises(AfterTheEnd, match="ended at sample 2"):
        tell(of, chunk(1, 2, b"cd"))
    before = of.to_json()
    for record in (gap(2, 100), paused(2), resumed(100), ended(200)):
        tell(of, record)
    assert of.to_json() == before


def test_a_call_full_of_holes_fills_no_database() -> None:
    """So many notes of a call, the last of which says that there were more."""
    of = account()
    for number in range(MAX_NOTES + 100):
        tell(of, chunk(number, number * 1600, b"a" * 800))
    assert (len(of.notes), of.notes[-1].kind) == (MAX_NOTES, "notes_ended")


@given(STEPS)
def test_any_call_is_recorded_as_it_was(steps: list[tuple[Step, int]]) -> None:
    """Whatever is lost, missing, paused, repeated or cut anew: each sample is there or silence, at its place."""
    scene = act(Scene(), steps)
    assert heard(account(), scene.records) == scene.expected


@given(STEPS, st.lists(st.integers(0, 60), max_size=6), st.data())
def test_an_account_goes_on_from_whatever_was_kept(
    steps: list[tuple[Step, int]], stops: list[int], data: st.DataObject
) -> None:
    """Killed anywhere: from the state and the pieces kept at an earlier place, the log gives the same recording and notes."""
    scene = act(Scene(), steps)
    undisturbed = account()
    heard(undisturbed, scene.records)

    kept, begin = json.dumps(account().to_json()), 0
    pieces: list[tuple[Span, bytes]] = []
    notes = []
    for stop in [*stops, len(scene.records)]:
        of, unsaved = Account.from_json(json.loads(kept)), UnsavedAudio(SHAPE)
        for number in range(begin, max(begin, min(stop, len(scene.records)))):
            if (audio := tell(of, scene.records[number])) is not None:
                unsaved.add(*audio)
            if data.draw(st.booleans()):
                # Pieces get into the store before what is kept says so, and not always both.
                pieces += unsaved.drain()
                notes += of.notes
                if data.draw(st.booleans()):
                    of.notes = []
                    kept, begin = json.dumps(of.to_json()), number + 1
    pieces += unsaved.drain()
    of.notes = notes + of.notes

    assert recording(of, pieces) == scene.expected
    assert {note.position_ms: note for note in of.notes} == {note.position_ms: note for note in undisturbed.notes}


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 200)), max_size=12), st.integers(0, 700))
def test_a_layout_has_no_hole_and_nothing_twice(pieces: list[tuple[int, int]], samples: int) -> None:
    """Whatever pieces there are, the parts follow each other from the first sample to the last."""
    spans = [Span(start, start + length) for start, length in pieces]
    parts = list(layout(spans, samples))
    assert [part.span.start for part in parts] == [0, *(part.span.end for part in parts)][: len(parts)]
    assert (parts[-1].span.end if parts else 0) == samples
    for part in parts:
        assert part.piece is None or (part.piece.start <= part.span.start and part.span.end <= part.piece.end)
        if part.piece is None:
            assert not any(piece.start < part.span.end and part.span.start < piece.end for piece in spans)


def test_pieces_are_closed_when_they_are_full_and_at_long_gaps() -> None:
    """A gap below a second is filled with silence, a longer one leaves a hole between two pieces."""
    unsaved = UnsavedAudio(SHAPE)
    unsaved.add(0, b"a" * 800)
    unsaved.add(1600, b"b" * 800)
    unsaved.add(2400 + RATE + 1, b"c" * MAX_PIECE_BYTES)
    unsaved.add(2400 + RATE + 1 + MAX_PIECE_BYTES, b"d")
    pieces = unsaved.drain()
    assert [span for span, _ in pieces] == [
        Span(0, 2400),
        Span(10_401, 10_401 + MAX_PIECE_BYTES),
        Span(10_401 + MAX_PIECE_BYTES, 10_402 + MAX_PIECE_BYTES),
    ]
    assert pieces[0][1] == b"a" * 800 + b"\xff" * 800 + b"b" * 800
    assert unsaved.held_bytes == 0


def test_the_name_of_a_piece_says_its_span() -> None:
    """Names in order are spans in order; what is no piece of ours is none."""
    assert Span.named(Span(800, 1600).name) == Span(800, 1600)
    assert Span(800, 1600).name < Span(10_000, 10_001).name
    assert [Span.named(name) for name in ("readme", "1-", "-", "a-b", "000-001#1")] == [None] * 5


def test_another_language_is_noted_where_it_was_told() -> None:
    """The one it began in is none, nor is the same again; before any audio it is the call's only one."""
    begun = account()
    begun.locale = "en-US"
    for locale in ("", "en-US", "en-GB"):
        begun.set_language(locale)
    assert not begun.several_languages
    begun.apply(chunk(0, 0, bytes(800)))
    for locale in ("en-GB", "de-DE", "de-DE"):
        begun.set_language(locale)
    assert [(note.kind, note.position_ms, note.detail) for note in begun.notes] == [
        ("language", 0, "en-GB"),
        ("language", 100, "de-DE"),
    ]
    begun.notes = []
    restored = Account.from_json(begun.to_json())
    assert (restored.locale, restored.several_languages) == ("de-DE", True)


def test_an_account_of_before_learns_its_language() -> None:
    """What it does not know is no change."""
    kept = account().to_json()
    del kept["locale"], kept["several_languages"]
    restored = Account.from_json(kept)
    restored.apply(chunk(0, 0, bytes(800)))
    restored.set_language("de-DE")
    assert (restored.notes, restored.several_languages) == ([], False)
