"""Writes what the suite and each image are made of, in CycloneDX 1.6: `python -m supply.sbom FOLDER` (`make sbom`).

One document an installation: `suite` (one machine: all services, the local Kafka with its Java, the catalogue's models), and
one for each image (its service, and the image it is built on, whose packages are its makers' to list). The same locks give the
same document, but for the moment it was made at, which SOURCE_DATE_EPOCH sets (reproducible-builds.org).
"""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6

from supply.parts import SERVICES, Part, base_part, java_parts, model_parts, python_parts

_KINDS = {
    "library": ComponentType.LIBRARY,
    "model": ComponentType.MACHINE_LEARNING_MODEL,
    "image": ComponentType.CONTAINER,
}


def installations() -> dict[str, list[Part]]:
    """The parts of each installation, by its name. Raises `UnknownPart`."""
    images = {
        service: [*python_parts([f"steno-{service}"]), base_part(), *(model_parts() if service == "transcriber" else [])]
        for service in SERVICES
    }
    return {"suite": [*python_parts(["steno[suite]"]), *java_parts(), *model_parts()], **images}


def document(name: str, parts: Sequence[Part], made_at: datetime) -> str:
    """The parts of an installation as CycloneDX 1.6, in JSON."""
    kind = ComponentType.APPLICATION if name == "suite" else ComponentType.CONTAINER
    whole = Component(
        name=f"steno-{name}", version=version("steno"), type=kind, bom_ref=f"steno-{name}", licenses=[_licence("Apache-2.0")]
    )
    components = [_component(part) for part in parts]
    bom = Bom(components=components, serial_number=uuid5(NAMESPACE_URL, "\n".join([name, *sorted(map(repr, parts))])))
    bom.metadata.component = whole
    bom.metadata.timestamp = made_at
    bom.register_dependency(whole, components)
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def main(folder: Path) -> None:
    """Writes a document for each installation."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    made_at = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    folder.mkdir(parents=True, exist_ok=True)
    for name, parts in installations().items():
        path = folder / f"{name}.cdx.json"
        path.write_text(document(name, parts, made_at), "utf-8")
        print(f"{path}: {len(parts)} parts")  # noqa: T201


def _component(part: Part) -> Component:
    return Component(
        name=part.name,
        group=part.purl.namespace,
        version=part.version,
        type=_KINDS[part.kind],
        scope=ComponentScope.OPTIONAL if part.optional else ComponentScope.REQUIRED,
        purl=part.purl,
        bom_ref=part.purl.to_string(),
        licenses=[_licence(part.licence)],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in part.digests],
    )


def _licence(told: str) -> License:
    return LicenseFactory().make_from_string(told)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
