"""Recognises the variables that Kubernetes sets in every container for each Service of its namespace (service links). Pure.

A Service called `steno-notifier` gives `STENO_NOTIFIER_PORT=tcp://10.0.0.1:8080` and a handful of others, which look like
settings of Steno and are none. Name and value together tell them apart: no setting ever has such a value.

Source: Kubernetes documentation, "Service", environment variables (`enableServiceLinks`).
"""

import re
from collections.abc import Mapping
from ipaddress import ip_address

_URL = re.compile(r"(?:tcp|udp|sctp)://(\[[^\]]+\]|[^:/]+):(\d+)")


def service_links(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that stand for Services, each with what its Service is called."""
    found = {name: _service(name, value) for name, value in environment.items() if name.startswith("STENO_")}
    return {name: service for name, service in found.items() if service}


def _service(name: str, value: str) -> str:
    """The Service that a variable stands for; empty where it stands for none."""
    for pattern, fits in _SHAPES:
        if (match := pattern.fullmatch(name)) and fits(value):
            return match[1].lower().replace("_", "-")
    return ""


def _is_address(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


def _is_port(value: str) -> bool:
    return re.fullmatch("[0-9]{1,5}", value) is not None and 0 < int(value) < 65536


def _is_protocol(value: str) -> bool:
    return value in ("tcp", "udp", "sctp")


def _is_url(value: str) -> bool:
    match = _URL.fullmatch(value)
    return match is not None and _is_address(match[1].strip("[]")) and _is_port(match[2])


_OF_A_PORT = "_PORT_[0-9]+_(?:TCP|UDP|SCTP)"
_SHAPES = tuple(
    (re.compile(rf"(STENO(?:_[A-Z0-9]+)*?){suffix}"), fits)
    for suffix, fits in (
        ("_SERVICE_HOST", _is_address),
        ("_SERVICE_PORT(?:_[A-Z0-9_]+)?", _is_port),
        ("_PORT", _is_url),
        (_OF_A_PORT, _is_url),
        (f"{_OF_A_PORT}_PROTO", _is_protocol),
        (f"{_OF_A_PORT}_PORT", _is_port),
        (f"{_OF_A_PORT}_ADDR", _is_address),
    )
)
