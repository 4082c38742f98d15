"""Two servers, one suite: whatever is asked here is asked of kube-apiserver and of ours.

A case knows no difference between the two. Each gets a namespace of its own, so cases may run in
any order; nothing is cleaned up because both servers end with the run.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from scripts.kubernetes import build

from support.api_client import Api
from support.casemate_api import CasemateApi
from support.kubernetes import ControlPlane

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SERVERS = ("kubernetes", "casemate")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/contract/" in item.path.as_posix():
            # The first case waits for a build or for a server; only the case itself is timed.
            item.add_marker(pytest.mark.timeout(90, func_only=True))


@pytest.fixture(scope="session")
def binaries(request: pytest.FixtureRequest) -> Mapping[str, Path]:
    """Build what is missing, and say so: the first time takes minutes."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        try:
            return build.ensure(build.CONTRACT, lambda text: sys.stderr.write(f"\n{text}\n"))
        except build.Unavailable as missing:
            reason = f"no real Kubernetes here: {missing}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def kubernetes(
    binaries: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("kubernetes")
    with ControlPlane(binaries, folder) as running:
        yield Api("kubernetes", running.kubeconfig, binaries, folder)


@pytest.fixture(scope="session")
def casemate(
    binaries: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("casemate")
    with CasemateApi(folder) as running:
        yield Api("casemate", running.kubeconfig, binaries, folder)


@pytest.fixture(scope="session")
def names() -> Iterator[str]:
    """Names that no other case has."""
    return (f"case-{number}" for number in range(1_000_000))


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Api:
    """One of the two servers, in the namespace `default`."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def api(server: Api, names: Iterator[str]) -> Api:
    """One of the two servers, in a namespace of this case."""
    namespace = next(names)
    made = server.post("/api/v1/namespaces", {"metadata": {"name": namespace}})
    assert made.status == 201, made.body
    return replace(server, namespace=namespace)


@pytest.fixture(params=["kubectl", "kubectl-v1.34"])
def kubectl(request: pytest.FixtureRequest, api: Api) -> Api:
    """`api` with the kubectl of this version, and with that of two versions ago."""
    return replace(api, kubectl_name=request.param)
