"""Requests and answers of the batch API, in its versions v3.2 and 2024-11-15. Pure.

Source: `speechtotext.json` of both versions (Azure/azure-rest-api-specs, data-plane/Speech/SpeechToText).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from steno.events.recognition import RecognitionOptions
from steno_transcriber.azure.languages import LANGUAGES
from steno_transcriber.azure.result import UnreadableResult

ApiVersion = Literal["v3.2", "2024-11-15"]
"""The versions of the API."""

KEPT_HOURS = 7 * 24
"""A job deletes itself so long after its end, where nobody has: as long as Kafka keeps what asked for it."""

PAGE = 100

COMPLETION = "transcriptionCompletion"
"""The event that a job has ended, among those that a webhook may have (`WebHookEvents`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request: its path below the endpoint, its query and its body."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Mapping[str, Any] | None = None


def locales_of(options: RecognitionOptions) -> list[str]:
    """The locale that was asked for, or the candidates whose language Azure supports."""
    if options.locale:
        return [options.locale]
    return [locale for locale in options.candidate_locales if locale.partition("-")[0].lower() in LANGUAGES]


_QUERY = re.compile(r"""(https?://[^\s?"'<>]*)\?[^\s"'<>]*""")


def _without_signatures(message: str) -> str:
    """A message of Azure without the queries of URLs: one that is signed opens the recording to whoever reads it."""
    return _QUERY.sub(r"\1", message)


Message = Annotated[str, AfterValidator(_without_signatures)]
"""What Azure says to a person."""


def id_of(link: str) -> str:
    """The id of an entity, by its link (`self`). Raises `ValueError` where that is no URL."""
    return urlsplit(link).path.rstrip("/").rpartition("/")[2]


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)


class JobError(_Body):
    """Why a job failed as a whole."""

    code: str = ""
    message: Message = ""


class _Properties(_Body):
    error: JobError | None = None


class Job(_Body):
    """A job (`Transcription`) as Azure describes it."""

    link: str = Field(alias="self")
    name: str = Field(alias="displayName")
    status: str
    locale: str = ""
    created: AwareDatetime = Field(alias="createdDateTime", default=datetime(1970, 1, 1, tzinfo=UTC))
    custom: dict[str, str] = Field(alias="customProperties", default={})
    properties: _Properties | None = None

    @property
    def id(self) -> str:
        """The last part of its link."""
        return id_of(self.link)

    @property
    def has_ended(self) -> bool:
        """Whether it has succeeded or failed."""
        return self.status in ("Succeeded", "Failed")

    @property
    def error(self) -> JobError:
        """Why it failed; empty where Azure does not say, or it did not."""
        return (self.properties and self.properties.error) or JobError()


class _Links(_Body):
    content_url: str = Field(alias="contentUrl")


class JobFile(_Body):
    """A file of a job."""

    name: str = ""
    kind: str
    links: _Links


class _Jobs(_Body):
    values: tuple[Job, ...]
    next_link: str | None = Field(alias="@nextLink", default=None)


class _Files(_Body):
    values: tuple[JobFile, ...]
    next_link: str | None = Field(alias="@nextLink", default=None)


class Webhook(_Body):
    """A webhook (`WebHook`): where Azure posts events to. Its secret cannot be read."""

    link: str = Field(alias="self")
    name: str = Field(alias="displayName")
    url: str = Field(alias="webUrl")
    events: dict[str, bool] = {}
    status: str = ""
    created: AwareDatetime = Field(alias="createdDateTime", default=datetime(1970, 1, 1, tzinfo=UTC))

    @property
    def id(self) -> str:
        """The last part of its link."""
        return id_of(self.link)


class _Webhooks(_Body):
    values: tuple[Webhook, ...]
    next_link: str | None = Field(alias="@nextLink", default=None)


class ReportEntry(_Body):
    """What a report says of one recording."""

    source: str | None = None
    source_url: str | None = Field(alias="sourceUrl", default=None)
    status: str = ""
    message: Message | None = Field(alias="errorMessage", default=None)
    kind: str | None = Field(alias="errorKind", default=None)

    @property
    def address(self) -> str:
        """The URL of the audio; versions name it differently."""
        return self.source or self.source_url or ""

    @property
    def reason(self) -> str:
        """Why it failed, for a person; empty where it did not."""
        if self.status == "Succeeded":
            return ""
        return ": ".join(part for part in (self.kind, self.message) if part) or f"its status is {self.status or 'missing'}"


class _Report(_Body):
    details: tuple[ReportEntry, ...] = ()


class _InnerError(_Body):
    code: str = ""
    message: Message = ""


class _Error(_Body):
    code: str = ""
    message: Message = ""
    inner: _InnerError | None = Field(alias="innerError", default=None)


class _Gateway(_Body):
    error: _Error


class Api:
    """One version of the API: makes requests, and reads answers.

    What reads raises `UnreadableResult` where an answer is not what the API describes.
    """

    def __init__(self, version: ApiVersion) -> None:
        self._old = version == "v3.2"
        self._base = "/speechtotext/v3.2" if self._old else "/speechtotext"
        self._version = {} if self._old else {"api-version": version}

    def submit(
        self,
        urls: Sequence[str],
        options: RecognitionOptions,
        *,
        channels: Sequence[int],
        name: str,
        custom: Mapping[str, str],
    ) -> Request:
        """Makes a job of the recordings at URLs. Without channels Azure takes the first two."""
        locales = locales_of(options)
        properties: dict[str, Any] = {"wordLevelTimestampsEnabled": options.words, "profanityFilterMode": "None"}
        properties |= {"timeToLive": f"PT{KEPT_HOURS}H"} if self._old else {"timeToLiveHours": KEPT_HOURS}
        if channels:
            properties["channels"] = list(channels)
        if len(locales) > 1:
            properties["languageIdentification"] = {"candidateLocales": locales, "mode": "Single"}
        body = {
            "contentUrls": list(urls),
            "locale": locales[0],
            "displayName": name,
            "customProperties": dict(custom),
            "properties": properties,
        }
        path = "/transcriptions" if self._old else "/transcriptions:submit"
        return Request(method="POST", path=self._base + path, query=self._version, body=body)

    def find(self, name: str, *, skip: int) -> Request:
        """Lists the jobs with a display name, a page from `skip` on."""
        quoted = name.replace("'", "''")
        query = {**self._version, "skip": str(skip), "top": str(PAGE), "filter": f"displayName eq '{quoted}'"}
        return Request(method="GET", path=f"{self._base}/transcriptions", query=query)

    def job(self, job_id: str) -> Request:
        """Asks for a job."""
        return Request(method="GET", path=f"{self._base}/transcriptions/{job_id}", query=self._version)

    def delete(self, job_id: str) -> Request:
        """Deletes a job and its files."""
        return Request(method="DELETE", path=f"{self._base}/transcriptions/{job_id}", query=self._version)

    def files(self, job_id: str, *, skip: int) -> Request:
        """Lists the files of a job, a page from `skip` on."""
        query = {**self._version, "skip": str(skip), "top": str(PAGE)}
        return Request(method="GET", path=f"{self._base}/transcriptions/{job_id}/files", query=query)

    def webhooks(self, *, skip: int) -> Request:
        """Lists the webhooks of the resource, a page from `skip` on."""
        query = {**self._version, "skip": str(skip), "top": str(PAGE)}
        return Request(method="GET", path=f"{self._base}/webhooks", query=query)

    def create_webhook(self, *, name: str, url: str, secret: str) -> Request:
        """Has each completed job posted to a URL, signed with a secret."""
        return Request(method="POST", path=f"{self._base}/webhooks", query=self._version, body=_webhook(name, url, secret))

    def update_webhook(self, webhook_id: str, *, name: str, url: str, secret: str) -> Request:
        """Gives a webhook all that `create_webhook` would; one that Azure has switched off is on again."""
        path = f"{self._base}/webhooks/{webhook_id}"
        return Request(method="PATCH", path=path, query=self._version, body=_webhook(name, url, secret))

    def delete_webhook(self, webhook_id: str) -> Request:
        """Deletes a webhook."""
        return Request(method="DELETE", path=f"{self._base}/webhooks/{webhook_id}", query=self._version)


def _webhook(name: str, url: str, secret: str) -> dict[str, Any]:
    events = {COMPLETION: True}
    return {"displayName": name, "webUrl": url, "events": events, "properties": {"secret": secret}}


def read_job(content: bytes) -> Job:
    """Reads a job."""
    return _read(Job, content)


def read_jobs(content: bytes) -> tuple[Sequence[Job], bool]:
    """Reads a page of jobs, and whether there is another."""
    page = _read(_Jobs, content)
    return page.values, bool(page.next_link)


def read_files(content: bytes) -> tuple[Sequence[JobFile], bool]:
    """Reads a page of files, and whether there is another."""
    page = _read(_Files, content)
    return page.values, bool(page.next_link)


def read_webhooks(content: bytes) -> tuple[Sequence[Webhook], bool]:
    """Reads a page of webhooks, and whether there is another."""
    page = _read(_Webhooks, content)
    return page.values, bool(page.next_link)


def read_report(content: bytes) -> Sequence[ReportEntry]:
    """Reads the report of a job."""
    return _read(_Report, content).details


def error_of(content: bytes) -> tuple[str, str]:
    """The most exact code of an error body, and its message for a person; the gateway's form has an outer `error`."""
    for kind in (_Gateway, _Error):
        try:
            told = kind.model_validate_json(content)
        except ValidationError:
            continue
        error = told.error if isinstance(told, _Gateway) else told
        inner = error.inner or _InnerError()
        return inner.code or error.code, inner.message or error.message
    return "", _without_signatures(content[:2000].decode("utf-8", "replace"))[:200].strip()


B = TypeVar("B", bound=_Body)


def _read(kind: type[B], content: bytes) -> B:
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        raise UnreadableResult(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None
