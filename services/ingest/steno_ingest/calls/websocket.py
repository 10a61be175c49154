"""The one server around the doors: a WebSocket endpoint for each protocol."""

from collections.abc import Mapping

from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from steno_ingest.calls.doors.port import DoorFactory, Upgrade


class CallServer:
    """Takes connections at the paths of its table, and runs a door for each."""

    def __init__(self, doors: Mapping[str, DoorFactory]) -> None:
        """
        Args:
            doors: The table of the doors, by path: `{"/v1/stream": …, "/v1/audiohook": …, "/v1/twilio": …}`.
        """
        self._doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs one connection from its upgrade to its end (ASGI)."""
        raise NotImplementedError


def upgrade_of(scope: Scope) -> Upgrade:
    """The request that asked for a WebSocket, as doors see it."""
    connection = HTTPConnection(scope)
    headers = {name: ", ".join(connection.headers.getlist(name)) for name in connection.headers}
    return Upgrade(
        method="GET",
        path=scope.get("raw_path", scope["path"].encode()).decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        host=headers.get("host", ""),
        client=connection.client.host if connection.client is not None else "",
    )
