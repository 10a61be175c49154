"""Authenticates peers of Steno's own protocol by their API keys. Not pure: it reads the keys of the API."""

from steno.http.auth import ApiKeys, presented_key
from steno_ingest.calls.doors.http_entrance import DoorFactory, Upgrade, UpgradeRefused
from steno_ingest.calls.doors.port import AcceptedPeer
from steno_ingest.calls.doors.stream import StreamDoor


def stream_door(keys: ApiKeys) -> DoorFactory:
    """Returns a factory that makes doors for peers with a valid API key."""

    def make(upgrade: Upgrade) -> AcceptedPeer:
        key = presented_key(upgrade.headers)
        caller = None if key is None else keys.verify(key)
        if caller is None:
            raise UpgradeRefused(
                401,
                "no API key was sent; send one as `Authorization: Bearer KEY` or `X-Api-Key: KEY`"
                if key is None
                else "the API key is not valid for this service; ask its operator for one",
            )
        return AcceptedPeer(door=StreamDoor(), caller=caller, holds=lambda: keys.holds(caller))

    return make
