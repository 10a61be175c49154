"""Reads the catalogue of models (`catalogue.toml`)."""

import tomllib
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

CATALOGUE = Path(__file__).with_name("catalogue.toml")


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelFile(_Entry):
    """One file of a model: its name, size in bytes, digest (hex), and the files it is joined from in the mirror's packages."""

    name: str = Field(pattern=r"^[\w.-]+$")
    size: int = Field(gt=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    parts: tuple[str, ...] = ()


class Hub(_Entry):
    """A repository on the official model hub, pinned to a revision."""

    repository: str
    revision: str


class Model(_Entry):
    """A model of the catalogue. `languages` are BCP 47 primary languages, `*` for all that Whisper knows."""

    name: str = Field(pattern=r"^[\w.-]+$")
    summary: str
    languages: tuple[str, ...]
    licence: str
    hub: Hub
    packages: tuple[str, ...] = ()
    files: tuple[ModelFile, ...] = Field(min_length=1)

    @property
    def size(self) -> int:
        """The size of all files, in bytes."""
        return sum(file.size for file in self.files)


@cache
def catalogue(path: Path = CATALOGUE) -> dict[str, Model]:
    """The models by name, in the order of the file."""
    models = [Model.model_validate(entry) for entry in tomllib.loads(path.read_text())["model"]]
    return {model.name: model for model in models}
