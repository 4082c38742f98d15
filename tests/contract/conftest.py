"""Two servers, one suite: whatever is asked here is asked of kube-apiserver and of ours.

A case knows no difference between the two. Each gets a namespace of its own, so cases may run in
any order; nothing is cleaned up because both servers end with the run.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

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
def built(request: pytest.FixtureRequest) -> Mapping[str, Path] | str:
    """Build what is missing, and say so: the first time takes minutes. A text: why there is none."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        try:
            return build.ensure(build.CONTRACT, lambda text: sys.stderr.write(f"\n{text}\n"))
        except build.Unavailable as missing:
            return f"no real Kubernetes here: {missing}"


@pytest.fixture(scope="session")
def kubernetes(
    built: Mapping[str, Path] | str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    if isinstance(built, str):
        give_up(built)
    folder = tmp_path_factory.mktemp("kubernetes")
    with ControlPlane(built, folder) as running:
        yield Api("kubernetes", running.kubeconfig, built, folder)


@pytest.fixture(scope="session")
def casemate(
    built: Mapping[str, Path] | str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    """Ours needs nothing built to be asked in raw HTTPS."""
    folder = tmp_path_factory.mktemp("casemate")
    with CasemateApi(folder) as running:
        yield Api("casemate", running.kubeconfig, {} if isinstance(built, str) else built, folder)


def give_up(reason: str) -> NoReturn:
    """A plain machine skips what it cannot do; one that decides about merges must not."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


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
def kubectl(request: pytest.FixtureRequest, built: Mapping[str, Path] | str, api: Api) -> Api:
    """`api` with the kubectl of this version, and with that of two versions ago."""
    if isinstance(built, str):
        give_up(built)
    return replace(api, kubectl_name=request.param)
