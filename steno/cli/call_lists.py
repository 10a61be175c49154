"""Reads lists of calls from a PBX: CSV as spreadsheets and telephone systems write it. Pure.

The separator (comma, semicolon, tab, bar) is found by itself, a byte order mark is left out, and columns are found by their
names. A row that cannot be read is named by its line and does not stop the others.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

_SEPARATORS = ",;\t|"
_CLOCK = re.compile(r"(?:(\d{1,4}):)?(\d{1,4}):(\d{1,2}(?:\.\d+)?)")
_LONGEST_SECONDS = 100 * 86_400
_LONGEST_ID = 256


class NotACallList(ValueError):
    """The file has no header with the columns; the message is for a person."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """The names of the columns, in whatever case."""

    id: str = "call_id"
    start: str = "started_at"
    duration: str = "duration"


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedCall:
    """A call as the PBX has it."""

    call_id: str
    started_at: datetime
    seconds: float
    #: Its line in the file, from 1.
    line: int

    @property
    def ended_at(self) -> datetime:
        """When it ended."""
        return self.started_at + timedelta(seconds=self.seconds)


@dataclass(kw_only=True, slots=True)
class CallList:
    """The calls of a file by id, and its bad rows."""

    calls: dict[str, ListedCall] = field(default_factory=dict)
    #: The line of each bad row, and what is wrong with it.
    faults: dict[int, str] = field(default_factory=dict)

    @property
    def span(self) -> tuple[datetime, datetime]:
        """From the first start to the last end of a call; there must be one."""
        calls = self.calls.values()
        return min(call.started_at for call in calls), max(call.ended_at for call in calls)


def read_call_list(lines: Iterable[str], columns: Columns) -> CallList:
    """Reads the lines of a file, whose first one with text is the header.

    Raises:
        NotACallList: a column is not in the header.
    """
    found, rows = CallList(), _Numbered(lines)
    header = next((line for line in rows if line.strip()), "").removeprefix("\ufeff")
    separator = max(_SEPARATORS, key=header.count)
    names = [name.strip().lower() for name in next(csv.reader([header], delimiter=separator), [])]
    places = [_place(names, name, option) for name, option in _options(columns)]
    reader = csv.reader(rows, delimiter=separator, strict=True)
    while True:
        try:
            row = next(reader)
            if any(cell.strip() for cell in row):
                call = _call(row, places, rows.number)
                if (first := found.calls.setdefault(call.call_id, call)) is not call:
                    raise ValueError(f"call {call.call_id:.100} is on line {first.line} already")
        except StopIteration:
            return found
        except (ValueError, csv.Error) as error:
            found.faults[rows.number] = str(error)


class _Numbered:
    """Lines without NUL characters, which csv does not read, counted from 1."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.number += 1
        return line.replace("\0", "")


def _options(columns: Columns) -> tuple[tuple[str, str], ...]:
    return (columns.id, "--id-column"), (columns.start, "--start-column"), (columns.duration, "--duration-column")


def _place(names: list[str], name: str, option: str) -> int:
    try:
        return names.index(name.strip().lower())
    except ValueError:
        has = ", ".join(names) if any(names) else "none"
        raise NotACallList(
            f"there is no column {name} in its first line; name it by {option}. Its columns: {has:.500}"
        ) from None


def _call(row: list[str], places: list[int], line: int) -> ListedCall:
    cells = [row[place].strip() if place < len(row) else "" for place in places]
    call_id, start, duration = cells
    if not call_id or len(call_id) > _LONGEST_ID:
        raise ValueError(f"the call id {call_id[:40]!r} has {len(call_id)} characters; it must have 1 to {_LONGEST_ID}")
    return ListedCall(call_id=call_id, started_at=_moment(start), seconds=_seconds(duration), line=line)


def _moment(text: str) -> datetime:
    try:
        if re.fullmatch(r"\d{9,11}(\.\d+)?", text):
            return datetime.fromtimestamp(float(text), UTC)
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        if moment.year < 1971 or moment.year > 9990:
            raise ValueError
        return moment
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"the start {text[:40]!r} is not a time such as 2027-01-31T12:00:00Z or 2027-01-31 12:00:00") from None


def _seconds(text: str) -> float:
    try:
        if clock := _CLOCK.fullmatch(text):
            seconds = int(clock[1] or 0) * 3600 + int(clock[2]) * 60 + float(clock[3])
        else:
            seconds = float(text.replace(",", "."))
        if 0 <= seconds <= _LONGEST_SECONDS:
            return seconds
    except ValueError:
        pass
    raise ValueError(f"the duration {text[:40]!r} is not a number of seconds, or H:MM:SS")
