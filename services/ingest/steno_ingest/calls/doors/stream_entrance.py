"""Lets peers of Steno's own protocol in."""

from steno.http.auth import ApiKeys, presented_key
from steno_ingest.calls.doors.port import Door, DoorFactory, Upgrade, UpgradeRefused
from steno_ingest.calls.doors.stream import StreamDoor


def stream_door(keys: ApiKeys) -> DoorFactory:
    """Makes doors for peers that bring an API key."""

    def make(upgrade: Upgrade) -> Door:
        key = presented_key(upgrade.headers)
        if key is None or keys.verify(key) is None:
            raise UpgradeRefused(
                401,
                "no API key was sent; send one as `Authorization: Bearer KEY` or `X-Api-Key: KEY`"
                if key is None
                else "the API key is not one of this service; ask its operator for one",
            )
        return StreamDoor()

    return make
