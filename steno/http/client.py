"""An HTTP client that connects to public addresses and allowed networks only, whatever URL it is given.

It checks each address that it is about to connect to, after the name is resolved and for every redirect. So neither a name
whose address changes nor an address in unusual notation gets past the check. If a name has both allowed and forbidden
addresses, only the allowed ones are used. Forbidden addresses are logged for the operator, but not told to the client.
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
    """A URL leads to an address that is neither public nor in an allowed network."""

    error_class = "forbidden_address"

    def __init__(self) -> None:
        super().__init__(
            "the address of the URL is not a public address; to allow it, add its network to the service's allowed networks"
        )


class _NameThreads:
    """Resolves names in separate threads, because a slow name server must not delay other work."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(NAMES_AT_ONCE, thread_name_prefix="names")

    async def getaddrinfo(self, host: str, port: int, **how: Any) -> Any:
        """Like the method of an event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(socket.getaddrinfo, host, port, **how))

    async def getnameinfo(self, found: Any, flags: int = 0) -> Any:
        """Like the method of an event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, socket.getnameinfo, found, flags)

    def close(self) -> None:
        """Stops the threads without waiting for them."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class _SystemResolver(aiohttp.ThreadedResolver):
    """Resolves names as the system does, in separate threads."""

    def __init__(self) -> None:
        self._names = _NameThreads()
        super().__init__(cast(asyncio.AbstractEventLoop, self._names))

    async def close(self) -> None:
        self._names.close()


class _CheckedResolver(AbstractResolver):
    """Resolves names to their allowed addresses. Raises `ForbiddenAddress` if a name has only forbidden ones."""

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
    """Makes a client that connects to public addresses and the allowed networks only.

    For a forbidden address the request raises `ForbiddenAddress`, which is not an `aiohttp.ClientError`. Proxies of the
    environment are not used, and cookies are not stored, so that requests do not influence each other.

    Args:
        allowed_networks: Networks that are allowed although they are not public.
        timeout: The time limits of a request.
        limit: The maximum number of simultaneous connections; 0 is no limit.
        limit_per_host: The same for one host.
        keep_alive: Whether a connection is reused for the next request to the same host.
        resolver: Resolves names; the system's resolver by default.
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
        # Names are checked when they are resolved, so that the allowed ones of several addresses are tried. Address literals
        # are never resolved, so every address is checked again when its socket is made.
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
        auto_decompress=False,  # a kilobyte may decompress to a megabyte, and no caller asks for compressed responses
    )
