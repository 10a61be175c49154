"""Metadata, file names: the small pure parts of ingest."""

import json
import re
from base64 import b64encode
from ipaddress import IPv6Address
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_ingest.errors import InvalidMetadata
from steno_ingest.openapi import document
from steno_ingest.recordings.intake import plain_suffix
from steno_ingest.recordings.metadata import Channel, Metadata, parse_link, parse_metadata
from steno_ingest.urls import url_pattern
from steno_ingest.webhooks import SECRET_PATTERN, make_secret

from steno.events.catalogue import RECORDINGS
from steno.events.codec import Codec
from steno.events.records import RecordingSubmitted, Role
from steno.events.schemas import ShippedSchemaIds

PRINTABLE_TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=128)
METADATA = st.builds(
    Metadata,
    call_id=st.none() | PRINTABLE_TEXTS,
    channels=st.lists(
        st.builds(Channel, channel=st.integers(0, 63), role=st.sampled_from(Role)), unique_by=lambda entry: entry.channel
    ).map(tuple),
    locale=st.sampled_from(["en-US", "de", "zh-Hant-TW"]),
    properties=st.dictionaries(PRINTABLE_TEXTS, st.text(st.characters(exclude_categories=["Cs"]), max_size=100), max_size=8),
)


@given(METADATA)
def test_valid_metadata_make_a_record(metadata: Metadata) -> None:
    """Whatever passes the checks of the door can be put onto the topic."""
    record = RecordingSubmitted(
        call_id=metadata.call_id or "made",
        url="https://host/",
        channels=metadata.roles(),
        locale=metadata.locale,
        properties=metadata.properties,
    )
    codec = Codec(ShippedSchemaIds())
    assert codec.decode(codec.encode(record)) == record
    assert RECORDINGS.key_of(record) == record.call_id


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(list(Metadata.model_fields)), inner),
    max_leaves=10,
)


@given(JSON)
def test_any_json_is_valid_or_refused_with_where(value: Any) -> None:
    """Metadata that are not valid are refused, and every fault has a place."""
    faults = []
    try:
        parse_metadata(json.dumps(value).encode())
    except InvalidMetadata as error:
        faults = list(error.faults)
    else:
        assert set(value) <= set(Metadata.model_fields)
    assert all(fault.where.startswith("metadata") and fault.problem for fault in faults)


@pytest.mark.parametrize(
    "url", ["https://a.example/x.wav", "http://10.0.0.1:8080/a?b=c%20d", "http://[::1]:80/a", "s3://bucket/key"]
)
def test_plain_urls_are_taken(url: str) -> None:
    """http(s) and object stores; what they lead to is another question."""
    assert parse_link(json.dumps({"url": url}).encode()).url == url


@given(st.ip_addresses(v=6), st.booleans(), st.integers(0, 65535))
def test_every_ipv6_address_and_port_is_taken(address: IPv6Address, whole: bool, port: int) -> None:
    """Written out or shortened; what is taken can be taken apart again."""
    host = address.exploded if whole else address.compressed
    if "." not in host:
        assert re.fullmatch(url_pattern("https?"), f"https://[{host}]:{port}/a")


@given(st.from_regex(url_pattern("https?"), fullmatch=True))
def test_what_is_taken_is_a_url(url: str) -> None:
    """A URL that matches has a host, no sign-in, and a port that there is."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.username is None
    assert parts.port is None or 0 <= parts.port <= 65535


SUFFIXES = {
    "a.WAV": ".wav",
    "a.tar.gz": ".gz",
    "a": "",
    "../a.wav/..": "",
    "a.w/v": "",
    "a.\\x.mp3": ".mp3",
    "a.ü": "",
    "": "",
}


@pytest.mark.parametrize(("name", "suffix"), SUFFIXES.items())
def test_only_plain_suffixes_are_kept(name: str, suffix: str) -> None:
    """A file name gives a suffix of a few letters, or none."""
    assert plain_suffix(name) == suffix


def test_secrets_are_as_standard_webhooks_has_them() -> None:
    """The base64 of 24 to 64 bytes, and of no other number, behind its prefix; no two made are the same."""
    assert make_secret() != make_secret()
    assert re.fullmatch(SECRET_PATTERN, make_secret())
    for count in range(100):
        secret = "whsec_" + b64encode(b"\xfb" * count).decode()
        assert bool(re.fullmatch(SECRET_PATTERN, secret)) == (24 <= count <= 64), count
    for text in ("", "whsec_", "A" * 32, "whsec_" + "A" * 33, "whsec_?" + "A" * 31):
        assert not re.fullmatch(SECRET_PATTERN, text)


def test_the_openapi_document_is_stable() -> None:
    """Two makings are the same, every reference in it resolves, and every error of it is a problem."""
    made = document()
    assert json.dumps(made, sort_keys=True) == json.dumps(document(), sort_keys=True)
    schemas = made["components"]["schemas"]
    for reference in _references(made):
        assert reference.removeprefix("#/components/schemas/") in schemas, reference
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            assert "401" in operation["responses"], (path, method)
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert list(response["content"]) == ["application/problem+json"], (path, method, status)


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for value in node.values() for found in _references(value)]
    return [found for value in node for found in _references(value)] if isinstance(node, list) else []
