"""Whether a fault of ours is one record's or everybody's."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from steno.kafka.held_records import (
    ALONE,
    AT_START,
    GIVEN_UP_AFTER_SECONDS,
    GIVEN_UP_EVERY_SECONDS,
    LONGEST_SECONDS,
    HeldRecords,
)

KIND = ("recordings", "RecordingSubmitted")


@dataclass
class Bench:
    """A handler for records that are numbers, of which some fail while it has a fault."""

    #: The records that fail; None: all.
    bad: set[int] | None = field(default_factory=set)
    now: float = 0.0
    holding: HeldRecords[int] = field(default_factory=HeldRecords)
    tries: list[tuple[float, int]] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    aside: list[int] = field(default_factory=list)

    def comes(self, records: Iterable[int]) -> None:
        """Each is tried as often as it takes."""
        for record in records:
            self.attempt(record)

    def attempt(self, record: int) -> None:
        self.tries.append((self.now, record))
        if self.bad is not None and record not in self.bad:
            self.holding.handled(KIND, record)
            self.done.append(record)
        elif self.holding.may_be_put_aside(KIND):
            self.aside.append(record)
            self.holding.put_aside(KIND, record)
        else:
            self.holding.hold(KIND, record, self.now)

    def later(self, seconds: float, *, full: bool = False) -> None:
        """Time goes by; it is looked once a second, and again after what was tried."""
        for _ in range(round(seconds)):
            self.now += 1
            while due := self.holding.due(self.now, full=full):
                for record in due:
                    self.attempt(record)

    @property
    def held(self) -> int:
        return self.holding.counts.get(KIND, 0)


def test_one_that_fails_alone_is_put_aside() -> None:
    """Others go through before and after it."""
    bench = Bench(bad={3, 7})
    bench.comes(range(10))
    assert bench.aside == [3, 7]
    assert not bench.holding.is_held(KIND)


def test_a_fault_that_hits_everything_drains_nothing() -> None:
    """A few are put aside, the rest is held, however many come and however long it lasts."""
    bench = Bench(bad=None)
    bench.comes(range(1000))
    bench.later(24 * 3600)
    assert len(bench.aside) == AT_START
    assert bench.held == 1000 - AT_START


def test_a_fault_that_comes_later_drains_no_more() -> None:
    """What went through before it allows a few to be put aside, not more."""
    bench = Bench()
    bench.comes(range(100))
    bench.bad = None
    bench.comes(range(100, 300))
    bench.later(3600)
    assert len(bench.aside) <= ALONE + AT_START


def test_those_held_are_tried_ever_more_rarely_each_in_its_turn() -> None:
    """After 1 s, 2 s, ... 60 s; always another one, so that a single bad one does not stand for all."""
    bench = Bench(bad=None)
    bench.comes(range(5))
    bench.tries.clear()
    bench.later(600)
    waits = [after[0] - before[0] for before, after in zip(bench.tries, bench.tries[1:], strict=False)]
    assert waits[:5] == [2, 4, 8, 16, 32]
    assert set(waits[6:]) == {LONGEST_SECONDS}
    assert [record for _, record in bench.tries][:4] == [2, 3, 4, 2]


def test_it_mends_itself_when_the_fault_goes() -> None:
    """All that was held goes through within the longest wait, in ever larger steps, and none is put aside."""
    bench = Bench(bad=None)
    bench.comes(range(3000))
    bench.later(300)
    bench.bad = set()
    aside = len(bench.aside)
    bench.later(LONGEST_SECONDS)
    assert len(bench.done) == 3000 - aside
    assert len(bench.aside) == aside
    assert not bench.holding.is_held(KIND)


def test_what_somebody_sends_to_hit_a_fault_holds_up_nobody() -> None:
    """A thousand records that fail, good ones behind them: these are done at once, those are put aside as they are."""
    bench = Bench(bad=set(range(1000)))
    bench.comes(range(1000))
    bench.comes(range(1000, 1400))
    assert bench.done == list(range(1000, 1400))
    for record in range(2000, 2400):
        bench.comes([record])
        bench.later(1)
    assert sorted(bench.aside) == list(range(1000))
    assert bench.held == 0


def test_other_kinds_tell_nothing() -> None:
    """That phrases go through does not say that recordings can."""
    bench = Bench(bad=None)
    for record in range(50):
        bench.holding.handled(("phrases", "Phrase"), -record)
        bench.comes([record])
    assert len(bench.aside) == AT_START


def test_where_they_leave_no_room_one_a_minute_is_given_up() -> None:
    """Only then, and only after ten minutes: others may stand behind them."""
    bench = Bench(bad=None)
    bench.comes(range(100))
    bench.later(GIVEN_UP_AFTER_SECONDS + 3600)
    assert len(bench.aside) == AT_START
    bench.later(10 * GIVEN_UP_EVERY_SECONDS, full=True)
    assert len(bench.aside) - AT_START in (10, 11)


def test_what_is_taken_away_is_held_no_more() -> None:
    """Partitions went to others; and single records that are nobody's any more."""
    bench = Bench(bad=None)
    bench.comes(range(10))
    bench.holding.forget(lambda record: record < 8)
    assert bench.held == 2
    bench.holding.clear()
    assert not bench.holding.is_held(KIND)
    assert bench.holding.due(1000) == []


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("come"), st.integers(1, 20), st.booleans()),
            st.tuples(st.just("wait"), st.integers(1, 70), st.booleans()),
        ),
        max_size=40,
    )
)
def test_no_record_is_lost_and_none_is_done_twice(steps: list[tuple[str, int, bool]]) -> None:
    """Whatever fails and mends: each record is done, put aside or held, and no more are put aside than went through allows."""
    bench, came = Bench(), 0
    for what, number, broken in steps:
        bench.bad = None if broken else {record for record in range(came + number) if record % 5 == 0}
        if what == "come":
            bench.comes(range(came, came + number))
            came += number
        else:
            bench.later(number)
        assert len(bench.done) + len(bench.aside) + bench.held == came
        assert len({*bench.done, *bench.aside}) == len(bench.done) + len(bench.aside)
        assert len(bench.aside) <= ALONE * len(bench.done) + AT_START
