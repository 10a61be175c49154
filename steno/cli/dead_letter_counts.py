"""Counts dead letters by error class, origin and service."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from steno.cli.dead_letter_advice import advice_for
from steno.cli.terminal import notes
from steno.kafka import Letter, LetterTopic

_REPORT_EVERY = 500


@dataclass(kw_only=True, slots=True)
class LetterGroup:
    """The letters of one error class, origin and service, counted."""

    letters: int = 0
    #: How many of them were sent back to their origin.
    redriven: int = 0
    #: How many of them failed again after they had been sent back.
    came_again: int = 0
    first: datetime
    last: datetime


class LetterCounts:
    """The letters of a selection by error class, origin and service, and the newest of them."""

    def __init__(self, newest: int = 0) -> None:
        self.groups: dict[tuple[str, str, str], LetterGroup] = {}
        self._most = newest
        self._newest: list[tuple[int, int, int, Letter]] = []

    def add(self, letter: Letter, *, redriven: bool) -> None:
        """Counts a letter."""
        group = self.groups.setdefault(
            (letter.error_class, letter.origin_topic, letter.service), LetterGroup(first=letter.at, last=letter.at)
        )
        group.letters += 1
        group.redriven += redriven
        group.came_again += bool(letter.redrives)
        group.first, group.last = min(group.first, letter.at), max(group.last, letter.at)
        if self._most:
            add = heapq.heappush if len(self._newest) < self._most else heapq.heappushpop
            add(self._newest, (letter.timestamp_ms, letter.partition, letter.offset, letter))

    @property
    def newest(self) -> list[Letter]:
        """The newest letters, the newest first."""
        return [entry[-1] for entry in sorted(self._newest, reverse=True)]

    @property
    def total(self) -> int:
        """All letters that were counted."""
        return sum(group.letters for group in self.groups.values())

    def rows(self) -> list[tuple[object, ...]]:
        """The groups as rows of a table, the largest first."""
        ordered = sorted(self.groups.items(), key=lambda entry: (-entry[1].letters, entry[0]))
        return [
            (*name, group.letters, group.redriven, group.came_again, f"{group.first:%m-%d %H:%M}", f"{group.last:%m-%d %H:%M}")
            for name, group in ordered
        ]

    def document(self) -> list[dict[str, Any]]:
        """The groups for scripts."""
        return [
            {
                "error_class": error_class,
                "origin_topic": origin,
                "service": service,
                "letters": group.letters,
                "redriven": group.redriven,
                "came_again": group.came_again,
                "first": group.first.isoformat(),
                "last": group.last.isoformat(),
                "advice": advice_for(error_class).do,
            }
            for (error_class, origin, service), group in self.groups.items()
        ]


COLUMNS = ("error class", "origin", "service", "letters", "sent", "again", "first", "last")
"""Of a table of groups: `sent` were sent back, `again` failed after that."""


async def count_letters(letters: LetterTopic, takes: Callable[[Letter], bool], *, newest: int = 0) -> LetterCounts:
    """Counts the letters that a function selects, with a progress bar on a terminal."""
    counts, seen = LetterCounts(newest), 0
    with letter_progress() as progress:
        task = progress.add_task("reading", total=letters.total)
        async for letter in letters.letters():
            seen += 1
            if seen % _REPORT_EVERY == 0:
                progress.update(task, completed=seen)
            if takes(letter):
                counts.add(letter, redriven=letters.was_redriven(letter))
    return counts


def letter_progress() -> Progress:
    """A progress bar over letters, on standard error."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    return notes.progress(*columns, transient=True)


def moment_text(at: datetime) -> str:
    """A time for the terminal, in UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S}"
