"""What may be committed is exactly what a simple model says, whatever the order of completion."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.effort import examples

from steno.kafka.offsets import OffsetTracker


class TrackerAgainstModel(RuleBasedStateMachine):
    """The model keeps every offset ever taken and searches it; the tracker must agree after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.tracker = OffsetTracker()
        self.taken: list[int] = []
        self.finished: set[int] = set()
        self.last_committable = -1

    @rule(hole=st.integers(0, 3), count=st.integers(1, 6))
    def take(self, hole: int, count: int) -> None:
        """Records arrive, now and then with a hole before them."""
        for number in range(count):
            offset = (self.taken[-1] + 1 if self.taken else 40) + (hole if number == 0 else 0)
            self.tracker.add(offset, timestamp_ms=offset * 10)
            self.taken.append(offset)

    @precondition(lambda self: len(self.taken) > len(self.finished))
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        """Any record under way finishes."""
        offset = data.draw(st.sampled_from([offset for offset in self.taken if offset not in self.finished]))
        self.tracker.finish(offset)
        self.finished.add(offset)

    @precondition(lambda self: bool(self.finished))
    @rule(data=st.data())
    def finish_twice(self, data: st.DataObject) -> None:
        """A record finishes once."""
        with pytest.raises(ValueError, match="not in progress"):
            self.tracker.finish(data.draw(st.sampled_from(sorted(self.finished))))

    @precondition(lambda self: bool(self.taken))
    @rule(data=st.data())
    def take_again(self, data: st.DataObject) -> None:
        """Offsets only increase."""
        with pytest.raises(ValueError, match="only increase"):
            self.tracker.add(data.draw(st.sampled_from(self.taken)))

    @invariant()
    def agrees(self) -> None:
        """Committable, gap, count and oldest timestamp are what the model finds."""
        unfinished = [offset for offset in self.taken if offset not in self.finished]
        head = unfinished[0] if unfinished else None
        expected = head if head is not None else (self.taken[-1] + 1 if self.taken else None)
        assert self.tracker.committable == expected
        assert self.tracker.under_way == len(unfinished)
        assert self.tracker.gap == (0 if head is None else sum(offset >= head for offset in self.taken))
        assert self.tracker.oldest_timestamp_ms == (None if head is None else head * 10)
        assert self.tracker.next == (self.taken[-1] + 1 if self.taken else None)

    @invariant()
    def commits_are_true_and_rise(self) -> None:
        """Everything below the committable offset is finished, and it never goes back."""
        committable = self.tracker.committable
        if committable is not None:
            assert all(offset in self.finished for offset in self.taken if offset < committable)
            assert committable >= self.last_committable
            self.last_committable = committable


TestTrackerAgainstModel = TrackerAgainstModel.TestCase
TestTrackerAgainstModel.settings = settings(max_examples=examples(50), stateful_step_count=40, deadline=None)


def test_an_offset_that_was_never_taken_cannot_finish() -> None:
    """Finishing what is not in progress is an error of the caller, above, below and in a fresh tracker."""
    tracker = OffsetTracker()
    with pytest.raises(ValueError, match="not in progress"):
        tracker.finish(0)
    tracker.add(5)
    for offset in (4, 6):
        with pytest.raises(ValueError, match="not in progress"):
            tracker.finish(offset)
