"""Chooses the endpoint and the credential of each stream, and remembers which have failed. Used on one event loop.

Endpoints are tried in the operator's order. One that failed is passed over for a while, unless all have failed: then the one
whose failure is the oldest is next.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from steno_transcriber.azure.credentials import Credential, Credentials
from steno_transcriber.azure.endpoints import Endpoint

PASSED_OVER_SECONDS = 30.0
"""How long an endpoint that failed is passed over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where a stream is opened, and with what."""

    endpoint: Endpoint
    credential: Credential


class LiveAccess:
    """The choice for the next stream."""

    def __init__(
        self, endpoints: Sequence[Endpoint], credentials: Credentials, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        if not endpoints:
            raise ValueError("an engine needs an endpoint")
        self._endpoints = tuple(endpoints)
        self._credentials = credentials
        self._monotonic = monotonic
        self._failed_at: dict[Endpoint, float] = {}
        self._refused: dict[Endpoint, set[Credential]] = {}
        self._offered: dict[Endpoint, Sequence[Credential]] = {}

    async def next(self) -> Access:
        """Where the next stream is opened.

        Raises:
            EngineUnavailable: there is no credential now.
        """
        endpoint = self._endpoint()
        offered = self._offered[endpoint] = await self._credentials.of(endpoint)
        refused = self._refused.setdefault(endpoint, set())
        refused &= set(offered)
        left = [credential for credential in offered if credential not in refused]
        if not left:
            # Each was refused: it may have been let in meanwhile.
            refused.clear()
            left = list(offered)
        return Access(endpoint=endpoint, credential=left[0])

    def accepted(self, access: Access) -> None:
        """The endpoint has taken a stream."""
        self._failed_at.pop(access.endpoint, None)
        self._refused.pop(access.endpoint, None)
        self._credentials.accepted(access.endpoint, access.credential)

    def refused(self, access: Access) -> None:
        """The endpoint has refused the credential: another one is next, and another endpoint once all were refused."""
        self._credentials.refused(access.endpoint, access.credential)
        refused = self._refused.setdefault(access.endpoint, set())
        refused.add(access.credential)
        if refused >= set(self._offered.get(access.endpoint, ())):
            self.failed(access)

    def failed(self, access: Access) -> None:
        """The endpoint cannot be reached, or takes no more."""
        self._failed_at[access.endpoint] = self._monotonic()

    def _endpoint(self) -> Endpoint:
        now = self._monotonic()
        for endpoint in self._endpoints:
            if now - self._failed_at.get(endpoint, now - PASSED_OVER_SECONDS) >= PASSED_OVER_SECONDS:
                return endpoint
        return min(self._endpoints, key=lambda endpoint: self._failed_at[endpoint])
