"""An API server with what makes pods and replicas: Kubernetes' controllers and scheduler, and KEDA.

The nodes are simulated by kwok, which marks each pod on them as running and starts no container.
"""

import base64
from pathlib import Path

from cluster.api_server import PROGRAMS, ApiServer

from steno.local_ports import free_port


class ControlPlane(ApiServer):
    """Started by `with`; ended, and its processes with it, at the end of the block."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        more = ("controllers", "scheduler", "adapter", "adapter-metrics", "keda", "keda-health", "keda-metrics")
        self._ports |= {name: free_port() for name in more}

    def get(self, path: str, *arguments: str) -> str:
        """What `kubectl get` prints of objects of the namespace `steno`; empty where there are none."""
        return self.kubectl("-n", "steno", "get", path, *arguments).stdout.strip()

    def add_nodes(self, count: int) -> None:
        """Adds nodes of kwok, each in a zone of its own."""
        size = {"cpu": "64", "memory": "256Gi", "pods": "110"}
        nodes = [
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {
                    "name": f"node-{number}",
                    "annotations": {"kwok.x-k8s.io/node": "fake"},
                    "labels": {"kubernetes.io/hostname": f"node-{number}", "topology.kubernetes.io/zone": f"zone-{number}"},
                },
                "status": {"allocatable": size, "capacity": size},
            }
            for number in range(count)
        ]
        assert self.kubectl("create", "-f", "-", given=nodes).returncode == 0
        self.until(lambda: self.kubectl("get", "nodes").stdout.count(" Ready ") == count, "nodes")

    def start_keda(self) -> None:
        """Starts KEDA's operator and adapter, the latter as the API of external metrics."""
        host = "keda-metrics-apiserver"
        certificate = self._authority.pem("localhost", "127.0.0.1", f"{host}.keda.svc").read_bytes()
        authority = self._authority.file.read_bytes()
        certs = self._folder / "certs"
        certs.mkdir()
        for name, content in {"ca.crt": authority, "tls.crt": certificate, "tls.key": certificate}.items():
            (certs / name).write_bytes(content)
        # The API server looks up no endpoints for a service of this one kind, and so comes to loopback.
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": host, "namespace": "keda"},
            "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": self._ports["adapter"]}]},
        }
        api = {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1beta1.external.metrics.k8s.io"},
            "spec": {
                "service": {"name": host, "namespace": "keda", "port": self._ports["adapter"]},
                "group": "external.metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "caBundle": base64.b64encode(authority).decode(),
            },
        }
        self.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "keda"}}, service, api])
        metrics = self._ports["keda-metrics"]
        environment = {"KUBECONFIG": str(self.kubeconfig), "WATCH_NAMESPACE": ""}
        environment |= dict.fromkeys(("POD_NAMESPACE", "KEDA_CLUSTER_OBJECT_NAMESPACE"), "keda")
        self._run(
            "keda-operator",
            f"--metrics-bind-address=127.0.0.1:{self._ports['keda']}",
            f"--health-probe-bind-address=127.0.0.1:{self._ports['keda-health']}",
            f"--metrics-service-bind-address=127.0.0.1:{metrics}",
            f"--cert-dir={certs}",
            "--enable-webhook-patching=false",
            "--enable-apiservice-patching=false",
            "--zap-encoder=console",
            environment=environment,
        )
        self._run(
            "keda-adapter",
            f"--secure-port={self._ports['adapter']}",
            "--bind-address=127.0.0.1",
            f"--port={self._ports['adapter-metrics']}",
            *(f"--{name}kubeconfig={self.kubeconfig}" for name in ("", "lister-", "authentication-", "authorization-")),
            f"--metrics-service-address=localhost:{metrics}",
            *(f"--{name}={certs / file}" for name, file in (("client-ca-file", "ca.crt"), ("tls-cert-file", "tls.crt"))),
            f"--tls-private-key-file={certs / 'tls.key'}",
            f"--cert-dir={certs}",
            environment=environment,
        )
        raw = "/apis/external.metrics.k8s.io/v1beta1"
        self.until(lambda: self.kubectl("get", "--raw", raw).returncode == 0, "KEDA's metrics")

    def _start(self) -> None:
        super()._start()
        common = [f"--{name}kubeconfig={self.kubeconfig}" for name in ("", "authentication-", "authorization-")]
        common += ["--leader-elect=false", "--bind-address=127.0.0.1"]
        self._run(
            "kube-controller-manager",
            *common,
            f"--secure-port={self._ports['controllers']}",
            f"--service-account-private-key-file={self._folder / 'accounts.pem'}",
            f"--root-ca-file={self._authority.file}",
            *("--horizontal-pod-autoscaler-sync-period=2s", "--node-monitor-grace-period=10m"),
        )
        self._run("kube-scheduler", *common, f"--secure-port={self._ports['scheduler']}")
        stages = [f"--config={path}" for path in sorted((PROGRAMS / "stages").glob("*.yaml"))]
        self._run("kwok", f"--kubeconfig={self.kubeconfig}", "--manage-all-nodes=true", "--node-ip=127.0.0.1", *stages)
