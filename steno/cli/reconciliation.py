"""Compares the calls of a PBX with those of the ledger: missing, extra, too short. Pure.

The ledger's entries are added newest first, as its lists give them, and only what may be reported is kept.

A live call is extra if it began between the first and the last start of the PBX's calls and the PBX does not have it. When the
call of an uploaded recording began is not known, and recordings are uploaded at any time after their calls. So one is extra if
it was accepted between the first and the last recording of a call that the PBX does have.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from steno.cli.call_lists import CallList, ListedCall


@dataclass(frozen=True, kw_only=True, slots=True)
class ShortCall:
    """A call whose audio in the ledger is shorter than the call was."""

    call: ListedCall
    #: The length of the longest audio of the call that the ledger has.
    ledger_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Differences:
    """What the PBX and the ledger do not agree on."""

    #: Calls that the ledger does not have.
    missing: list[ListedCall]
    #: Ids of calls that the PBX does not have, and when they began or were accepted.
    extra: dict[str, str]
    too_short: list[ShortCall]
    #: Calls of both whose length the ledger does not know: not ended yet, or failed.
    unmeasured: int


class Reconciliation:
    """Takes the entries of the ledger one by one."""

    def __init__(self, listed: CallList, *, tolerance_seconds: float) -> None:
        self._listed = listed
        self._tolerance = tolerance_seconds
        starts = [call.started_at for call in listed.calls.values()]
        self._first, self._last = min(starts), max(starts)
        #: The longest audio of each call that was found; None where none is known.
        self._found: dict[str, float | None] = {}
        self._extra: dict[str, str] = {}
        #: Recordings of unknown calls since the last one of a known call: extra only if another of a known call follows.
        self._undecided: dict[str, str] = {}
        self._matched_recording = False

    def add_call(self, entry: Mapping[str, Any]) -> None:
        """Adds a live call as `GET /v1/calls` lists it."""
        call_id, began = entry["call_id"], datetime.fromisoformat(entry["started_at"])
        if call_id in self._listed.calls:
            self._measure(call_id, entry["heard_ms"] if entry["ended_at"] is not None else None)
        elif self._first <= began <= self._last:
            self._extra[call_id] = entry["started_at"]

    def add_recording(self, entry: Mapping[str, Any]) -> None:
        """Adds a recording as `GET /v1/recordings` lists it."""
        call_id = entry["call_id"]
        if call_id in self._listed.calls:
            self._measure(call_id, entry["duration_ms"])
            if entry["door"] != "call":
                self._matched_recording = True
                self._extra |= self._undecided
                self._undecided.clear()
        elif self._matched_recording and entry["door"] != "call":
            self._undecided[call_id] = entry["accepted_at"]

    def differences(self) -> Differences:
        """What was found, once all entries were added."""
        listed = self._listed.calls
        short = [
            ShortCall(call=listed[call_id], ledger_seconds=seconds)
            for call_id, seconds in self._found.items()
            if seconds is not None and seconds < listed[call_id].seconds - self._tolerance
        ]
        return Differences(
            missing=[call for call_id, call in listed.items() if call_id not in self._found],
            extra=self._extra,
            too_short=sorted(short, key=lambda entry: entry.call.line),
            unmeasured=sum(seconds is None for seconds in self._found.values()),
        )

    def _measure(self, call_id: str, milliseconds: int | None) -> None:
        known = self._found.get(call_id)
        seconds = None if milliseconds is None else milliseconds / 1000
        self._found[call_id] = (
            max(known, seconds) if known is not None and seconds is not None else known if seconds is None else seconds
        )
