"""Makes `schemas/*.json`, by which manifests are checked without a cluster: one file an origin, only the kinds in use.

make_schemas.py kubernetes FOLDER               the `vX.Y.Z-local-strict` folder of the package kubernetes-validate
make_schemas.py NAME CRD.yaml [CRD.yaml ...]    CustomResourceDefinitions, as their projects publish them

Descriptions are left out. Fields that the API server would drop or refuse as unknown are errors. Where each origin is had, and
its licence: `schemas/README.md`.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

SCHEMAS = Path(__file__).parent / "schemas"
KINDS = {
    "v1/ConfigMap": "configmap-v1",
    "v1/Namespace": "namespace-v1",
    "v1/PersistentVolumeClaim": "persistentvolumeclaim-v1",
    "v1/Service": "service-v1",
    "v1/ServiceAccount": "serviceaccount-v1",
    "apps/v1/Deployment": "deployment-apps-v1",
    "apps/v1/StatefulSet": "statefulset-apps-v1",
    "batch/v1/Job": "job-batch-v1",
    "networking.k8s.io/v1/Ingress": "ingress-networking-v1",
    "networking.k8s.io/v1/NetworkPolicy": "networkpolicy-networking-v1",
    "policy/v1/PodDisruptionBudget": "poddisruptionbudget-policy-v1",
}
_REFERENCE = re.compile(r'"#/\$defs/([^"]+)"')


def of_kubernetes(folder: Path) -> dict[str, Any]:
    """The schemas of Kubernetes' own kinds, with the definitions that they reach and no others."""
    own = {kind: json.loads(_local((folder / f"{name}.json").read_text("utf-8"))) for kind, name in KINDS.items()}
    all_definitions = json.loads(_local((folder / "_definitions.json").read_text("utf-8")))["$defs"]
    definitions: dict[str, Any] = {}
    to_do = [json.dumps(own)]
    while to_do:
        for name in set(_REFERENCE.findall(to_do.pop())) - definitions.keys():
            definitions[name] = all_definitions[name]
            to_do.append(json.dumps(definitions[name]))
    return {
        "kinds": {kind: bare(schema) for kind, schema in own.items()},
        "$defs": {name: bare(schema) for name, schema in sorted(definitions.items())},
    }


def of_definitions(paths: list[Path]) -> dict[str, Any]:
    """The schemas of CustomResourceDefinitions, each served version a kind."""
    return {"kinds": dict(sorted(kind for path in paths for kind in _kinds(path)))}


def _kinds(path: Path) -> Iterator[tuple[str, Any]]:
    for document in yaml.safe_load_all(path.read_text("utf-8")):
        for version in document["spec"]["versions"] if document else ():
            if version["served"] and not version.get("deprecated"):
                schema = version["schema"]["openAPIV3Schema"]
                schema["properties"] |= {
                    "metadata": {"type": "object"},
                    "apiVersion": {"type": "string"},
                    "kind": {"type": "string"},
                }
                schema["properties"].pop("status", None)
                yield f"{document['spec']['group']}/{version['name']}/{document['spec']['names']['kind']}", bare(closed(schema))


def closed(schema: Any) -> Any:
    """A structural schema of the API server, whose unknown fields are errors."""
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"], **{key: value for key, value in schema.items() if key not in ("anyOf", "type")}}
    made = dict(schema)
    if "properties" in schema:
        made["properties"] = {name: closed(child) for name, child in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            made.setdefault("additionalProperties", False)
    for name in ("items", "additionalProperties"):
        if isinstance(made.get(name), dict):
            made[name] = closed(made[name])
    return made


def bare(schema: Any, *, names: bool = False) -> Any:
    """The schema without what only people and clients read; `names`: its keys are names of properties."""
    if isinstance(schema, list):
        return [bare(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: bare(value, names=not names and key in ("properties", "patternProperties"))
        for key, value in schema.items()
        if names or not (key in ("description", "default", "example", "$schema", "format") or key.startswith("x-kubernetes-"))
    }


def _local(text: str) -> str:
    return re.sub(r'"[^"]*_definitions\.json#/', '"#/', text)


def main(name: str, *sources: str) -> None:
    """Writes one file."""
    made = of_kubernetes(Path(sources[0])) if name == "kubernetes" else of_definitions([Path(source) for source in sources])
    # A line a kind, so that a change can be looked at.
    groups = [
        f'"{group}": {{\n'
        + ",\n".join(f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in part.items())
        + "\n}"
        for group, part in made.items()
    ]
    SCHEMAS.mkdir(exist_ok=True)
    (SCHEMAS / f"{name}.json").write_text("{\n" + ",\n".join(groups) + "\n}\n", "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
