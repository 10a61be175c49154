"""The checks that every service has: its objects, its files of certificates and keys, its port. Services add their own."""

import asyncio
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiohttp

from steno.doctor import tls
from steno.doctor.checks import Check
from steno.doctor.cluster import judge_space
from steno.doctor.findings import Finding, Severity, error, note, ok, warning
from steno.doctor.service_gathering import ask_services
from steno.http.auth import read_api_key
from steno.key_file import Key, parse_keys
from steno.secret_file import Fault, lines_of
from steno.settings import ServiceSettings
from steno.storage.objects import ObjectStore

ServiceChecks = Callable[[], tuple[ServiceSettings, Sequence[Check]]]
"""What the entry point group `steno.checks` names: reads the settings of a service from the environment, and makes the checks
that it alone has. Raises `steno.settings.SettingsError`."""

_KEY_SOON = timedelta(days=21)
_ANYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - addresses that a server listens on


def service_checks(settings: ServiceSettings, *, own_version: str) -> list[Check]:
    """Makes the checks of a service that all services have, from its settings."""
    name = settings.service

    async def certificates() -> list[Finding]:
        now, found = datetime.now(UTC), list[Finding]()
        if (certificate := settings.tls_certificate_file) is not None:
            found += tls.judge_files(certificate, settings.tls_key_file, now=now)
        if settings.tls_client_ca_file is not None:
            found += tls.judge_authority_file(settings.tls_client_ca_file, now=now)
        return found or [ok(name, "no TLS: it serves plain HTTP, for a proxy or one machine")]

    async def port() -> list[Finding]:
        return await _own_port(settings, own_version)

    checks = [
        Check(name=f"{name} certificates", run=certificates),
        Check(name=f"{name} port", run=port),
    ]
    keys: Path | None = getattr(settings, "api_keys_file", None)
    if hasattr(settings, "api_keys_file"):

        async def key_file() -> list[Finding]:
            return judge_key_file(keys, now=datetime.now(UTC))

        checks.append(Check(name=f"{name} keys", run=key_file))
    return checks


def objects_check(settings: ServiceSettings) -> Check:
    """Makes the check of the object store, for services that use it."""

    async def run() -> list[Finding]:
        return await probe_objects(ObjectStore(settings.objects.url, settings.objects.options))

    return Check(name=f"{settings.service} objects", run=run)


async def probe_objects(store: ObjectStore) -> list[Finding]:
    """Writes, reads and deletes an object. Raises `StoreUnavailable` where it cannot."""
    key, data = f"doctor-{uuid.uuid4().hex}", b"written by steno doctor"
    url = await store.put(key, data)
    try:
        read = await store.get(url)
    finally:
        await store.delete(url)
    if read != data:
        return [
            error(store.url, "an object was read otherwise than it was written", "look at the store, or at a cache before it")
        ]
    found = [ok(store.url, "an object was written, read and deleted")]
    if store.local:
        found.append(disk_space(Path(unquote(urlsplit(store.url).path))))
    return found


def disk_space(folder: Path) -> Finding:
    """Judges the free space of the disk with a folder."""
    disk = shutil.disk_usage(folder)
    return judge_space(str(folder), disk.free, disk.total, "delete what is not needed, or give it more room")


def judge_key_file(path: Path | None, *, now: datetime) -> list[Finding]:
    """Judges a file of API keys."""
    if path is None:
        return [
            error("API keys", "no file is set, so no key is accepted", "set …_API_KEYS_FILE, and run `steno keys add NAME`")
        ]
    where = str(path)
    try:
        lines = lines_of(path.read_bytes().decode("utf-8"))
        mode = path.stat().st_mode
    except FileNotFoundError:
        return [error(where, "the file is not there, so no key is accepted", f"run `steno keys add NAME --file {where}`")]
    except (OSError, UnicodeDecodeError) as failure:
        return [error(where, f"it cannot be read: {failure}", "let the user of the service read it")]
    found = _keys_in(where, *parse_keys(lines, read_api_key), now)
    if mode & stat.S_IROTH:
        found.append(note(where, "everybody on this machine may read it", f"chmod 640 {where}"))
    return found


def _keys_in(where: str, keys: dict[str, Key], faults: Sequence[Fault], now: datetime) -> list[Finding]:
    found = [warning(f"{where}, line {fault.line}", f"it opens nothing: {fault.reason}", "mend the line") for fault in faults]
    valid = [key for key in keys.values() if key.opens(now)]
    for key in valid:
        if key.expires is not None and key.expires - now < _KEY_SOON:
            what = f"the key expires on {key.expires:%Y-%m-%d %H:%M} UTC"
            found.append(warning(f"{where}, line {key.line}", what, "give its bearer another (`steno keys add`)"))
    if not valid:
        found.append(error(where, "no key in it is valid", f"run `steno keys add NAME --file {where}`"))
    return found or [ok(where, f"{len(valid)} keys are valid")]


async def _own_port(settings: ServiceSettings, own_version: str) -> list[Finding]:
    admin = settings.admin_port is not None
    host, port = (settings.admin_host, settings.admin_port) if admin else (settings.http_host, settings.http_port)
    if not port:
        return [note(settings.service, "it takes any free port, so it was not asked", "see `service.listening` in its log")]
    scheme = "http" if settings.tls_certificate_file is None else "https"
    host = "127.0.0.1" if host in _ANYWHERE else f"[{host}]" if ":" in host else host
    url = f"{scheme}://{host}:{port}"
    # Its certificate is for the name that clients use; the check of certificates looks at it.
    found = await ask_services(
        {settings.service: url}, aiohttp.TCPConnector(ssl=False), own_version=own_version, trusted="--ca"
    )
    if any(finding.severity == Severity.ERROR and "does not answer" in finding.what for finding in found):
        return [note(url, f"no {settings.service} answers here", "start it, unless it runs elsewhere")]
    return found


async def folder_space(folder: Path) -> list[Finding]:
    """Judges the free space of a folder that may not be there, in a check."""
    if not await asyncio.to_thread(os.path.isdir, folder):
        return [error(str(folder), "there is no such folder", "make it, or set another")]
    return [await asyncio.to_thread(disk_space, folder)]
