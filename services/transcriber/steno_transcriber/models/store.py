"""The content-addressed cache of models; every file in it has been verified.

models/blobs/DIGEST       the bytes, under their SHA-256
models/partial/DIGEST     a download under way, resumed by the next pull
models/rejected/…         downloads with a wrong digest, for inspection
models/by-name/NAME/FILE  links to the blobs: the directory an engine loads
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from steno.cache_folder import cache_folder
from steno_transcriber.digest import file_digest
from steno_transcriber.models.catalogue import Model, ModelFile, catalogue
from steno_transcriber.models.errors import ModelDamaged, ModelMissing, ModelUnreachable, UnknownModel
from steno_transcriber.models.sources import Progress, Source, SourceFailed

WEIGHTS = "model.bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A file of a model that is missing or wrong, and how."""

    path: Path
    reason: str


class ModelStore:
    """The cache of models on this machine."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = (folder or cache_folder()) / "models"

    def directory(self, model: Model) -> Path:
        """The directory that an engine loads, whether it exists or not."""
        return self._folder / "by-name" / model.name

    def has(self, model: Model) -> bool:
        """Whether all files are there with the right size. `verify` reads them."""
        return all(_size(self.directory(model) / file.name) == file.size for file in model.files)

    def resolve(self, name_or_directory: str | Path) -> Path:
        """Find the directory of a model, by its name in the catalogue (digests checked) or by a path. Never downloads.

        Raises:
            UnknownModel: neither a name nor a directory with a model.
            ModelMissing: it has not been pulled.
            ModelDamaged: a file is not what the catalogue says.
        """
        model = catalogue().get(str(name_or_directory))
        if model is None:
            path = Path(name_or_directory).expanduser()
            if (path / WEIGHTS).is_file():
                return path
            known = ", ".join(catalogue())
            raise UnknownModel(f"{name_or_directory} is neither a model ({known}) nor a directory with a {WEIGHTS} in it")
        if not self.has(model):
            raise ModelMissing(f"the model {model.name} is not on this machine: run `steno models pull {model.name}`")
        faults = self.verify(model)
        if faults:
            raise ModelDamaged(f"{faults[0].path}: {faults[0].reason}; run `steno models pull {model.name}`")
        return self.directory(model)

    def verify(self, model: Model, folder: Path | None = None) -> list[Fault]:
        """Read every file of the model, in the cache or in `folder`, and return the faults."""
        directory = folder or self.directory(model)
        return [fault for file in model.files if (fault := _fault(directory / file.name, file)) is not None]

    def pull(self, model: Model, sources: Sequence[Source], progress: Progress) -> Path:
        """Fetch a model into the cache, file by file, each from the first source that has the right bytes. Blocks.

        Verified files are kept; an interrupted download is resumed; a cache is changed by one pull at a time.

        Raises:
            ModelUnreachable: no source could provide a file.
            ModelDamaged: a source gave wrong bytes, and none gave the right ones. The wrong ones are kept aside.
        """
        directory = self.directory(model)
        for folder in (directory, self._folder / "blobs", self._folder / "partial", self._folder / "rejected"):
            folder.mkdir(parents=True, exist_ok=True)
        with self._lock():
            for file in model.files:
                self._fetch(model, file, sources, progress)
                progress(file, file.size)
                _link(directory / file.name, self._folder / "blobs" / file.sha256)
        return directory

    def _fetch(self, model: Model, file: ModelFile, sources: Sequence[Source], progress: Progress) -> None:
        blob = self._folder / "blobs" / file.sha256
        fault = _fault(blob, file)
        if fault is None:
            return
        if blob.exists():
            self._reject(blob, file)
        partial = self._folder / "partial" / file.sha256
        reasons, damaged = [], False
        for source in sources:
            try:
                source.fetch(model, file, partial, progress)
            except SourceFailed as failure:
                reasons.append(str(failure))
                continue
            fault = _fault(partial, file)
            if fault is None:
                partial.replace(blob)
                return
            damaged = True
            aside = self._reject(partial, file)
            reasons.append(f"{source.name}: {file.name} {fault.reason}; set aside as {aside}")
        error = ModelDamaged if damaged else ModelUnreachable
        raise error(f"{file.name} of {model.name} cannot be had: {'; '.join(reasons)}")

    def _reject(self, path: Path, file: ModelFile) -> Path:
        return path.replace(self._folder / "rejected" / f"{file.sha256[:12]}-{file.name}")

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with (self._folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _fault(path: Path, file: ModelFile) -> Fault | None:
    size = _size(path)
    if size is None:
        return Fault(path=path, reason="is missing")
    if size != file.size:
        return Fault(path=path, reason=f"has {size} bytes instead of {file.size}")
    actual = file_digest(path)
    if actual != file.sha256:
        return Fault(path=path, reason=f"has the SHA-256 {actual} instead of {file.sha256}")
    return None


def _link(link: Path, blob: Path) -> None:
    temporary = link.with_name(f".{link.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(os.path.relpath(blob, link.parent))
    temporary.replace(link)
