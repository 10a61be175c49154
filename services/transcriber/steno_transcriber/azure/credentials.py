"""Credentials for Azure Speech: subscription keys that rotate, or bearer tokens (Entra).

An endpoint is tried with each of its credentials in order, the one that it accepted last first. Both halves of the engine
use it:

    for credential in await credentials.of(endpoint):
        ...                                       # request.headers.update(credential.headers)
        credentials.accepted(endpoint, credential)  # or, after a 401: credentials.refused(endpoint, credential)
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import httpx
import structlog

from steno.retry_after import parse_retry_after
from steno.secret_file import Fault, Line, SecretFile
from steno_transcriber.azure.endpoints import Endpoint
from steno_transcriber.azure.settings import AzureSettings
from steno_transcriber.engines.port import EngineUnavailable

log = structlog.get_logger("steno.transcriber.azure")

SCOPE = "https://cognitiveservices.azure.com/.default"
"""What a token must be for (Microsoft Entra, OAuth 2.0 client credentials)."""

_EARLY_SECONDS = 300.0
"""A token is replaced so long before it expires."""

_ASKED_SECONDS = 10.0
"""How long Entra may take: all requests of an endpoint wait for the token."""

_REFUSED_SECONDS = 60.0
"""How long a token request that failed is not made again."""


class NotSetUp(EngineUnavailable):
    """There are no credentials for an endpoint; the message says which setting is missing."""

    error_class = "engine_unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A subscription key, or a bearer token."""

    kind: Literal["key", "token"]
    secret: str = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a request."""
        if self.kind == "key":
            return {"Ocp-Apim-Subscription-Key": self.secret}
        return {"Authorization": f"Bearer {self.secret}"}


class Credentials:
    """The credentials of each endpoint as they are now. Used on one event loop."""

    def __init__(
        self,
        settings: AzureSettings,
        http: httpx.AsyncClient,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            http: Asks Entra for tokens.
            monotonic: Seconds of a clock that only goes forward.

        Raises:
            steno.secret_file.SecretFileUnreadable: a file is there but cannot be read.
        """
        self._endpoints = settings.endpoints
        self._keys = SecretFile(settings.keys_file, _keys, what="Azure key file", monotonic=monotonic)
        self._token = SecretFile(settings.token_file, _one_word, what="Azure token file", monotonic=monotonic)
        self._entra = _Entra(settings, http, monotonic=monotonic) if settings.tenant else None
        #: By endpoint: what it accepted last.
        self._accepted: dict[str, Credential] = {}

    async def of(self, endpoint: Endpoint) -> Sequence[Credential]:
        """The credentials to try at an endpoint, in order; at least one.

        Raises:
            NotSetUp: there is none.
            EngineUnavailable: Entra gives no token now.
        """
        found = [Credential(kind="key", secret=key) for key in self._keys_of(endpoint)]
        if token := self._token.current_or_recent():
            found.append(Credential(kind="token", secret=token))
        if self._entra is not None:
            found.append(Credential(kind="token", secret=await self._entra.token()))
        if not found:
            raise NotSetUp(
                f"there are no credentials for {endpoint.name}: set STENO_TRANSCRIBER_AZURE_KEYS_FILE, "
                "STENO_TRANSCRIBER_AZURE_TOKEN_FILE or STENO_TRANSCRIBER_AZURE_TENANT, and see that the file has them"
            )
        accepted = self._accepted.get(endpoint.url)
        return sorted(found, key=lambda credential: credential != accepted)

    def accepted(self, endpoint: Endpoint, credential: Credential) -> None:
        """Notes that an endpoint has accepted a credential, so that it is the first to be tried."""
        self._accepted[endpoint.url] = credential

    def refused(self, endpoint: Endpoint, credential: Credential) -> None:
        """Notes that an endpoint has refused a credential (401)."""
        if self._accepted.get(endpoint.url) == credential:
            del self._accepted[endpoint.url]
        if self._entra is not None:
            self._entra.refuse(credential.secret)
        log.warning("azure.credential_refused", endpoint=endpoint.name, kind=credential.kind)

    def _keys_of(self, endpoint: Endpoint) -> Sequence[str]:
        lines = self._keys.current_or_recent()
        if not lines:
            return ()
        return lines[min(self._endpoints.index(endpoint), len(lines) - 1)]


class _Entra:
    """Tokens by client credentials (Microsoft identity platform, OAuth 2.0 client credentials flow)."""

    def __init__(self, settings: AzureSettings, http: httpx.AsyncClient, *, monotonic: Callable[[], float]) -> None:
        self._url = f"{settings.login_url}/{settings.tenant}/oauth2/v2.0/token"
        self._client_id = settings.client_id
        self._secret = SecretFile(settings.client_secret_file, _one_word, what="Azure client secret file", monotonic=monotonic)
        self._http = http
        self._monotonic = monotonic
        self._token = ""
        self._good_until = 0.0
        self._not_before = 0.0
        self._reason = ""
        self._asking = asyncio.Lock()

    async def token(self) -> str:
        """The token, a new one where it expires soon.

        Raises:
            EngineUnavailable: Entra gives none now.
        """
        now = self._monotonic()
        if self._token and now < self._good_until - _EARLY_SECONDS:
            return self._token
        async with self._asking:
            # Whoever was before may have got one, or none.
            now = self._monotonic()
            if now >= self._not_before and not (self._token and now < self._good_until - _EARLY_SECONDS):
                await self._ask()
        if self._token and self._monotonic() < self._good_until:
            return self._token
        raise EngineUnavailable(self._reason, again_in_seconds=max(0.0, self._not_before - self._monotonic()))

    def refuse(self, token: str) -> None:
        """Forget the token if it is this one: the next request gets another."""
        if token == self._token:
            self._token = ""

    async def _ask(self) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "client_secret": self._secret.current_or_recent(),
            "scope": SCOPE,
        }
        pause = _REFUSED_SECONDS
        try:
            response = await self._http.post(self._url, data=form, timeout=_ASKED_SECONDS)
            answer = response.json()
            if response.status_code == 200:
                self._token = str(answer["access_token"])
                self._good_until = self._monotonic() + float(answer["expires_in"])
                return
            self._reason = f"Entra gives no token (status {response.status_code}): {_first_line(answer)}"
            asked = parse_retry_after(response.headers.get("Retry-After"), now=datetime.now(UTC))
            pause = pause if asked is None else max(1.0, asked.total_seconds())
        except httpx.HTTPError as error:
            self._reason = f"Entra cannot be reached: {error!r}"
            pause = 5.0
        except (ValueError, KeyError, TypeError):
            self._reason = "Entra answered what is no token"
        self._not_before = self._monotonic() + pause
        log.error("azure.no_token", reason=self._reason)


def _first_line(answer: object) -> str:
    """What Entra says is wrong; its further lines are trace ids."""
    told = answer.get("error_description", answer.get("error", "")) if isinstance(answer, dict) else ""
    return str(told).partition("\n")[0].strip()[:300]


def _keys(lines: Sequence[Line]) -> tuple[tuple[tuple[str, ...], ...], Sequence[Fault]]:
    faults = [Fault(line.number, "a line has one or two keys") for line in lines if len(line.fields) > 2]
    return tuple(line.fields for line in lines if len(line.fields) <= 2), faults


def _one_word(lines: Sequence[Line]) -> tuple[str, Sequence[Fault]]:
    faults = [Fault(line.number, "the file has one word, on one line") for line in lines[1:]]
    return lines[0].fields[0] if lines else "", faults
