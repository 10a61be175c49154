"""What images are built on."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCKERFILES = sorted(path for folder in ("deploy", "tests", "examples") for path in (ROOT / folder).rglob("Dockerfile*"))
_DIGEST = re.compile(r"[\w./:-]+@sha256:[0-9a-f]{64}")


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_base_is_known_by_its_digest(path: Path) -> None:
    """Or is a stage of the same file, or must be given by whoever builds: a tag is another image tomorrow."""
    text = path.read_text("utf-8")
    arguments = dict(re.findall(r"(?m)^ARG (\w+)(?:=(\S+))?$", text))
    stages: set[str] = set()
    bases = re.findall(r"(?m)^FROM (?:--platform=\S+ )?(\S+)(?: AS (\w+))?$", text)
    assert len(bases) == len(re.findall(r"(?mi)^\s*FROM\b", text)) > 0
    for base, stage in bases:
        given = re.fullmatch(r"\$\{(\w+)\}", base)
        reference = arguments[given[1]] if given else base
        assert reference in {"", *stages} or _DIGEST.fullmatch(reference), f"{path}: {reference} has no digest"
        stages.add(stage)


#: Known by a release whose tag its makers do not move; its digest cannot be looked up without a registry of images.
_BY_RELEASE = re.compile(r"(?:\$\{\w+_IMAGE:-)?[\w./-]+:v?\d+\.\d+[\w.-]*\}?")
_OWN = re.compile(r"(?:\$\{STENO_IMAGES:-\})?steno-\S+")


def test_what_is_deployed_by_name_is_one_version() -> None:
    """In manifests too, but for our own images, which whoever deploys them builds: by digest, or by a release's full number."""
    manifests = [path for path in (ROOT / "deploy").rglob("*.y*ml") if path.is_file()]
    images = [
        image for path in manifests for image in re.findall(r"(?m)^\s*-?\s*image:\s*[\"']?(\S+?)[\"']?\s*$", path.read_text())
    ]
    assert [image for image in images if not any(form.fullmatch(image) for form in (_OWN, _DIGEST, _BY_RELEASE))] == []


def test_the_image_keeps_what_it_keeps_private() -> None:
    """Its folder is its user's alone."""
    text = (ROOT / "deploy/images/Dockerfile").read_text("utf-8")
    assert "install -d -m 0700 -o steno -g steno /var/lib/steno" in text
    assert re.search(r"(?m)^USER 10001$", text)
