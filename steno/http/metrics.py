"""The metrics of HTTP servers: what each is, and what a rise means."""

from prometheus_client import Counter, Gauge

REFUSALS = Counter(
    "steno_http_refusals",
    "Requests refused before their service saw them: no or a wrong key, a body or head too large, a rate used up.",
    ["kind"],
)
CONNECTIONS = Gauge(
    "steno_http_connections", "Connections that are open now: of strangers, and of who has shown a key.", ["who"]
)
CLOSED = Counter(
    "steno_http_connections_closed",
    "Connections closed by the service: too slow, idle, or the oldest silent one where there were too many.",
    ["why"],
)
