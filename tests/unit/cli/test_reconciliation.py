"""The ledger is held against the calls of a PBX."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steno.cli.call_lists import CallList, ListedCall
from steno.cli.reconciliation import Reconciliation

AT = datetime(2026, 12, 1, 8, tzinfo=UTC)


def pbx(**seconds: float) -> CallList:
    """Calls of the PBX by id, a minute after each other."""
    calls = [
        ListedCall(call_id=name, started_at=AT + timedelta(minutes=number), seconds=length, line=number + 2)
        for number, (name, length) in enumerate(seconds.items())
    ]
    return CallList(calls={call.call_id: call for call in calls})


def live(call_id: str, *, heard_ms: int = 60_000, minute: float = 0, ended: bool = True) -> dict[str, Any]:
    """A live call of the ledger."""
    at = (AT + timedelta(minutes=minute)).isoformat()
    return {"call_id": call_id, "started_at": at, "heard_ms": heard_ms, "ended_at": at if ended else None}


def recording(call_id: str, *, duration_ms: int | None = 60_000, minute: float = 0, door: str = "rest") -> dict[str, Any]:
    """A recording of the ledger."""
    return {
        "call_id": call_id,
        "accepted_at": (AT + timedelta(minutes=minute)).isoformat(),
        "duration_ms": duration_ms,
        "door": door,
    }


def test_what_the_ledger_does_not_have_is_missing() -> None:
    """A live call or a recording is enough; in whatever state."""
    compared = Reconciliation(pbx(a=60, b=60, c=60, d=60), tolerance_seconds=5)
    compared.add_call(live("a"))
    compared.add_call(live("d", ended=False))
    compared.add_recording(recording("b"))
    found = compared.differences()
    assert [call.call_id for call in found.missing] == ["c"]
    assert (found.extra, found.too_short, found.unmeasured) == ({}, [], 1)


@pytest.mark.parametrize(("milliseconds", "short"), [(55_000, False), (54_999, True), (0, True), (None, False)])
def test_a_call_is_too_short_below_the_tolerance(milliseconds: int | None, *, short: bool) -> None:
    """By the longest audio that is known of it; one whose length is not known is none."""
    compared = Reconciliation(pbx(a=60), tolerance_seconds=5)
    compared.add_recording(recording("a", duration_ms=milliseconds))
    assert bool(compared.differences().too_short) is short
    compared.add_call(live("a", heard_ms=58_000))
    compared.add_recording(recording("a", duration_ms=None))
    assert compared.differences().too_short == []


def test_live_calls_within_the_span_of_the_list_are_extra() -> None:
    """By their start; earlier and later ones are of another list."""
    compared = Reconciliation(pbx(a=60, b=60, c=60), tolerance_seconds=5)
    for number, minute in enumerate((-1, 0, 1, 2, 3)):
        compared.add_call(live(f"x{number}", minute=minute))
    assert list(compared.differences().extra) == ["x1", "x2", "x3"]


def test_recordings_among_those_of_the_list_are_extra() -> None:
    """Uploads before and after those are of another day; the recording of a live call counts with the call."""
    compared = Reconciliation(pbx(a=60, b=60), tolerance_seconds=5)
    for call_id in ("later", "b", "between", "a", "earlier"):
        compared.add_recording(recording(call_id))
    compared.add_recording(recording("of-a-call", door="call"))
    assert list(compared.differences().extra) == ["between"]


@given(st.sets(st.sampled_from("abcdefgh")), st.sets(st.sampled_from("abcdefgh"), min_size=1))
def test_every_call_is_in_both_missing_or_extra(ledger: set[str], listed: set[str]) -> None:
    """And in one of them alone."""
    compared = Reconciliation(pbx(**dict.fromkeys(sorted(listed), 60.0)), tolerance_seconds=5)
    for call_id in ledger:
        compared.add_call(live(call_id))
    found = compared.differences()
    assert {call.call_id for call in found.missing} == listed - ledger
    assert set(found.extra) == ledger - listed
