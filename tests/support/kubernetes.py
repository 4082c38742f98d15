"""A real Kubernetes control plane in a folder: etcd, kube-apiserver, kube-controller-manager.

Everything listens on loopback, on ports that were free a moment ago, and ends with the `with` block.
There is no node: nothing that is created here runs.
"""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from support.processes import ending_with_us

if TYPE_CHECKING:
    from collections.abc import Mapping

CRDS = Path(__file__).parents[2] / "deploy/crds"
# On a busy machine of two cores; 3 s on an idle one.
_READY_SECONDS = 90.0


class NotReady(Exception):
    """A part of the control plane did not come up; the message holds the end of its log."""


@dataclass
class ControlPlane:
    """Use it in a `with` block; `binaries` are what scripts/kubernetes/build.py answers."""

    binaries: Mapping[str, Path]
    folder: Path
    token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __enter__(self) -> ControlPlane:
        self._port, self._etcd, self._peer = free_ports(3)
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # Nothing of it is kept, and a graceful end of kube-apiserver takes a minute.
        for process in reversed(self._running):
            process.kill()
            process.wait(10)
        self._running.clear()
        # Hundreds of megabytes of preallocated log.
        shutil.rmtree(self.folder / "etcd", ignore_errors=True)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._port}"

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    def _start(self) -> None:
        self._etcd_server()
        self._keys()
        apiserver = self._api_server()
        self._await_ready(apiserver)
        write_kubeconfig(self.kubeconfig, self.url, self.folder / "pki/apiserver.crt", self.token)
        self._controller_manager()
        kubectl = [str(self.binaries["kubectl"]), "--kubeconfig", str(self.kubeconfig)]
        run([*kubectl, "apply", "--server-side", "-f", str(CRDS)])
        run([*kubectl, "wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"])

    def _etcd_server(self) -> None:
        client, peer = f"http://127.0.0.1:{self._etcd}", f"http://127.0.0.1:{self._peer}"
        self._spawn(
            "etcd", f"--data-dir={self.folder}/etcd", f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync", "--logger=zap", "--log-level=error",
        )  # fmt: skip

    def _keys(self) -> None:
        (self.folder / "tokens.csv").write_text(f'{self.token},admin,admin,"system:masters"\n')
        run(["openssl", "genrsa", "-out", f"{self.folder}/accounts.key", "2048"])

    def _api_server(self) -> subprocess.Popen[bytes]:
        key = f"{self.folder}/accounts.key"
        return self._spawn(
            "kube-apiserver", f"--etcd-servers=http://127.0.0.1:{self._etcd}",
            "--bind-address=127.0.0.1", f"--secure-port={self._port}",
            f"--cert-dir={self.folder}/pki", f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}", "--service-account-issuer=https://test.local",
            f"--token-auth-file={self.folder}/tokens.csv", "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.96.0.0/24", "--advertise-address=127.0.0.1",
        )  # fmt: skip

    def _controller_manager(self) -> None:
        self._spawn(
            "kube-controller-manager", f"--kubeconfig={self.kubeconfig}",
            f"--service-account-private-key-file={self.folder}/accounts.key",
            f"--root-ca-file={self.folder}/pki/apiserver.crt", "--use-service-account-credentials",
            f"--secure-port={free_ports(1)[0]}", "--bind-address=127.0.0.1", "--leader-elect=false",
            f"--cert-dir={self.folder}/pki-controllers",
            "--controllers=namespace-controller,garbage-collector-controller,"
            "serviceaccount-controller,clusterrole-aggregation-controller,serviceaccount-token-controller",
        )  # fmt: skip

    def _spawn(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                ending_with_us([str(self.binaries[name]), *words]),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        self._running.append(process)
        return process

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + _READY_SECONDS
        while time.monotonic() < end and process.poll() is None:
            if self._is_ready():
                return
            time.sleep(0.2)
        log = (self.folder / "kube-apiserver.log").read_text(errors="replace")
        raise NotReady(f"kube-apiserver is not ready: {log[-3000:]}")

    def _is_ready(self) -> bool:
        try:
            trust = ssl.create_default_context(cafile=f"{self.folder}/pki/apiserver.crt")
            asked = urllib.request.Request(  # noqa: S310  # our own https address
                f"{self.url}/readyz", headers={"Authorization": f"Bearer {self.token}"}
            )
            with urllib.request.urlopen(asked, context=trust, timeout=5) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except (OSError, ssl.SSLError, urllib.error.URLError):
            return False


def write_kubeconfig(path: Path, url: str, authority: Path, token: str) -> None:
    """Write a kubeconfig with one bearer token; JSON is YAML."""
    cluster = {"server": url, "certificate-authority": str(authority)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def run(argv: list[str]) -> str:
    """Run a step of the setup. Raises NotReady with what it said."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode != 0:
        raise NotReady(f"{argv[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout
