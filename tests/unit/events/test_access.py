"""The access of each service is what the catalogue says, and what the services do."""

import pytest
import steno_ingest.service
import steno_notifier.service
from steno_enricher.faust_app import SOURCES
from steno_notifier.caption_streams import FOLLOWED

from steno.events.access import OUTSIDE, Rule, access_of
from steno.events.catalogue import (
    CALL_AUDIO,
    CALL_CHECKPOINTS,
    ENRICHER_CHANGELOG,
    HYPOTHESES,
    RECORDINGS,
    WEBHOOKS,
    catalogue,
    groups,
)
from steno.settings import SERVICES

READ = {
    "ingest": {*steno_ingest.service.CONSUMED, *steno_ingest.service.FOLLOWED, CALL_AUDIO},
    "transcriber": {RECORDINGS, CALL_AUDIO, CALL_CHECKPOINTS},
    "enricher": {*SOURCES, ENRICHER_CHANGELOG},
    "notifier": {*steno_notifier.service.CONSUMED, *FOLLOWED, WEBHOOKS},
}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_may_read_what_it_reads(service: str) -> None:
    """Nothing is missing, and nothing is allowed that it does not need."""
    assert set(access_of(service).reads) == READ[service]


def test_every_name_in_the_catalogue_is_a_service_or_a_system_outside() -> None:
    """A misspelt name would be an access that nobody has."""
    for topic in catalogue().values():
        assert {*topic.written_by, *topic.read_by} <= {*SERVICES, *OUTSIDE}, topic.name
        assert topic.written_by, topic.name
    assert set(groups().values()) == set(SERVICES)


def test_a_service_creates_and_a_system_outside_does_not() -> None:
    """Each rule has the full name and the least operations."""
    rules = {(rule.resource, rule.name): rule.operations for rule in access_of("transcriber").rules("acme.")}
    assert rules["Topic", "acme.recordings"] == ("Read", "Create", "Describe")
    assert rules["Topic", "acme.phrases"] == ("Write", "Create", "Describe")
    assert rules["Topic", "acme.call-checkpoints"] == ("Read", "Write", "Create", "Describe")
    assert rules["Group", "acme.transcriber-live"] == ("Read", "Describe")
    assert ("Topic", "acme.webhooks") not in rules
    assert Rule(resource="Topic", name="acme.recordings", operations=("Write", "Describe")) in access_of("upstream").rules(
        "acme."
    )
    assert HYPOTHESES in access_of("downstream").reads
