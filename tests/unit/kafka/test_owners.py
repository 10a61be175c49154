"""Each topic that services read as groups has one of them that puts aside what is no record of it."""

import steno_ingest.service
import steno_notifier.service
from steno_enricher.faust_app import SOURCES

from steno.events.catalogue import CALL_AUDIO, RECORDINGS, catalogue

READERS = {
    "ingest": {*steno_ingest.service.CONSUMED, CALL_AUDIO},
    "transcriber": {RECORDINGS, CALL_AUDIO},
    "enricher": {*SOURCES},
    "notifier": {*steno_notifier.service.CONSUMED},
}


def test_each_topic_that_is_read_as_a_group_has_one_owner() -> None:
    """It is one of those that read it; what nobody reads so has none."""
    for topic in catalogue().values():
        readers = {service for service, topics in READERS.items() if topic in topics}
        assert topic.bad_records_to in (readers or {""}), topic.name
