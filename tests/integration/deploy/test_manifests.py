"""The manifests for Kubernetes are what an API server would take, and keep to the rules of the namespace they are for."""

import copy
from typing import Any

import pytest
from support.kubernetes.kustomize import OVERLAYS, faults, name_of, objects, of_kind, template_of, workloads

OVERLAY = pytest.mark.parametrize("overlay", OVERLAYS)

#: The volumes of the restricted Pod Security Standard.
_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
_LET_GO_SECONDS = 10
"""What components may take beyond the drain time (steno/chassis.py)."""

Object = dict[str, Any]


def containers(entry: Object) -> list[Object]:
    spec = template_of(entry)["spec"]
    return [*spec.get("initContainers", ()), *spec["containers"]]


@OVERLAY
def test_every_object_is_valid(overlay: str) -> None:
    """By the schemas of Kubernetes and of each operator; fields that they do not know are refused."""
    assert [fault for entry in objects(overlay) for fault in faults(entry)] == []


@OVERLAY
def test_nothing_is_there_twice(overlay: str) -> None:
    """And all of it is in the namespace `steno`."""
    names = [(name_of(entry), entry["metadata"].get("namespace")) for entry in objects(overlay)]
    assert len(set(names)) == len(names)
    assert {namespace for name, namespace in names if name != "Namespace/steno"} == {"steno"}


@pytest.mark.parametrize(
    ("overlay", "kind", "path", "value"),
    [
        ("small", "PodDisruptionBudget", ("spec", "maxUnavailabel"), 1),
        ("small", "StatefulSet", ("spec", "template", "spec", "securityContext", "runAsUsr"), 1),
        ("small", "StatefulSet", ("spec", "replicas"), "two"),
        ("large", "KafkaTopic", ("spec", "partition"), 3),
        ("large", "KafkaUser", ("spec", "authentication", "type"), "scram"),
        ("large", "ScaledObject", ("spec", "triggers", 0, "metadata", "lagThreshold"), 5),
        ("large", "ServiceMonitor", ("spec", "endpoints", 0, "intervall"), "1s"),
        ("large", "Certificate", ("spec", "secretName"), None),
        ("large", "Cluster", ("spec", "instances"), 0),
    ],
)
def test_a_fault_is_seen(overlay: str, kind: str, path: tuple[str | int, ...], value: object) -> None:
    """A misspelt field, a wrong type and a value that is not allowed are refused, in each project's objects."""
    entry = copy.deepcopy(of_kind(overlay, kind)[0])
    assert faults(entry) == []
    place: Any = entry
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    assert faults(entry) != []


@OVERLAY
def test_every_pod_is_restricted(overlay: str) -> None:
    """The restricted Pod Security Standard, no token of the API server, and no variables for Services."""
    for entry in of_kind(overlay, "StatefulSet", "Deployment", "Job"):
        spec = template_of(entry)["spec"]
        assert not spec["automountServiceAccountToken"], name_of(entry)
        assert not spec["enableServiceLinks"], name_of(entry)
        assert not any(spec.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")), name_of(entry)
        assert spec["securityContext"]["runAsNonRoot"]
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert {key for volume in spec.get("volumes", ()) for key in volume if key != "name"} <= _VOLUMES, name_of(entry)
        for container in containers(entry):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}


@OVERLAY
def test_every_container_of_steno_is_read_only_and_bounded(overlay: str) -> None:
    """It writes to volumes alone, requests processors and memory, and has a bound on memory."""
    for entry in workloads(overlay):
        for container in containers(entry):
            assert container["securityContext"]["readOnlyRootFilesystem"], name_of(entry)
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys(), name_of(entry)
            assert "memory" in container["resources"]["limits"], name_of(entry)


@OVERLAY
def test_every_mount_has_its_volume(overlay: str) -> None:
    """And no volume is there for nothing."""
    for entry in of_kind(overlay, "StatefulSet", "Deployment", "Job"):
        volumes = {volume["name"] for volume in template_of(entry)["spec"].get("volumes", ())}
        claims = {claim["metadata"]["name"] for claim in entry["spec"].get("volumeClaimTemplates", ())}
        mounts = {mount["name"] for container in containers(entry) for mount in container.get("volumeMounts", ())}
        assert mounts == volumes | claims, name_of(entry)
        for container in containers(entry):
            paths = [mount["mountPath"] for mount in container.get("volumeMounts", ())]
            assert len(set(paths)) == len(paths), name_of(entry)


@OVERLAY
def test_every_service_is_probed_and_drains_in_time(overlay: str) -> None:
    """The grace of a pod covers what comes before SIGTERM, the drain, and the time in which components let go."""
    for entry in workloads(overlay):
        if entry["kind"] == "Job":
            continue
        spec = template_of(entry)["spec"]
        (container,) = spec["containers"]
        assert container["startupProbe"]["httpGet"]["path"] == container["livenessProbe"]["httpGet"]["path"] == "/health/live"
        assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"
        before = container["lifecycle"]["preStop"]
        assert len(before) == 1, name_of(entry)
        command = before.get("exec", {}).get("command", [])
        waits = float(command[command.index("--seconds") + 1]) + 5 if command else before["sleep"]["seconds"]
        names = {variable["name"] for variable in container["env"]}
        assert not any(name.endswith("_DRAIN_SECONDS") for name in names)
        assert spec["terminationGracePeriodSeconds"] >= waits + 30 + _LET_GO_SECONDS, name_of(entry)
