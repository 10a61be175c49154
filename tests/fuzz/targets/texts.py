"""What comes in by REST, by file and by answer: documents, cursors, names, URLs, dates."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from random import Random
from typing import Any
from urllib.parse import urlsplit

from fuzz.inputs import MOMENTS, TEXTS, changed, integer, json_bytes, mutated, sometimes, text
from fuzz.target import Target
from pydantic import TypeAdapter, ValidationError
from steno_ingest.errors import InvalidMetadata
from steno_ingest.recordings import watched_folder
from steno_ingest.recordings.folder_contents import SettleTracker, Stamp, complete_recordings
from steno_ingest.recordings.metadata import Link, Metadata, parse_link, parse_metadata
from steno_ingest.rest.forms import Form
from steno_ingest.rest.recordings import Moment
from steno_notifier.captions import Cursor
from steno_notifier.schedule import parse_retry_after
from steno_transcriber.fetch import fetcher as fetch
from steno_transcriber.fetch.errors import UnsupportedUrl

from steno import paging
from steno.http.client import is_public
from steno.http.problems import ApiProblem

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)

METADATA: dict[str, Any] = {
    "call_id": "call-1",
    "channels": [{"channel": 0, "role": "agent"}, {"channel": 1, "role": "customer"}],
    "locale": "en-GB",
    "properties": {"queue": "sales", "agent": "Ann"},
}
_URLS = (
    "https://recordings.example/a.wav?sig=x%2Fy",
    "s3://bucket/a.wav",
    "http://127.0.0.1/",
    "http://[::1]:80/x",
    "http://0x7f.1/",
    "http://2130706433/",
    "http://user:pass@host/",
    "http://host:99999/",
    "http://[fe80::1%25eth0]/",
    "http://[::",
    "file:///etc/passwd",
    "file:////STORE//abs/path",
    "//host/path",
    "http://xn--a.example/",
    "http://例え.example/",
)


_REFUSED = (
    "http://host:99999/a",
    "http://[::1]:x/",
    "http://a\ufffdb/",
    "http://a\\b[::1]/",
    "http://u:pass@",
    "http://[::1]\0@",
)
"""What the parsers of URLs refuse with errors of their own."""


def _document(chance: Random, document: Any) -> bytes:
    return json_bytes(chance, sometimes(chance, 0.8, changed, document))


def metadata(content: bytes) -> None:
    """What is taken can be kept: it is text, and as small as it is said to be."""
    found = parse_metadata(content)
    assert found.call_id is None or 1 <= len(found.call_id) <= 256
    assert sum(len(name) + len(value) for name, value in found.properties.items()) < 200_000
    found.model_dump_json().encode()
    found.roles()


def url(chance: Random) -> str:
    """A URL, or nearly."""
    made = chance.choice(_URLS)
    return chance.choice(
        (made, made + text(chance), mutated(chance, made.encode(), most=3).decode("utf-8", "replace"), text(chance))
    )


def link(content: bytes) -> None:
    """A link that is taken is a URL to whoever fetches it, with no user in it."""
    found: Link = parse_link(content)
    parts = urlsplit(found.url)
    assert parts.username is None
    assert parts.password is None
    assert parts.hostname
    assert parts.port is None or 0 <= parts.port <= 65_535
    assert "@" not in fetch.redact(found.url).partition("?")[0].partition("://")[2].partition("/")[0]


def fetched_url(given: str) -> None:
    """A URL from a topic is named and shown without what is secret in it."""
    fetch._name(given)
    shown = fetch.redact(given)
    assert "@" not in shown.partition("://")[2].partition("/")[0]
    fetch._target(given)


def address(chance: Random) -> str:
    """An address as a resolver gives it."""
    if chance.random() < 0.4:
        return str(IPv4Address(chance.getrandbits(32)))
    bits = chance.choice(
        (
            chance.getrandbits(128),
            chance.getrandbits(32),
            0xFFFF << 32 | chance.getrandbits(32),
            0x2002 << 112 | chance.getrandbits(112),
        )
    )
    zone = chance.choice(("", "", "%eth0", "%1"))
    return str(IPv6Address(bits)) + zone


_OUTSIDE_6 = 0b001


def guard(host: str) -> None:
    """Of IPv6, what is global unicast alone is public (IANA: 2000::/3); and nothing that an IPv4 address inside hides in."""
    if not is_public(host):
        return
    address = ip_address(host.partition("%")[0])
    assert not address.is_private, host
    assert not address.is_multicast, host
    assert not address.is_loopback, host
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        assert int(address) >> 125 == _OUTSIDE_6, f"{host} is not of 2000::/3"


def cursor(chance: Random) -> str:
    """A cursor that a list gave out, or nearly."""
    made = paging.encode(paging.Position(at=NOW, id="recording-1"))
    match chance.randrange(5):
        case 0:
            return made
        case 1:
            microseconds = chance.choice((integer(chance), 1.5, True))
            inside = json.dumps([microseconds, chance.choice((text(chance), "\ud800", "a\0", 1, None))])
            return base64.urlsafe_b64encode(inside.encode("utf-8", "surrogatepass")).decode().rstrip("=")
        case 2:
            return mutated(chance, made.encode(), most=3).decode("utf-8", "replace")
        case _:
            return text(chance)


def read_cursor(given: str) -> None:
    """What a cursor says can be asked of a database: a moment that it holds, and text that it keeps."""
    found = paging.decode(given)
    found.id.encode()
    assert "\0" not in found.id
    paging.decode(paging.encode(found))
    found.at.astimezone(UTC)


def caption_id(chance: Random) -> str:
    """The id of a caption, or nearly."""
    made = "-".join(str(abs(integer(chance))) for _ in range(chance.choice((3, 4, 5, 40, 210)))) + chance.choice(("", "-end"))
    return chance.choice((made, made, mutated(chance, made.encode(), most=2).decode("latin-1"), text(chance)))


def read_caption_id(given: str) -> None:
    """A place in the stream of captions is one again."""
    found = Cursor.parse(given)
    assert Cursor.parse(str(found)) == found
    after = found.with_phrase(found.next_sequence)
    assert len(after.early) <= 200
    Cursor.parse(str(after))


def moment(chance: Random) -> str:
    """A date of a query."""
    return chance.choice((chance.choice(MOMENTS), str(integer(chance)), text(chance)))


def read_moment(given: str) -> None:
    """A date that REST takes is one that a database takes."""
    found = TypeAdapter(Moment).validate_python(given)
    found.astimezone(UTC)


def retry_after(chance: Random) -> tuple[int, str]:
    """What a receiver asks for."""
    asked = chance.choice((
        str(integer(chance)), text(chance), "Fri, 31 Dec 9999 23:59:59 -2359", "Fri, 31 Dec 0000 23:59:59 GMT",
        "Mon, 1 Jan 1 00:00:00 +2359", "Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 99 Oct 2026 99:99:99 +9999", "21 Oct 26 1:1",
    ))  # fmt: skip
    return chance.choice((429, 503, 500)), asked


def read_retry_after(given: tuple[int, str]) -> None:
    """Nobody is left alone for longer than a day, nor for less than no time."""
    status, header = given
    found = parse_retry_after(status, header, now=NOW)
    assert found is None or timedelta() <= found <= timedelta(days=1)


_BOUNDARY = "----b0undary"


def form(chance: Random) -> tuple[str, list[bytes]]:
    """A multipart body in pieces."""
    parts = [("file", "a.wav", chance.randbytes(200)), ("metadata", "", json.dumps(METADATA).encode())]
    if chance.random() < 0.2:
        parts = [(text(chance), text(chance), b"x")] * chance.choice((1, 5, 17, 400))
    body = b""
    for name, file_name, content in parts:
        head = f'Content-Disposition: form-data; name="{name}"' + (f'; filename="{file_name}"' if file_name else "")
        head += "\r\nX-More: " + "y" * chance.choice((0, 0, 0, 9000)) if chance.random() < 0.1 else ""
        body += f"--{_BOUNDARY}\r\n{head}\r\n\r\n".encode("utf-8", "surrogatepass") + content + b"\r\n"
    body += f"--{_BOUNDARY}--\r\n".encode()
    if chance.random() < 0.6:
        body = mutated(chance, body)
    size = chance.choice((1, 7, 64, 4096)) if len(body) < 4096 else 4096
    content_type = chance.choice((
        f"multipart/form-data; boundary={_BOUNDARY}", f"multipart/form-data; boundary={_BOUNDARY}",
        f'multipart/form-data; boundary="{_BOUNDARY}"', "multipart/form-data", "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "b" * 300, f"multipart/form-data; {_latin(chance)}",
    ))  # fmt: skip
    return content_type, [body[start : start + size] for start in range(0, len(body), size)]


def _latin(chance: Random) -> str:
    """As headers are read."""
    return text(chance).encode("utf-8", "replace").decode("latin-1")


def read_form(given: tuple[str, list[bytes]]) -> None:
    """What is read of a form is no more than came."""
    content_type, pieces = given
    asyncio.run(_read_form(content_type, pieces))


async def _read_form(content_type: str, pieces: list[bytes]) -> None:
    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    read = 0
    async for part in Form(content_type, body()).parts():
        part.name.encode()
        part.file_name.encode()
        async for piece in part.pieces:
            read += len(piece)
    assert read <= sum(map(len, pieces))


def sidecar_name(chance: Random) -> str:
    """A name of a file as a file system has it: any bytes but two."""
    name = chance.choice((*(entry[:80] for entry in TEXTS), "a.wav", ".json", "a.JSON", "..", ".x", "a" * 250))
    raw = (
        mutated(chance, name.encode("utf-8", "surrogatepass"))
        if chance.random() < 0.5
        else name.encode("utf-8", "surrogatepass")
    )
    return raw.replace(b"\0", b"").replace(b"/", b"")[:250].decode("utf-8", "surrogateescape")


def take_name(name: str) -> None:
    """A file is taken under a call id that can be kept, or refused."""
    if not name or name in (".", ".."):
        return
    settled = SettleTracker(0.0)
    stamps = {name: Stamp(7, 3, 5), f"{name}.wav": Stamp(8, 3, 5)}
    settled.settled(stamps, 0.0)
    for dropped in complete_recordings(stamps, settled.settled(stamps, 1.0)):
        found = watched_folder._with_call_id(Metadata(), dropped.audio)
        assert found.call_id
        found.call_id.encode()


_OWN_METADATA = (InvalidMetadata,)

TARGETS = (
    Target(name="metadata", make=lambda chance: _document(chance, METADATA), put=metadata, own=_OWN_METADATA),
    Target(name="links", make=lambda chance: _document(chance, METADATA | {"url": url(chance)}), put=link, own=_OWN_METADATA),
    Target(name="fetched_urls", make=url, put=fetched_url, own=(UnsupportedUrl,), known=_REFUSED),
    Target(name="addresses", make=address, put=guard),
    Target(name="list_cursors", make=cursor, put=read_cursor, own=(ValueError,), known=("WzksIlx1ZDgwMCJd",)),
    Target(name="caption_ids", make=caption_id, put=read_caption_id, own=(ValueError,)),
    Target(name="moments", make=moment, put=read_moment, own=(ValidationError,), known=MOMENTS),
    Target(name="retry_after", make=retry_after, put=read_retry_after),
    Target(name="forms", make=form, put=read_form, own=(ApiProblem,)),
    Target(name="folder_names", make=sidecar_name, put=take_name, own=_OWN_METADATA),
)
