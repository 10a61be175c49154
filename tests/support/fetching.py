"""Helpers for tests of fetching recordings."""

from ipaddress import ip_network

from steno_transcriber.fetch.fetcher import Fetcher, FetchLimits

AUDIO = bytes(range(256)) * 4096
LOOPBACK = ip_network("127.0.0.0/8")
LIMITS = FetchLimits(
    max_bytes=2 * len(AUDIO), connect_seconds=2, read_seconds=0.3, total_seconds=20, attempts=3, give_up_seconds=60
)


async def fetched(fetcher: Fetcher, url: str, *, sha256: str = "") -> bytes:
    async with fetcher.fetch(url, sha256=sha256) as audio:
        return audio.path.read_bytes()
