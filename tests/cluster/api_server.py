"""A real Kubernetes API server with its etcd, on loopback: what it takes, a cluster takes. Nothing runs what is applied."""

import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import yaml
from support.certificates import Authority
from support.kubernetes.kustomize import of_kind

from steno.local_ports import free_port

PROGRAMS = Path(os.environ.get("STENO_CACHE", Path.home() / ".cache" / "steno")) / "kubernetes-1.37.2"
_ALTOGETHER_SECONDS = 1800
"""No process lives longer, whatever becomes of the tests."""

_READY_SECONDS = 120


class ApiServer:
    """Started by `with`; ended, and its processes with it, at the end of the block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        #: One authority for all: who is trusted is not what is tried here.
        self._authority = Authority(folder)
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []
        self._ports = {name: free_port() for name in ("api", "etcd", "peer")}
        self.kubeconfig = folder / "kubeconfig"

    def __enter__(self) -> Self:
        try:
            self._make_kubeconfig()
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends all processes, the last one started first."""
        for _, process in reversed(self._running):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()

    def kubectl(self, *arguments: str, given: Iterable[dict[str, Any]] = ()) -> subprocess.CompletedProcess[str]:
        """Runs kubectl with objects on its standard input; it may fail."""
        return subprocess.run(
            ["kubectl", "--kubeconfig", self.kubeconfig, *arguments],
            input=yaml.safe_dump_all(given),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def apply(self, objects: Iterable[dict[str, Any]], *options: str) -> str:
        """Applies objects server-side, and returns what kubectl printed; a warning is a failure."""
        done = self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", *options, given=objects)
        assert done.returncode == 0, done.stderr
        assert "Warning" not in done.stderr, done.stderr
        return done.stdout

    def add_kinds(self) -> None:
        """Adds the CRDs of all operators, and the namespace of Steno."""
        self.apply(
            entry
            for path in sorted((PROGRAMS / "crds").glob("*.yaml"))
            for entry in yaml.safe_load_all(path.read_text())
            if entry
        )
        for name in ("kafkas.kafka.strimzi.io", "clusters.postgresql.cnpg.io", "scaledobjects.keda.sh"):
            assert self.kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=60s").returncode == 0
        self.apply(of_kind("small", "Namespace", "ServiceAccount"))

    def until(self, condition: Callable[[], object], what: str, *, seconds: float = _READY_SECONDS) -> None:
        """Waits, and fails early where a process has ended."""
        deadline = time.monotonic() + seconds
        while not condition():
            for name, process in self._running:
                assert process.poll() is None, f"{name} has ended: {self.log(name)}"
            assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
            time.sleep(0.2)

    def log(self, name: str) -> str:
        """The end of the log of a process."""
        return (self._folder / f"{name}.log").read_text("utf-8", errors="replace")[-3000:]

    def _start(self) -> None:
        etcd, peer = (f"http://127.0.0.1:{self._ports[name]}" for name in ("etcd", "peer"))
        api, front, accounts = (self._authority.pem(name) for name in ("127.0.0.1", "front", "accounts"))
        authority = self._authority.file
        self._run(
            "etcd",
            f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls={etcd}",
            f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        )
        self._run(
            "kube-apiserver",
            f"--etcd-servers={etcd}",
            f"--secure-port={self._ports['api']}",
            *("--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none"),
            *(f"--tls-{part}-file={api}" for part in ("cert", "private-key")),
            f"--client-ca-file={authority}",
            *("--service-cluster-ip-range=10.96.0.0/16", "--token-auth-file=tokens.csv", "--authorization-mode=RBAC"),
            "--service-account-issuer=https://kubernetes.default.svc",
            *(f"--service-account-{part}key-file={accounts}" for part in ("", "signing-")),
            # By this certificate an API server behind this one, such as KEDA's, trusts the user that it names.
            *(f"--requestheader-client-ca-file={authority}", "--requestheader-allowed-names=front"),
            *("--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group"),
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            *(f"--proxy-client-{part}-file={front}" for part in ("cert", "key")),
        )
        self.until(lambda: self.kubectl("get", "--raw", "/readyz").stdout == "ok", "the API server")

    def _run(self, name: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        with (self._folder / f"{name}.log").open("wb") as log:
            command = ["timeout", "--kill-after=10", str(_ALTOGETHER_SECONDS), str(PROGRAMS / name), *arguments]
            process = subprocess.Popen(
                command,
                cwd=self._folder,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._running.append((name, process))

    def _make_kubeconfig(self) -> None:
        token = secrets.token_hex(16)
        (self._folder / "tokens.csv").write_text(f"{token},admin,1,system:masters\n", "utf-8")
        server = {"server": f"https://127.0.0.1:{self._ports['api']}", "certificate-authority": str(self._authority.file)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "local", "cluster": server}],
            "users": [{"name": "admin", "user": {"token": token}}],
            "contexts": [{"name": "local", "context": {"cluster": "local", "user": "admin"}}],
            "current-context": "local",
        }
        self.kubeconfig.write_text(yaml.safe_dump(config), "utf-8")
