"""An HTTP client that calls public addresses and allowed networks only, whatever URL it is given.

The check is made on the very addresses that are about to be connected to, after the name was resolved and for every redirect,
so neither a name that changes its address nor a literal in odd notation gets through. Of a name that has addresses on both
sides, those inside count for nothing. What was resolved stands in the log, for the operator; whoever gave the URL is not told.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, cast

import aiohttp
import structlog
from aiohttp.abc import AbstractResolver, ResolveResult

from steno.errors import Permanent
from steno.http.addresses import Network, address, is_public, parse_networks, within

__all__ = ["ForbiddenAddress", "Network", "guarded_session", "is_public", "parse_networks"]

log = structlog.get_logger("steno.http.client")

NAMES_AT_ONCE = 32


class ForbiddenAddress(Permanent):
    """A URL leads to an address inside, which nobody outside may make us call."""

    error_class = "forbidden_address"

    def __init__(self) -> None:
        super().__init__(
            "the URL leads to what is not a public address; to allow it, add its network to the service's allowed networks"
        )


class _NameThreads:
    """Looks names up in threads of their own: the name server of a URL's domain may be slow, and must hold up nothing else."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(NAMES_AT_ONCE, thread_name_prefix="names")

    async def getaddrinfo(self, host: str, port: int, **how: Any) -> Any:
        """As of an event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(socket.getaddrinfo, host, port, **how))

    async def getnameinfo(self, found: Any, flags: int = 0) -> Any:
        """As of an event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, socket.getnameinfo, found, flags)

    def close(self) -> None:
        """Waits for nobody."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class _SystemResolver(aiohttp.ThreadedResolver):
    """As the system resolves names, in threads of its own."""

    def __init__(self) -> None:
        self._names = _NameThreads()
        super().__init__(cast(asyncio.AbstractEventLoop, self._names))

    async def close(self) -> None:
        self._names.close()


class _CheckedResolver(AbstractResolver):
    """Resolves names to addresses that are allowed. Raises `ForbiddenAddress` where a name has no other."""

    def __init__(self, resolver: AbstractResolver, allowed: Callable[[str], bool]) -> None:
        self._resolver = resolver
        self._allowed = allowed

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        left = [result for result in found if self._allowed(result["host"])]
        if found and not left:
            raise ForbiddenAddress
        return left

    async def close(self) -> None:
        await self._resolver.close()


def guarded_session(
    *,
    allowed_networks: Sequence[Network] = (),
    timeout: aiohttp.ClientTimeout,
    limit: int = 100,
    limit_per_host: int = 10,
    keep_alive: bool = True,
    resolver: AbstractResolver | None = None,
) -> aiohttp.ClientSession:
    """A client whose connections reach public addresses and the allowed networks only.

    A refused address raises `ForbiddenAddress` (not a client error) from the request. Proxies of the environment are not used,
    and cookies are not kept: what one server sets is nothing to the next request.

    Args:
        allowed_networks: Networks that are reached although they are not public.
        timeout: The limits in time of a request.
        limit: The most connections at once; 0: as many as are asked for.
        limit_per_host: The same, to one host.
        keep_alive: Whether a connection is used for the next request to the same host, too.
        resolver: Looks names up; by default the system does.
    """

    def allowed(host: str) -> bool:
        if is_public(host) or within(address(host), allowed_networks):
            return True
        log.warning("http.address_refused", address=host)
        return False

    def checked_socket(info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, found = info
        if not allowed(str(found[0])):
            raise ForbiddenAddress
        return socket.socket(family, kind, protocol)

    connector = aiohttp.TCPConnector(
        # Names are checked as they are resolved: of several addresses, those that are left are tried. Literals are never
        # resolved, and are checked at the socket, as is whatever else should get that far.
        resolver=_CheckedResolver(resolver or _SystemResolver(), allowed),
        socket_factory=checked_socket,
        limit=limit,
        limit_per_host=limit_per_host,
        force_close=not keep_alive,
    )
    return aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # a kilobyte of an answer may unpack to a megabyte, and nobody here asks for packed ones
    )
