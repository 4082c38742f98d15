"""Speaks to a Kubernetes API as its users do: through the real kubectl, and in raw HTTPS."""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Tree = dict[str, Any]
JSON = "application/json"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
# kubectl and a server on two busy cores; a hang is what this ends.
_SECONDS = 45


@dataclass(frozen=True)
class Done:
    """What a kubectl said."""

    code: int
    out: str
    err: str

    @property
    def tree(self) -> Tree:
        return json.loads(self.out)

    def __str__(self) -> str:
        return f"exit {self.code}\n{self.out}{self.err}"


@dataclass(frozen=True)
class Answer:
    """What the server said to one request."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def tree(self) -> Tree:
        return json.loads(self.body)

    @property
    def causes(self) -> set[tuple[str, str]]:
        """Return (field, reason) of each cause of a Status."""
        details = self.tree.get("details") or {}
        return {(one.get("field", ""), one["reason"]) for one in details.get("causes", [])}


@dataclass(frozen=True)
class Api:
    """One server; `folder` holds what kubectl caches."""

    name: str
    kubeconfig: Path
    kubectls: Mapping[str, Path]
    folder: Path
    namespace: str = "default"
    kubectl_name: str = "kubectl"
    anonymous: bool = False
    """Show nothing of the kubeconfig: what a request says of its caller stands in its headers."""

    def kubectl(
        self, *words: str, stdin: str | Tree | None = None, fails: bool = False, **env: str
    ) -> Done:
        """Run kubectl in the namespace; asserts that it ends as expected."""
        given = stdin if stdin is None or isinstance(stdin, str) else json.dumps(stdin)
        argv = [str(self.kubectls[self.kubectl_name]), "--namespace", self.namespace, *words]
        done = subprocess.run(
            argv, input=given, capture_output=True, text=True, check=False, timeout=_SECONDS,
            stdin=subprocess.DEVNULL if given is None else None, env=self.environment | env,
        )  # fmt: skip
        result = Done(done.returncode, done.stdout, done.stderr)
        assert (done.returncode != 0) is fails, f"{' '.join(words)}: {result}"
        return result

    @property
    def environment(self) -> dict[str, str]:
        """Return what kubectl runs with."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "KUBECONFIG": str(self.kubeconfig),
            "KUBECACHEDIR": str(self.folder / f"{self.name}-{self.kubectl_name}"),
        }

    def request(
        self,
        method: str,
        path: str,
        body: Tree | list[Any] | bytes | None = None,
        *,
        content: str = JSON,
        headers: Mapping[str, str] | None = None,
        **query: str | int,
    ) -> Answer:
        """Send one request; a path that starts with no slash lies in the namespace."""
        with self._asking(
            method, path, body, {"Content-Type": content, **(headers or {})}, query
        ) as got:
            return Answer(got.status, got.read(), {k.lower(): v for k, v in got.getheaders()})

    def get(self, path: str, **query: str | int) -> Answer:
        return self.request("GET", path, **query)

    def post(self, path: str, body: Tree, **query: str | int) -> Answer:
        return self.request("POST", path, body, **query)

    def put(self, path: str, body: Tree, **query: str | int) -> Answer:
        return self.request("PUT", path, body, **query)

    def delete(self, path: str, body: Tree | None = None, **query: str | int) -> Answer:
        return self.request("DELETE", path, body, **query)

    def patch(
        self, path: str, body: Tree | list[Any], content: str = MERGE, **query: str | int
    ) -> Answer:
        return self.request("PATCH", path, body, content=content, **query)

    def apply(self, path: str, body: Tree, manager: str = "suite", **query: str | int) -> Answer:
        return self.patch(path, body, APPLY, fieldManager=manager, **query)

    def watch(
        self, path: str, count: int, act: Callable[[], object] | None = None, **query: str | int
    ) -> list[Tree]:
        """Watch until `count` events came or the server ends; `act` runs once the watch stands."""
        asked: dict[str, str | int] = {"watch": "true", "timeoutSeconds": 20, **query}
        with self._asking("GET", path, None, {}, asked) as got:
            if got.status != 200:
                return [{"type": "ERROR", "object": json.loads(got.read())}]
            if act is not None:
                act()
            events = []
            while len(events) < count and (line := got.readline()):
                events.append(json.loads(line))
            return events

    def path_of(self, path: str) -> str:
        """Return the full path: `configmaps/a`, `functions/a/status`, or what starts with a slash."""
        if path.startswith("/"):
            return path
        prefix = _PREFIXES.get(path.partition("/")[0], "/api/v1")
        return f"{prefix}/namespaces/{self.namespace}/{path}"

    @contextmanager
    def _asking(
        self, method: str, path: str, body: Tree | list[Any] | bytes | None,
        headers: Mapping[str, str], query: Mapping[str, str | int],
    ) -> Iterator[http.client.HTTPResponse]:  # fmt: skip
        host = urlsplit(self.url)
        connection = http.client.HTTPSConnection(
            host.hostname or "", host.port, context=self.tls, timeout=_SECONDS
        )
        sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        target = self.path_of(path) + (f"?{urlencode(query)}" if query else "")
        try:
            connection.request(
                method, target, sent, {"Accept": JSON, **self.credentials, **headers}
            )
            with connection.getresponse() as got:
                yield got
        finally:
            connection.close()

    @cached_property
    def _config(self) -> tuple[Tree, Tree]:
        config = yaml.safe_load(self.kubeconfig.read_text())
        return config["clusters"][0]["cluster"], config["users"][0]["user"]

    @property
    def url(self) -> str:
        return str(self._config[0]["server"])

    @property
    def credentials(self) -> dict[str, str]:
        token = None if self.anonymous else self._config[1].get("token")
        return {"Authorization": f"Bearer {token}"} if token else {}

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """Return the trust and, where the kubeconfig has one, the client certificate."""
        cluster, user = self._config
        context = ssl.create_default_context(cadata=_text(cluster, "certificate-authority"))
        if not self.anonymous and (
            "client-certificate-data" in user or "client-certificate" in user
        ):
            pair = self.folder / f"{self.name}-client.pem"
            pair.touch(mode=0o600)
            pair.write_text(_text(user, "client-key") + _text(user, "client-certificate"))
            context.load_cert_chain(pair)
        return context


_PREFIXES = {
    "functions": "/apis/serverless.kyma-project.io/v1alpha2",
    "functionpolicies": "/apis/casemate.dev/v1alpha1",
    "functionsources": "/apis/casemate.dev/v1alpha1",
    "roles": "/apis/rbac.authorization.k8s.io/v1",
    "rolebindings": "/apis/rbac.authorization.k8s.io/v1",
    "leases": "/apis/coordination.k8s.io/v1",
    "controllerrevisions": "/apis/apps/v1",
    "localsubjectaccessreviews": "/apis/authorization.k8s.io/v1",
}


def _text(tree: Tree, name: str) -> str:
    inline = tree.get(f"{name}-data")
    return base64.b64decode(inline).decode() if inline else Path(tree[name]).read_text()
