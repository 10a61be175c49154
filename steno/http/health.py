"""The routes for health and metrics of every service: `/health/live`, `/health/ready`, `/metrics`."""

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
    """The named checks of a service.

    Live means the process works; it does not depend on Kafka or a database being there, or a cluster's hiccup would restart
    every service. Ready means it can serve now.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        """`now` gives seconds of a monotonic clock."""
        self._live: dict[str, Check] = {}
        self._ready: dict[str, Check] = {}
        self._noticed: dict[str, Check] = {}
        self._reasons: dict[str, Callable[[], str]] = {}
        self._draining = False
        self._asking: asyncio.Task[dict[str, bool]] | None = None
        self._metrics = _Metrics(now)

    def add_liveness(self, name: str, check: Check) -> None:
        """A check that must hold for the process to be left running."""
        self._live[name] = check

    def add_readiness(self, name: str, check: Check, *, why: Callable[[], str] | None = None) -> None:
        """A check that must hold for the service to be given work; `why` says for a person why it does not."""
        self._ready[name] = check
        if why is not None:
            self._reasons[name] = why

    def add_notice(self, name: str, check: Check) -> None:
        """A check that a person is to be told of where it does not hold; the service is ready all the same."""
        self._noticed[name] = check

    def drain(self) -> None:
        """From now on the service is not ready, whatever its checks say."""
        self._draining = True

    def bare_routes(self) -> list[Route]:
        """Tells whether the service is live and ready without the reasons, for a port that anybody reaches."""
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
        # Many who ask at once are told the same: a check may ask a database.
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
    """The page of metrics: however often it is asked for, writing it takes no more than a fifth of the time."""

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
