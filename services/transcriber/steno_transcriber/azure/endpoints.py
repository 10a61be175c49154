"""The endpoints of Azure Speech, as the operator names them. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, PlainSerializer
from pydantic_settings import NoDecode

_REGION = re.compile(r"[a-z][a-z0-9]{1,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An endpoint: a region of Azure, or the URL of a custom domain or of a container.

    `name` is what the operator wrote, for logs and metrics. `region` is empty for a URL.
    """

    name: str
    region: str
    url: str

    @property
    def host(self) -> str:
        """Host, with the port where there is one."""
        return urlsplit(self.url).netloc


def parse_endpoint(text: str) -> Endpoint:
    """Reads a region (`westeurope`) or a URL (`https://host`).

    Raises:
        ValueError: it is neither.
    """
    if _REGION.fullmatch(text):
        return Endpoint(name=text, region=text, url=f"https://{text}.api.cognitive.microsoft.com")
    parts = urlsplit(text)
    try:
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port
        has_host = False
    if parts.scheme not in ("http", "https") or not has_host or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"{text!r} is neither a region (westeurope) nor a URL (https://host)")
    url = text.rstrip("/")
    return Endpoint(name=url, region="", url=url)


def _parse(value: object) -> object:
    if not isinstance(value, str):
        return value
    endpoints = [parse_endpoint(part.strip()) for part in value.split(",") if part.strip()]
    if len({endpoint.url for endpoint in endpoints}) < len(endpoints):
        raise ValueError("an endpoint is named twice")
    return tuple(endpoints)


def _names(endpoints: Sequence[Endpoint]) -> list[str]:
    return [endpoint.name for endpoint in endpoints]


Endpoints = Annotated[tuple[Endpoint, ...], NoDecode, BeforeValidator(_parse), PlainSerializer(_names)]
"""The type of a setting that names endpoints, separated by commas."""
