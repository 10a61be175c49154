"""Azure's batch API on loopback, written from its description (versions v3.2 and 2024-11-15): a real HTTP server, with faults.

It fetches the audio by the URLs it is given, as Azure does, and says of each channel a phrase every two seconds. All that it
knows is in one file, where a folder is given: it may be killed, and started anew.

    python -m support.azure_emulator FOLDER PORT
"""

import asyncio
import io
import json
import sys
import wave
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import aiohttp
from aiohttp import web
from support import azure_contract
from support.azure_emulator_webhooks import EmulatedWebhooks

KEYS = ("key-one", "key-two")
PHRASE_MS, EVERY_MS = 1500, 2000
TICKS = 10_000


@dataclass(kw_only=True)
class Faults:
    """What goes wrong; all by default right."""

    #: Answers of the next requests whose method and path contain a text: [text, how often, status, seconds to stay away].
    answers: list[list[Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=lambda: list(KEYS))
    #: Jobs never start.
    never_start: bool = False
    #: The channel that results leave out.
    without_channel: int | None = None
    #: Results, or their report, are nonsense.
    nonsense_results: bool = False
    #: A job is made, but the connection is closed before the answer; so many times.
    lost_answers: int = 0
    #: Each job is made twice; so many times.
    made_twice: int = 0
    #: Recordings whose URL contains this text fail with this reason.
    failing: dict[str, str] = field(default_factory=dict)
    #: A job of a recording whose URL contains this text fails as a whole, without a report.
    failing_jobs: str = ""
    #: So much of a recording's job lies before its start, and before its end, in seconds.
    starts_after: float = 0.0
    ends_after: float = 0.1
    #: Events of webhooks are not posted.
    events_lost: bool = False


@dataclass(kw_only=True)
class MadeJob:
    """A job, and what is to become of it."""

    id: str
    version: str
    made: float
    body: dict[str, Any]
    deleted: bool = False
    #: By name of the file: its kind and content; once it has ended.
    files: dict[str, list[Any]] = field(default_factory=dict)
    status: str = "NotStarted"
    error: dict[str, str] | None = None

    @property
    def urls(self) -> list[str]:
        """The URLs of its recordings, without their signatures."""
        return [_plain(url) for url in self.body["contentUrls"]]


class AzureEmulator:
    """The state of the emulator, and its routes."""

    def __init__(self, folder: Path | None = None) -> None:
        self._file = None if folder is None else folder / "azure.json"
        self.faults = Faults()
        #: All jobs ever made, deleted ones too, in order.
        self.jobs: dict[str, MadeJob] = {}
        #: Requests by method and path without ids.
        self.requests: Counter[str] = Counter()
        #: Recordings recognised by fast transcription.
        self.fast = 0
        #: Requests for files that carried a credential, which must not be.
        self.leaks = 0
        self.webhooks = EmulatedWebhooks()
        if self._file is not None and self._file.exists():
            stored = json.loads(self._file.read_text())
            self.faults = Faults(**stored["faults"])
            self.jobs = {job["id"]: MadeJob(**job) for job in stored["jobs"]}

    @property
    def open_jobs(self) -> list[MadeJob]:
        """The jobs that were not deleted."""
        return [job for job in self.jobs.values() if not job.deleted]

    def sent(self) -> Counter[str]:
        """How often each recording was sent in a job, by its URL without signature."""
        return Counter(url for job in self.jobs.values() for url in job.urls)

    def app(self) -> web.Application:
        """The routes of both versions."""
        app = web.Application(middlewares=[self._guard], client_max_size=1 << 30)
        for base in ("/speechtotext/v3.2", "/speechtotext"):
            app.router.add_get(f"{base}/transcriptions", self._list)
            app.router.add_get(f"{base}/transcriptions/{{id}}", self._get)
            app.router.add_delete(f"{base}/transcriptions/{{id}}", self._delete)
            app.router.add_get(f"{base}/transcriptions/{{id}}/files", self._files)
        app.router.add_post("/speechtotext/v3.2/transcriptions", self._submit)
        app.router.add_post("/speechtotext/transcriptions:submit", self._submit)
        app.router.add_post("/speechtotext/transcriptions:transcribe", self._transcribe)
        app.router.add_get("/results/{id}/{name}", self._result)
        self.webhooks.add_to(app)
        app.router.add_get("/_state", self._state)
        app.router.add_post("/_faults", self._set_faults)
        return app

    # --- what every request goes through

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path.startswith("/_"):
            return await handler(request)  # type: ignore[no-any-return]
        self.requests[f"{request.method} {request.path.partition('/transcriptions')[1] or request.path}"] += 1
        for answer in self.faults.answers:
            text, left, status, seconds = answer
            if left > 0 and text in f"{request.method} {request.path}":
                answer[1] -= 1
                if status == 0:
                    return web.Response(text="<html>what?</html>", content_type="text/html")
                headers = {"Retry-After": str(seconds)} if seconds else {}
                return _error(status, {429: "TooManyRequests", 503: "ServiceUnavailable"}.get(status, "Other"), headers=headers)
        if request.path.startswith("/results/"):
            self.leaks += "Ocp-Apim-Subscription-Key" in request.headers or "Authorization" in request.headers
            return await handler(request)  # type: ignore[no-any-return]
        if request.headers.get("Ocp-Apim-Subscription-Key") not in self.faults.keys:
            # As the gateway in front of the service answers.
            return web.json_response(
                {"error": {"code": "401", "message": "Access denied: invalid subscription key."}}, status=401
            )
        if "/v3.2/" not in request.path and request.query.get("api-version") != "2024-11-15":
            return _error(400, "InvalidRequest", "api-version is required")
        return await handler(request)  # type: ignore[no-any-return]

    # --- transcriptions

    async def _submit(self, request: web.Request) -> web.StreamResponse:
        version = _version(request)
        body = await request.json()
        azure_contract.check(version, "Transcription", body)
        fault = _fault_of(body, version)
        if fault:
            return _error(400, "InvalidRequest", fault)
        job = self._make(version, body)
        if self.faults.made_twice > 0:
            self.faults.made_twice -= 1
            self._make(version, body)
        self.keep()
        if self.faults.lost_answers > 0:
            self.faults.lost_answers -= 1
            self.keep()
            assert request.transport is not None
            request.transport.abort()
        told = self._told(job, request)
        azure_contract.check(version, "Transcription", told)
        self.webhooks.start(self._announce(job, told["self"]))
        return web.json_response(told, status=201, headers={"Location": told["self"]})

    def _make(self, version: str, body: dict[str, Any]) -> MadeJob:
        job = MadeJob(id=str(uuid4()), version=version, made=datetime.now(UTC).timestamp(), body=body)
        self.jobs[job.id] = job
        return job

    async def _list(self, request: web.Request) -> web.StreamResponse:
        version, query = _version(request), request.query
        jobs = self.open_jobs
        if wanted := query.get("filter"):
            prefix, name = "displayName eq '", wanted.removeprefix("displayName eq '").removesuffix("'").replace("''", "'")
            if not wanted.startswith(prefix):
                return _error(400, "InvalidRequest", "only displayName is filtered here")
            jobs = [job for job in jobs if job.body["displayName"] == name]
        skip, top = int(query.get("skip", "0")), int(query.get("top", "100"))
        for job in jobs:
            await self._advance(job)
        page = {"values": [self._told(job, request) for job in jobs[skip : skip + top]]}
        if skip + top < len(jobs):
            page["@nextLink"] = f"{request.url.origin()}{request.path}?skip={skip + top}&top={top}"  # type: ignore[assignment]
        azure_contract.check(version, "PaginatedTranscriptions", page)
        return web.json_response(page)

    async def _get(self, request: web.Request) -> web.StreamResponse:
        if (job := self._job(request)) is None:
            return _error(404, "NotFound")
        await self._advance(job)
        return web.json_response(self._told(job, request))

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        if (job := self._job(request)) is not None:
            await self._advance(job)
            if job.status == "Running":
                return _error(409, "DeleteNotAllowed", "a running transcription cannot be deleted")
            job.deleted = True
            self.keep()
        return web.Response(status=204)

    async def _files(self, request: web.Request) -> web.StreamResponse:
        if (job := self._job(request)) is None:
            return _error(404, "NotFound")
        skip, top = int(request.query.get("skip", "0")), int(request.query.get("top", "100"))
        names = list(job.files)
        page: dict[str, Any] = {
            "values": [
                {
                    "self": f"{self._link(job, request)}/files/{name}",
                    "name": name,
                    "kind": job.files[name][0],
                    "createdDateTime": _time(job.made),
                    "properties": {"size": len(job.files[name][1])},
                    "links": {"contentUrl": f"{request.url.origin()}/results/{job.id}/{name}?sig=s"},
                }
                for name in names[skip : skip + top]
            ]
        }
        if skip + top < len(names):
            page["@nextLink"] = f"{request.url.origin()}{request.path}?skip={skip + top}&top={top}"
        azure_contract.check(job.version, "PaginatedFiles", page)
        return web.json_response(page)

    async def _result(self, request: web.Request) -> web.StreamResponse:
        job = self.jobs.get(request.match_info["id"])
        if job is None or job.deleted:
            return web.Response(status=404)
        return web.Response(text=job.files[request.match_info["name"]][1], content_type="application/octet-stream")

    async def _transcribe(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        part, audio = form["definition"], form["audio"]
        assert isinstance(part, str | bytes | bytearray)
        definition = json.loads(part)
        azure_contract.check("2024-11-15", "TranscribeDefinition", definition)
        assert isinstance(audio, web.FileField)
        channels, duration_ms = _measured(audio.file.read())
        asked = [channel for channel in definition.get("channels", [0]) if channel < channels]
        told = {
            "durationMilliseconds": duration_ms,
            "combinedPhrases": [{"channel": channel, "text": "…"} for channel in asked],
            "phrases": [
                {
                    "channel": channel,
                    "offsetMilliseconds": begin,
                    "durationMilliseconds": length,
                    "text": f"Fast {index} on {channel}.",
                    "words": [{"text": "fast", "offsetMilliseconds": begin, "durationMilliseconds": 200}],
                    "confidence": 0.9,
                    "locale": definition["locales"][0],
                }
                for index, channel, begin, length in _spans(asked, duration_ms)
            ],
        }
        azure_contract.check("2024-11-15", "TranscribeResult", told)
        self.fast += 1
        return web.json_response(told)

    # --- control

    async def _state(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response(self._stored())

    async def _set_faults(self, request: web.Request) -> web.StreamResponse:
        self.faults = Faults(**{**asdict(self.faults), **await request.json()})
        self.keep()
        return web.Response()

    def keep(self) -> None:
        """Writes the state, whole or not at all."""
        if self._file is not None:
            new = self._file.with_suffix(".new")
            new.write_text(json.dumps(self._stored()))
            new.replace(self._file)

    def _stored(self) -> dict[str, Any]:
        return {"faults": asdict(self.faults), "jobs": [asdict(job) for job in self.jobs.values()]}

    # --- recognition

    async def _advance(self, job: MadeJob) -> None:
        """Takes a job as far as its time has come."""
        age = datetime.now(UTC).timestamp() - job.made
        if self.faults.never_start or job.status in ("Succeeded", "Failed") or age < self.faults.starts_after:
            return
        if age < self.faults.starts_after + self.faults.ends_after:
            job.status = "Running"
            return
        if self.faults.failing_jobs and any(self.faults.failing_jobs in url for url in job.urls):
            job.status, job.error = "Failed", {"code": "InvalidData", "message": "The recordings URI contains invalid data."}
        else:
            await self._recognise(job)
        self.keep()

    async def _announce(self, job: MadeJob, link: str) -> None:
        await asyncio.sleep(self.faults.starts_after + self.faults.ends_after)
        await self._advance(job)
        if job.files and not self.faults.events_lost:
            await self.webhooks.post_completion(link)

    async def _recognise(self, job: MadeJob) -> None:
        details, files = [], {}
        async with aiohttp.ClientSession() as session:
            for index, url in enumerate(job.body["contentUrls"]):
                reason = next((reason for text, reason in self.faults.failing.items() if text in url), "")
                content = b"" if reason else await _fetched(session, url)
                if content:
                    text = "{nonsense" if self.faults.nonsense_results else json.dumps(self._answer(job, url, content))
                    files[f"contenturl_{index}.json"] = ["Transcription", text]
                    details.append({"sourceUrl": _plain(url), "status": "Succeeded"})
                else:
                    told = reason or "The recording cannot be read."
                    details.append(
                        {"sourceUrl": _plain(url), "status": "Failed", "errorMessage": told, "errorKind": "InvalidUri"}
                    )
        failed = sum(detail["status"] == "Failed" for detail in details)
        report = {
            "successfulTranscriptionsCount": len(details) - failed,
            "failedTranscriptionsCount": failed,
            "details": details,
        }
        files["report.json"] = ["TranscriptionReport", json.dumps(report)]
        job.files, job.status = files, "Failed" if failed == len(details) else "Succeeded"

    def _answer(self, job: MadeJob, url: str, content: bytes) -> dict[str, Any]:
        channels, duration_ms = _measured(content)
        asked = [channel for channel in job.body["properties"].get("channels", [0, 1]) if channel < channels]
        asked = [channel for channel in asked if channel != self.faults.without_channel]
        new = job.version != "v3.2"
        words = job.body["properties"]["wordLevelTimestampsEnabled"]
        told = {
            "source": url,
            "timestamp": _time(job.made),
            **_length(duration_ms, new=new),
            "combinedRecognizedPhrases": [
                {"channel": channel, "lexical": "…", "itn": "…", "maskedITN": "…", "display": "…"} for channel in asked
            ],
            "recognizedPhrases": [
                {
                    "recognitionStatus": "Success",
                    "channel": channel,
                    **_span(begin, length, new=new),
                    "nBest": [
                        {
                            "confidence": 0.87,
                            **dict.fromkeys(("lexical", "itn", "maskedITN"), f"phrase {index} on {channel}"),
                            "display": f"Phrase {index} on {channel}.",
                            **({"words": _words(index, begin, new=new)} if words else {}),
                        }
                    ],
                }
                for index, channel, begin, length in _spans(asked, duration_ms)
            ],
        }
        azure_contract.check_result(job.version, told)
        return told

    def _job(self, request: web.Request) -> MadeJob | None:
        job = self.jobs.get(request.match_info["id"])
        return None if job is None or job.deleted else job

    def _told(self, job: MadeJob, request: web.Request) -> dict[str, Any]:
        link = self._link(job, request)
        properties = {**job.body["properties"], **({"error": job.error} if job.error else {})}
        return {
            "self": link,
            "links": {"files": f"{link}/files"},
            "displayName": job.body["displayName"],
            "locale": job.body["locale"],
            "customProperties": job.body.get("customProperties", {}),
            "properties": properties,
            "status": job.status,
            "createdDateTime": _time(job.made),
            "lastActionDateTime": _time(job.made),
        }

    def _link(self, job: MadeJob, request: web.Request) -> str:
        base = "/speechtotext/v3.2" if job.version == "v3.2" else "/speechtotext"
        return f"{request.url.origin()}{base}/transcriptions/{job.id}"


@asynccontextmanager
async def serving(emulator: AzureEmulator, *, port: int = 0) -> AsyncIterator[str]:
    """Serves an emulator on loopback inside the block; gives its URL."""
    runner = web.AppRunner(emulator.app(), access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _fault_of(body: dict[str, Any], version: str) -> str:
    """What the description says in words only."""
    custom, properties = body.get("customProperties", {}), body.get("properties", {})
    if len(custom) > 10 or any(len(name) > 64 or len(value) > 256 for name, value in custom.items()):
        return "customProperties are too many, or too long"
    if not 1 <= len(body.get("contentUrls", [])) <= 1000:
        return "contentUrls must be 1 to 1000"
    if version == "2024-11-15" and not 6 <= properties.get("timeToLiveHours", 0) <= 31 * 24:
        return "timeToLiveHours must be 6 to 744"
    if any(urlsplit(url).scheme not in ("http", "https") for url in body["contentUrls"]):
        return "InvalidRecordingsUri"
    return ""


def _error(status: int, code: str, message: str = "", *, headers: dict[str, str] | None = None) -> web.Response:
    body = {
        "code": "InvalidRequest" if status < 500 else code,
        "message": message or code,
        "innerError": {"code": code, "message": message or code},
    }
    return web.json_response(body, status=status, headers=headers)


def _version(request: web.Request) -> str:
    return "v3.2" if "/v3.2/" in request.path else "2024-11-15"


def _plain(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{unquote(parts.path)}"


async def _fetched(session: aiohttp.ClientSession, url: str) -> bytes:
    try:
        async with session.get(url) as response:
            return await response.read() if response.status == 200 else b""
    except aiohttp.ClientError:
        return b""


def _measured(content: bytes) -> tuple[int, int]:
    """Channels and milliseconds of a WAV file."""
    with wave.open(io.BytesIO(content)) as file:
        return file.getnchannels(), file.getnframes() * 1000 // file.getframerate()


def _spans(channels: list[int], duration_ms: int) -> list[tuple[int, int, int, int]]:
    """Index, channel, begin and length of each phrase; the channels take turns."""
    starts = range(0, max(1, duration_ms - PHRASE_MS + 1), EVERY_MS)
    return [
        (index, channel, begin + 100 * channel, min(PHRASE_MS - 200, duration_ms - 100 * channel))
        for index, begin in enumerate(starts)
        for channel in channels
    ]


def _span(begin_ms: int, length_ms: int, *, new: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"offset": f"PT{begin_ms / 1000}S", "offsetInTicks": begin_ms * TICKS, **_length(length_ms, new=new)}
    return {**told, "offsetMilliseconds": begin_ms} if new else told


def _length(length_ms: int, *, new: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"duration": f"PT{length_ms / 1000}S", "durationInTicks": length_ms * TICKS}
    return {**told, "durationMilliseconds": length_ms} if new else told


def _words(index: int, begin_ms: int, *, new: bool) -> list[dict[str, Any]]:
    return [
        {"word": word, **_span(begin_ms + 300 * place, 250, new=new), "confidence": 0.9}
        for place, word in enumerate(("phrase", str(index)))
    ]


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


async def _main(folder: Path, port: int) -> None:
    async with serving(AzureEmulator(folder), port=port) as url:
        print(url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), int(sys.argv[2])))
