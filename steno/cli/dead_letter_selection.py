"""The options of `steno dead-letters` that select letters."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer

from steno.cli import completions
from steno.cli.terminal import bad_parameter
from steno.cli.times import parse_moment
from steno.kafka import Letter, parse_id

Classes = Annotated[
    list[str] | None,
    typer.Option("--class", help="Only letters of this error class.", autocompletion=completions.error_classes),
]
Origins = Annotated[
    list[str] | None,
    typer.Option(
        "--origin", help="Only letters from this topic, with or without the prefix.", autocompletion=completions.topics
    ),
]
Services = Annotated[
    list[str] | None,
    typer.Option("--service", help="Only letters that this service gave up.", autocompletion=completions.services),
]
Since = Annotated[str | None, typer.Option(metavar="TIME", help="Only letters since then: 2027-01-31T12:00Z, or -2h.")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Which letters a command is about; empty collections select all."""

    classes: Collection[str] = ()
    origins: Collection[str] = ()
    services: Collection[str] = ()
    since: datetime | None = None
    ids: Collection[tuple[int, int]] = ()

    @property
    def is_everything(self) -> bool:
        """Whether it selects all letters."""
        return not (self.classes or self.origins or self.services or self.since or self.ids)

    def takes(self, letter: Letter, prefix: str) -> bool:
        """Whether it selects a letter; `prefix` is that of the topics' names."""
        return (
            (not self.classes or letter.error_class in self.classes)
            and (not self.origins or bool({letter.origin_topic, letter.origin_topic.removeprefix(prefix)} & {*self.origins}))
            and (not self.services or letter.service in self.services)
            and (self.since is None or letter.timestamp_ms >= self.since.timestamp() * 1000)
            and (not self.ids or (letter.partition, letter.offset) in self.ids)
        )


def selection(
    classes: list[str] | None,
    origins: list[str] | None,
    services: list[str] | None,
    since: str | None,
    ids: list[str] | None = None,
) -> Selection:
    """Makes the selection of the options of a command. Raises `BadParameter`."""
    try:
        return Selection(
            classes=frozenset(classes or ()),
            origins=frozenset(origins or ()),
            services=frozenset(services or ()),
            since=None if since is None else parse_moment(since, now=datetime.now(UTC)),
            ids=frozenset(map(parse_id, ids or ())),
        )
    except ValueError as error:
        raise bad_parameter(error) from None
