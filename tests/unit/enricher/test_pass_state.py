"""The totals of a call, against a simple model that has all phrases at once."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from statistics import linear_regression, mean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_enricher.call_row import CallRow
from steno_enricher.finding import Finding
from steno_enricher.pass_state import ContradictoryTranscript, PassState
from steno_enricher.ranking import KeyPhrase
from steno_enricher.rows import Kind, RowHeader, read_header

from steno.events.ids import live_pass_id
from steno.events.records import CallSummary, Role, SpeakerSummary, TranscriptCompleted

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
Event = Finding | TranscriptCompleted


def _completed(phrase_count: int, *, duration_ms: int = 100) -> TranscriptCompleted:
    return TranscriptCompleted(
        call_id="call",
        recording_id="recording",
        result_url="file:///result",
        phrase_count=phrase_count,
        channel_count=2,
        duration_ms=duration_ms,
        properties={"team": "blue"},
        completed_at=NOW,
    )


@st.composite
def _calls(draw: st.DrawFn) -> list[Finding]:
    """Phrases of a call in order of sequence, nearly in order of start."""
    words = st.sampled_from(["card", "credit card", "refund", "lost", "savings account"])
    return [
        Finding(
            sequence=sequence,
            channel=draw(st.integers(0, 2)),
            role=draw(st.sampled_from(Role)),
            start_ms=draw(st.integers(0, 90)),
            duration_ms=draw(st.integers(0, 30)),
            sentiment=draw(st.integers(-10_000, 10_000)) / 10_000,
            key_phrases=tuple(KeyPhrase(text, draw(st.integers(1, 1000))) for text in draw(st.sets(words, max_size=3))),
        )
        for sequence in range(draw(st.integers(0, 12)))
    ]


def _model(findings: list[Finding], duration_ms: int) -> dict[str, object]:
    """The totals, a millisecond and a phrase at a time."""
    speech: dict[int, set[int]] = defaultdict(set)
    for finding in findings:
        speech[finding.channel] |= set(range(finding.start_ms, finding.start_ms + finding.duration_ms))
    relevance: dict[str, int] = defaultdict(int)
    for finding in findings:
        for phrase in finding.key_phrases:
            relevance[phrase.text] += phrase.relevance
    return {
        "silence_ms": sum(not any(at in spoken for spoken in speech.values()) for at in range(duration_ms)),
        "overlap_ms": sum(sum(at in spoken for spoken in speech.values()) > 1 for at in range(200)),
        "talk": {channel: len(spoken) for channel, spoken in speech.items()},
        "most_relevant": max(relevance.values(), default=None),
        "relevance": relevance,
    }


def _speaker_model(speaker: SpeakerSummary, findings: list[Finding]) -> None:
    mine = [finding for finding in findings if finding.channel == speaker.channel]
    moods, starts = [finding.sentiment for finding in mine], [finding.start_ms for finding in mine]
    assert speaker.phrase_count == len(mine)
    assert speaker.role is mine[-1].role
    assert speaker.sentiment == pytest.approx(mean(moods), abs=0.0001)
    trend = 0.0
    if len(set(starts)) > 1:
        trend = linear_regression(starts, moods).slope * (max(starts) - min(starts))
    assert speaker.sentiment_trend == pytest.approx(max(-2, min(2, trend)), abs=0.0001)


def _summary_of(events: list[Event], *, restarts: set[int] = frozenset()) -> CallSummary | None:  # type: ignore[assignment]
    state = PassState(call_id="call", recording_id="recording")
    for number, event in enumerate(events):
        if isinstance(event, Finding):
            state.add(event)
        else:
            state.complete(event)
        if number in restarts:
            state = PassState.from_bytes(state.to_bytes(at=NOW), call_id="call", recording_id="recording")
    return state.summary(at=NOW) if state.is_complete else None


@given(_calls(), st.integers(0, 130))
def test_totals_are_those_of_the_model(findings: list[Finding], duration_ms: int) -> None:
    """Talk, silence, overlap, sentiment, trend and key phrases are what counting everything at once gives."""
    summary = _summary_of([*findings, _completed(len(findings), duration_ms=duration_ms)])
    assert summary is not None
    model = _model(findings, duration_ms)
    assert summary.phrase_count == len(findings)
    assert summary.duration_ms == duration_ms
    assert summary.silence_ms == model["silence_ms"]
    assert summary.overlap_ms == model["overlap_ms"]
    assert {speaker.channel: speaker.talk_ms for speaker in summary.speakers} == model["talk"]
    for speaker in summary.speakers:
        _speaker_model(speaker, findings)
    relevance = model["relevance"]
    assert isinstance(relevance, dict)
    assert bool(summary.key_phrases) == bool(relevance)
    if relevance:
        assert relevance[summary.key_phrases[0]] == model["most_relevant"]
    assert summary.properties == {"team": "blue"}


@given(_calls(), st.data())
def test_any_order_repetition_and_restart_gives_the_same_summary(findings: list[Finding], data: st.DataObject) -> None:
    """Phrases and the completion in any order, any of them again, the row written and read at any point: the same summary."""
    undisturbed: list[Event] = [*findings, _completed(len(findings))]
    again = data.draw(st.lists(st.sampled_from(undisturbed), max_size=8))
    disturbed = data.draw(st.permutations([*undisturbed, *again]))
    restarts = data.draw(st.sets(st.integers(0, len(disturbed))))
    assert _summary_of(disturbed, restarts=restarts) == _summary_of(undisturbed)


@given(_calls().filter(bool), st.data())
def test_no_summary_before_every_phrase_is_there(findings: list[Finding], data: st.DataObject) -> None:
    """While a phrase or the completion is missing, the call is not complete."""
    events: list[Event] = [*findings, _completed(len(findings))]
    del events[data.draw(st.integers(0, len(events) - 1))]
    assert _summary_of(data.draw(st.permutations(events))) is None


def test_no_speech_is_a_summary_of_silence() -> None:
    """A transcript without phrases is complete at once."""
    summary = _summary_of([_completed(0, duration_ms=5000)])
    assert summary is not None
    assert (summary.silence_ms, summary.overlap_ms, summary.speakers) == (5000, 0, ())


def _phrase(sequence: int, *, sentiment: float = 0.0, start_ms: int | None = None, key_phrases: int = 0) -> Finding:
    return Finding(
        sequence=sequence,
        channel=sequence % 2,
        role=Role.UNKNOWN,
        start_ms=sequence * 3000 if start_ms is None else start_ms,
        duration_ms=2500,
        sentiment=sentiment,
        key_phrases=tuple(KeyPhrase(f"subject {sequence} number {n}", 900) for n in range(key_phrases)),
    )


def test_a_mood_that_mends_has_a_rising_trend() -> None:
    """From -0.8 to 0.8 along a line is a change of 1.6."""
    findings = [_phrase(n, sentiment=round(-0.8 + 0.16 * (n // 2), 4)) for n in range(22)]
    summary = _summary_of([*findings, _completed(22, duration_ms=80_000)])
    assert summary is not None
    assert [speaker.sentiment_trend for speaker in summary.speakers] == [1.6, 1.6]


def test_an_hour_of_talk_is_a_small_row() -> None:
    """The row of an hour-long call with 1,200 phrases and as many subjects stays below 24 KiB."""
    state = PassState(call_id="call", recording_id="recording")
    for sequence in range(1200):
        state.add(_phrase(sequence, key_phrases=3))
    assert len(state.to_bytes(at=NOW)) < 24 * 1024


def test_a_phrase_beyond_the_completion_contradicts_it() -> None:
    """A transcript completed with two phrases has no third; the state stays as it was."""
    state = PassState(call_id="call", recording_id="recording")
    state.complete(_completed(2))
    with pytest.raises(ContradictoryTranscript, match="phrase 2 of recording recording came"):
        state.add(_phrase(2))
    state.add(_phrase(0))
    state.add(_phrase(1))
    assert state.is_complete


def test_a_completion_below_the_phrases_seen_is_refused() -> None:
    """A transcript of which phrase 5 was seen cannot have been completed with two."""
    state = PassState(call_id="call", recording_id="recording")
    state.add(_phrase(5))
    with pytest.raises(ContradictoryTranscript, match="but phrase 5 came"):
        state.complete(_completed(2))


OLD_ROW = (
    b'1772362800 finished\n{"format":1,"next":2,"early":[],"speakers":[[0,"agent",[1,0,0,0,0,5000,0],[0,1500]],'
    b'[1,"customer",[1,1000,1000,1000,1000000,-2000,-2000000],[1000,1500]]],"tally":{"refund":900},"summarised":true,'
    b'"failed":false,"completion":[2,3000,{"team":"blue"}]}'
)
"""As version 0.1 wrote it."""


def test_a_row_of_the_format_before_is_read() -> None:
    """Its summary counts as told: nothing is owed, and the next one is its revision 1."""
    assert read_header(OLD_ROW) == RowHeader(written_at=datetime(2026, 3, 1, 11, tzinfo=UTC), kind=Kind.FINISHED)
    state = PassState.from_bytes(OLD_ROW, call_id="call", recording_id="recording")
    assert (state.summarised, state.owed, state.is_complete, state.phrase_count) == (True, False, True, 2)
    summary = state.summary(at=NOW)
    assert (summary.revision, summary.duration_ms, summary.properties) == (1, 3000, {"team": "blue"})
    assert summary.tenant == ""
    assert [(speaker.role, speaker.talk_ms, speaker.sentiment) for speaker in summary.speakers] == [
        (Role.AGENT, 1500, 0.5),
        (Role.CUSTOMER, 1500, -0.2),
    ]


def test_the_line_of_a_row_says_when_it_is_due() -> None:
    """Kind and times come back from the bytes as they were written."""
    state = PassState(call_id="call", recording_id="recording")
    due_at = NOW + timedelta(seconds=1.5)
    assert read_header(state.to_bytes(at=NOW, due_at=due_at)) == RowHeader(written_at=NOW, kind=Kind.OPEN, due_at=due_at)
    state.failed = True
    assert read_header(state.to_bytes(at=NOW)) == RowHeader(written_at=NOW, kind=Kind.FINISHED)


def test_a_summary_is_of_the_tenant_of_its_transcript() -> None:
    """Also after the row was kept and read again; of a live call without a transcript, of the tenant of the call."""
    state = PassState(call_id="call", recording_id="recording")
    state.complete(_completed(0).model_copy(update={"tenant": "acme"}))
    assert state.summary(at=NOW).tenant == "acme"
    again = PassState.from_bytes(state.to_bytes(at=NOW), call_id="call", recording_id="recording")
    assert again.summary(at=NOW).tenant == "acme"
    live = PassState(call_id="call", recording_id=live_pass_id("call"))
    live.update_call(CallRow(tenant="acme"))
    kept = PassState.from_bytes(live.to_bytes(at=NOW), call_id="call", recording_id=live_pass_id("call"))
    assert kept.summary(at=NOW).tenant == "acme"


def test_a_call_kept_before_there_were_tenants_is_read() -> None:
    """It belongs to no tenant."""
    row = CallRow(tenant="acme")
    assert CallRow.from_list(row.to_list()) == row
    assert CallRow.from_list(row.to_list()[:5]).tenant == ""
