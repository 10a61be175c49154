"""Builds overlays by the real kustomize, once each, and checks objects against the schemas beside this module."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

ROOT = Path(__file__).parents[3]
OVERLAYS = {
    **{name: ROOT / "deploy" / "kubernetes" / "overlays" / name for name in ("small", "large", "gpu")},
    "everything": Path(__file__).parent / "everything",
}
_SCHEMAS = Path(__file__).parent / "schemas"
_VERSION = "v5.8.1"
_BIN = Path.home() / ".cache" / "steno" / f"kustomize-{_VERSION}"

Object = dict[str, Any]


def build(folder: Path) -> list[Object]:
    """The objects of a folder with a kustomization.

    Raises:
        AssertionError: kustomize refuses it; the message is kustomize's.
    """
    done = subprocess.run([*_command(), folder], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"kustomize build {folder}: {done.stderr}"
    return [document for document in yaml.safe_load_all(done.stdout) if document]


@cache
def objects(overlay: str) -> tuple[Object, ...]:
    """The objects of an overlay; not to be changed."""
    return tuple(build(OVERLAYS[overlay]))


def of_kind(overlay: str, *kinds: str) -> list[Object]:
    """The objects of these kinds."""
    return [entry for entry in objects(overlay) if entry["kind"] in kinds]


def name_of(entry: Object) -> str:
    """`Kind/name`, for messages."""
    return f"{entry['kind']}/{entry['metadata']['name']}"


@cache
def _command() -> Sequence[str]:
    if shutil.which("kustomize"):
        return ("kustomize", "build")
    if shutil.which("kubectl"):
        # Before kustomize 5 a patch with a target could not leave its own kind and name open.
        told = subprocess.run(["kubectl", "version", "--client"], capture_output=True, text=True, check=False).stdout
        if "Kustomize Version: v5" in told:
            return ("kubectl", "kustomize")
    if not (_BIN / "kustomize").exists() and shutil.which("go"):
        environment = {**os.environ, "GOBIN": str(_BIN), "CGO_ENABLED": "0"}
        subprocess.run(
            ["go", "install", f"sigs.k8s.io/kustomize/kustomize/v5@{_VERSION}"], env=environment, check=False, timeout=600
        )
    if (_BIN / "kustomize").exists():
        return (str(_BIN / "kustomize"), "build")
    pytest.skip("the manifests are left out: install kustomize 5, kubectl 1.30 or newer, or Go")


@cache
def _validators() -> Mapping[str, jsonschema_rs.Validator]:
    made = {}
    for path in _SCHEMAS.glob("*.json"):
        document = json.loads(path.read_text("utf-8"))
        shared = {"$defs": document["$defs"]} if "$defs" in document else {}
        made.update({kind: jsonschema_rs.validator_for({**schema, **shared}) for kind, schema in document["kinds"].items()})
    return made


def faults(entry: Object) -> list[str]:
    """What is wrong with an object by the schema of its kind, each with its place."""
    kind = f"{entry['apiVersion']}/{entry['kind']}"
    if kind not in _validators():
        return [f"no schema of {kind}: see tests/support/kubernetes/schemas/README.md"]
    return [
        f"{name_of(entry)} at {'/'.join(map(str, error.instance_path))}: {error.message}"
        for error in _validators()[kind].iter_errors(entry)
    ]


def template_of(entry: Object) -> Object:
    """The pod template of a workload."""
    template: Object = entry["spec"]["template"]
    return template


def workloads(overlay: str) -> list[Object]:
    """Everything that has pods of Steno's own."""
    found = of_kind(overlay, "StatefulSet", "Deployment", "Job")
    return [entry for entry in found if entry["metadata"].get("labels", {}).get("app.kubernetes.io/part-of") == "steno"]


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector selects labels; an empty one selects all."""
    for one in selector.get("matchExpressions", ()):
        has = one["key"] in labels
        meets = {
            "In": has and labels[one["key"]] in one.get("values", ()),
            "NotIn": not has or labels[one["key"]] not in one.get("values", ()),
            "Exists": has,
            "DoesNotExist": not has,
        }
        if not meets[one["operator"]]:
            return False
    return all(labels.get(name) == value for name, value in selector.get("matchLabels", {}).items())
