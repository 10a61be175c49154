"""The health and metrics routes of every service: `/health/live`, `/health/ready`, `/metrics`."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Check = Callable[[], bool | Awaitable[bool]]


class Health:
    """The named health checks of a service.

    Live means that the process works. It does not depend on Kafka or a database, or a short outage of these would restart
    every service. Ready means that the service can serve now.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        """`now` returns seconds of a monotonic clock."""
        self._live: dict[str, Check] = {}
        self._ready: dict[str, Check] = {}
        self._noticed: dict[str, Check] = {}
        self._reasons: dict[str, Callable[[], str]] = {}
        self._draining = False
        self._asking: asyncio.Task[dict[str, bool]] | None = None
        self._metrics = _Metrics(now)

    def add_liveness(self, name: str, check: Check) -> None:
        """Adds a check that fails when the process must be restarted."""
        self._live[name] = check

    def add_readiness(self, name: str, check: Check, *, why: Callable[[], str] | None = None) -> None:
        """Adds a check that fails when the service cannot serve; `why` returns the reason, for a person."""
        self._ready[name] = check
        if why is not None:
            self._reasons[name] = why

    def add_notice(self, name: str, check: Check) -> None:
        """Adds a check whose failure is reported, although the service stays ready."""
        self._noticed[name] = check

    def drain(self) -> None:
        """Makes the service not ready from now on, whatever its checks return."""
        self._draining = True

    def bare_routes(self) -> list[Route]:
        """The live and ready routes without the single checks and reasons, for a public port."""
        return [Route("/health/live", self._answer_bare_live), Route("/health/ready", self._answer_bare_ready)]

    def routes(self) -> list[Route]:
        """The three routes, for the service's HTTP server."""
        return [
            Route("/health/live", self._answer_live),
            Route("/health/ready", self._answer_ready),
            Route("/metrics", self._metrics.answer),
        ]

    async def _answer_live(self, _request: Request) -> JSONResponse:
        return _answer(await _run(self._live))

    async def _answer_ready(self, _request: Request) -> JSONResponse:
        checks = await self._readiness()
        reasons = {name: why() for name, why in self._reasons.items() if not checks[name]}
        return _answer(checks, reasons=reasons, notices=await _run(self._noticed))

    async def _answer_bare_live(self, _request: Request) -> JSONResponse:
        return _answer(await _run(self._live), bare=True)

    async def _answer_bare_ready(self, _request: Request) -> JSONResponse:
        return _answer(await self._readiness(), bare=True)

    async def _readiness(self) -> dict[str, bool]:
        # Simultaneous requests share one run of the checks, since a check may query a database.
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(_run(self._ready))
        results = dict(await asyncio.shield(self._asking))
        if self._draining:
            results["draining"] = False
        return results


async def _run(checks: dict[str, Check]) -> dict[str, bool]:
    results = {}
    for name, check in checks.items():
        result = check()
        results[name] = bool(await result) if inspect.isawaitable(result) else bool(result)
    return results


def _answer(
    results: dict[str, bool],
    *,
    bare: bool = False,
    reasons: dict[str, str] | None = None,
    notices: dict[str, bool] | None = None,
) -> JSONResponse:
    healthy = all(results.values())
    said: dict[str, object] = {"healthy": healthy} if bare else {"healthy": healthy, "checks": results}
    if reasons:
        said["reasons"] = reasons
    if notices:
        said["notices"] = notices
    return JSONResponse(said, status_code=200 if healthy else 503)


class _Metrics:
    """The metrics page, cached so that generating it takes at most a fifth of the time, however often it is requested."""

    _SHARE = 4

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._page = b""
        self._good_until = 0.0

    async def answer(self, _request: Request) -> Response:
        began = self._now()
        if began >= self._good_until:
            self._page = generate_latest()
            now = self._now()
            self._good_until = now + self._SHARE * (now - began)
        return Response(self._page, media_type=CONTENT_TYPE_LATEST)
