"""The URLs by which Azure reads recordings."""

from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from steno.secret_file import SecretFile
from steno.settings import LinkSettings
from steno.storage import links
from steno.storage.objects import ObjectStore
from steno_transcriber.engines.port import EngineUnavailable, Unsupported
from steno_transcriber.fetch.fetcher import redact


class AudioUrls:
    """Makes the URLs of recordings: signed ones for those of the object store, their own for those that have one."""

    def __init__(
        self, store: ObjectStore, settings: LinkSettings, *, valid_for: timedelta, clock: Callable[[], datetime]
    ) -> None:
        """Raises `SecretFileUnreadable`."""
        self._store = store
        self._base_url = settings.url
        self._secrets = SecretFile(settings.secret_file, links.parse_secrets, what="file of link secrets")
        self._valid_for = valid_for
        self._clock = clock

    def check(self, url: str) -> None:
        """Raises `Unsupported` where Azure cannot be given a URL for a recording."""
        if not self._store.owns(url) and urlsplit(url).scheme not in ("http", "https"):
            raise Unsupported(
                f"Azure cannot read {redact(url)}: give an https:// URL, or upload it; file:// URLs are of this machine"
            )

    async def of(self, url: str) -> str:
        """The URL for a recording, by which it can be read for a time.

        Raises:
            Unsupported: there is none.
            EngineUnavailable: the operator has not said how Azure reaches a local store.
            StoreUnavailable: the store cannot sign one now.
        """
        self.check(url)
        if not self._store.owns(url):
            return url
        if not self._store.local:
            return await self._store.sign(url, valid_for=self._valid_for)
        secrets = self._secrets.current_or_recent()
        if self._base_url is None or not secrets:
            raise EngineUnavailable(
                "Azure cannot read a local folder: set STENO_LINKS_URL and STENO_LINKS_SECRET_FILE, here and for ingest"
            )
        key = self._store.key_of(url)
        return links.make_link(self._base_url, key, secret=secrets[0], expires=self._clock() + self._valid_for)
