"""A real Prometheus that scrapes a running suite and evaluates the alert rules."""

import asyncio
import json
import math
import shutil
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from support.watching import RULES

SERVICES = ("ingest", "transcriber", "enricher", "notifier")
_READY_SECONDS = 30


class NoPrometheus(Exception):
    """The program is not installed; the message says what is missing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """A series of an answer: its labels, and its values by time (seconds since 1970)."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]

    @property
    def last(self) -> float:
        """The newest value."""
        return self.points[-1][1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    async def ask(self, promql: str) -> list[Series]:
        """The present answer to a query; fails where Prometheus cannot answer it."""
        answer = await self._get("query", query=promql)
        return [Series(labels=one["metric"], points=_points([one["value"]])) for one in answer["result"]]

    async def ask_range(self, promql: str, *, start: float, end: float, step: float) -> list[Series]:
        """The answers to a query in a span of time; points without a value (NaN) are left out."""
        answer = await self._get("query_range", query=promql, start=start, end=end, step=step)
        found = [Series(labels=one["metric"], points=_points(one["values"])) for one in answer["result"]]
        return [
            Series(labels=one.labels, points=tuple(point for point in one.points if not math.isnan(point[1]))) for one in found
        ]

    async def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        alerts = (await self._get("alerts"))["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    async def until(self, promql: str, *, seconds: float = 60) -> None:
        """Waits until a query has an answer."""
        async with asyncio.timeout(seconds):
            while not await self.ask(promql):
                await asyncio.sleep(0.1)

    async def _get(self, path: str, **parameters: Any) -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.url}/api/v1/{path}", params={name: str(value) for name, value in parameters.items()}) as answer,
        ):
            body = await answer.json()
            assert answer.status == 200, f"{parameters}: {body}"
            return body["data"]


@asynccontextmanager
async def scraping(folder: Path, targets: Mapping[str, str], *, every: str = "1s") -> AsyncIterator[Prometheus]:
    """Runs a Prometheus on a free port, which scrapes services by their URLs under the names that the rules expect.

    Raises:
        NoPrometheus: it is not installed.
    """
    program = shutil.which("prometheus")
    if program is None:
        raise NoPrometheus("there is no prometheus (Debian package prometheus)")
    folder.mkdir(parents=True, exist_ok=True)
    config, log = folder / "prometheus.yml", folder / "prometheus.log"
    config.write_text(yaml.safe_dump(_config(targets, every)))
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"),
            *("--web.listen-address=127.0.0.1:0", "--log.format=json"),
            stdout=output,
            stderr=output,
        )
    try:
        async with asyncio.timeout(_READY_SECONDS):
            while not (address := _address(log.read_text().splitlines())):
                assert process.returncode is None, f"prometheus ended:\n{log.read_text()}"
                await asyncio.sleep(0.05)
            async with aiohttp.ClientSession(f"http://{address}") as session:
                while (await session.get("/-/ready")).status != 200:
                    await asyncio.sleep(0.05)
        yield Prometheus(url=f"http://{address}")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _config(targets: Mapping[str, str], every: str) -> dict[str, Any]:
    return {
        "global": {"scrape_interval": every, "evaluation_interval": every},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {"job_name": f"steno-{service}", "static_configs": [{"targets": [url.removeprefix("http://")]}]}
            for service, url in targets.items()
        ],
    }


def _address(lines: Iterable[str]) -> str | None:
    for line in lines:
        entry = json.loads(line)
        if entry.get("msg") == "Listening on":
            return str(entry["address"])
    return None


def _points(values: Iterable[tuple[float, str]]) -> tuple[tuple[float, float], ...]:
    return tuple((float(at), float(value)) for at, value in values)
