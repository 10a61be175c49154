"""A peer is told that its transcript is complete once, and behind the last phrase."""

from hypothesis import given
from hypothesis import strategies as st
from steno_ingest.calls.hosting.caption_progress import MISSING_PHRASES_SECONDS, CaptionProgress


@given(st.data(), st.integers(0, 8))
def test_it_is_told_with_the_last_phrase_or_behind_it(data: st.DataObject, phrase_count: int) -> None:
    """Wherever among the phrases it comes, in whatever order they do, and though some of them come again."""
    again = data.draw(st.lists(st.integers(0, max(0, phrase_count - 1)), max_size=3)) if phrase_count else []
    news: list[int | None] = [*data.draw(st.permutations(range(phrase_count))), *again]
    news.insert(data.draw(st.integers(0, len(news))), None)
    completion, heard, told = CaptionProgress(), set[int](), []
    for sequence in news:
        if sequence is None:
            completion.complete(phrase_count, at=0.0)
        else:
            assert completion.add_phrase(sequence) is (sequence not in heard)
            heard.add(sequence)
            assert completion.first_missing == min(set(range(phrase_count + 1)) - heard)
        if (count := completion.due(0.0)) is not None:
            told.append(count)
            assert len(heard) == phrase_count
    assert told == [phrase_count]


def test_a_phrase_that_does_not_come_is_not_awaited_for_ever() -> None:
    """The ledger may be away. Those that the peer has are not awaited at all."""
    assert not CaptionProgress(2).add_phrase(1)
    had = CaptionProgress(3)
    had.complete(3, at=10.0)
    assert (had.behind, had.due(10.0)) == (False, 3)
    completion = CaptionProgress()
    completion.complete(3, at=10.0)
    assert completion.behind
    assert completion.due(10.0 + MISSING_PHRASES_SECONDS - 0.1) is None
    assert completion.due(10.0 + MISSING_PHRASES_SECONDS) == 3
    assert completion.due(100.0) is None
