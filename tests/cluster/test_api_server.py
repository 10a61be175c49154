"""The manifests on a real API server, with the CRDs of the operators that they are for."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from cluster.api_server import ApiServer
from support.kubernetes.kustomize import OVERLAYS, objects, of_kind, template_of

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server with the CRDs of all operators, and the namespace of Steno."""
    with ApiServer(tmp_path_factory.mktemp("cluster")) as server:
        server.add_kinds()
        yield server


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_api_server_takes_every_object(cluster: ApiServer, overlay: str) -> None:
    """With defaults, validation and admission, the restricted Pod Security Standard included, and without a warning."""
    printed = cluster.apply(objects(overlay), "--dry-run=server")
    assert len(printed.splitlines()) == len(objects(overlay))


def test_what_is_applied_twice_is_the_same(cluster: ApiServer) -> None:
    """Nothing that is applied is changed by the API server in a way that the next apply would undo."""
    cluster.apply(objects("large"))
    assert cluster.kubectl("diff", "--server-side", "--force-conflicts", "-f", "-", given=objects("large")).returncode == 0


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_pod_is_admitted(cluster: ApiServer, overlay: str) -> None:
    """The namespace enforces the restricted Pod Security Standard on pods themselves, which controllers make later."""
    for entry in of_kind(overlay, "StatefulSet", "Deployment", "Job"):
        cluster.apply([pod_of(entry)], "--dry-run=server")


def test_a_pod_with_privileges_is_refused(cluster: ApiServer) -> None:
    """So the standard is in force where the others are admitted."""
    pod = pod_of(of_kind("small", "StatefulSet")[0])
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    done = cluster.kubectl("create", "--dry-run=server", "-f", "-", given=[pod])
    assert done.returncode != 0
    assert "violates PodSecurity" in done.stderr


def pod_of(entry: dict[str, Any]) -> dict[str, Any]:
    """The pod that a controller makes of a workload."""
    template = copy.deepcopy(template_of(entry))
    template["metadata"] |= {"name": entry["metadata"]["name"], "namespace": "steno"}
    template["spec"].pop("runtimeClassName", None)  # a cluster with GPUs has it
    claims = [claim["metadata"]["name"] for claim in entry["spec"].get("volumeClaimTemplates", ())]
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims]
    template["spec"].setdefault("volumes", []).extend(volumes)
    return {"apiVersion": "v1", "kind": "Pod", **template}
