"""What the shell completes: topics of the catalogue, error classes, services, record names."""

from collections.abc import Iterator

from steno.cli.dead_letter_advice import ADVICE
from steno.events.catalogue import catalogue
from steno.settings import SERVICES


def topics(incomplete: str) -> Iterator[tuple[str, str]]:
    """Names of topics, each with what is in it."""
    return ((name, topic.description) for name, topic in catalogue().items() if name.startswith(incomplete))


def records(incomplete: str) -> Iterator[str]:
    """Names of records."""
    names = {record for topic in catalogue().values() for record in topic.records}
    return (name for name in sorted(names) if name.startswith(incomplete))


def error_classes(incomplete: str) -> Iterator[str]:
    """Error classes of dead letters."""
    return (name for name in sorted(ADVICE) if name.startswith(incomplete))


def services(incomplete: str) -> Iterator[str]:
    """Names of services."""
    return (name for name in SERVICES if name.startswith(incomplete))
