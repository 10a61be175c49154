"""The metrics of HTTP servers, with their meanings."""

from importlib.metadata import version

from prometheus_client import Counter, Gauge, Info

VERSION = Info("steno_build", "The version of Steno, as label `version`; all services of an installation have the same.")
VERSION.info({"version": version("steno")})
REFUSALS = Counter(
    "steno_http_refusals",
    "Requests refused before they reached a route: no key or a wrong one, a body or head too large, a rate limit reached.",
    ["kind"],
)
CONNECTIONS = Gauge(
    "steno_http_connections",
    "Open connections: `authenticated` have shown a valid key or another proof of identity, `unauthenticated` have not (yet).",
    ["who"],
)
CLOSED = Counter(
    "steno_http_connections_closed",
    "Connections that the service closed: too slow (`slow_…`), failed in the TLS handshake (`handshake`), or too many "
    "(`made_room`: an old one for a new one; `full`: the new one).",
    ["why"],
)
