"""Packages that try to leave their place, fill the disk or run code: refused, and nothing is left."""

from __future__ import annotations

import platform
import tarfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from casemate.api.catalogue import Language
from casemate.node import trees
from casemate.node.dependency_errors import DependencyError
from casemate.node.interpreters import Interpreters
from casemate.node.layers import Layers
from casemate.node.registry_secret import RegistryConfig
from casemate.node.resolve import Resolver
from casemate.node.root_view import Interpreter
from casemate.node.store import Store
from casemate.node.tool_bounds import WriteLimits
from casemate.node.tools import PackageTools
from casemate.settings import Settings
from casemate.sources.lockfile import parse_dependencies
from support.package_registry import PACKAGE, PackageRegistry
from support.sandboxes import PYTHON, host_root_view

OWN = Interpreter(
    "python313", platform.python_version(), PYTHON, host_root_view(), "path", "sha256:own"
)
NODE = replace(OWN, runtime="nodejs24")
SMALL = WriteLimits(total_bytes=32 << 20)


def a_member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", size: int = 0):
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, target, size
    return member


@pytest.fixture
def home(tmp_path):
    yield tmp_path
    trees.remove(tmp_path / "state")


def install(home: Path, registry: PackageRegistry, language: Language, *, source_builds=False):
    store = Store(home / "state")
    interpreters = Interpreters(Settings(home / "state", home / "cache", home / "run"), store)
    tools = PackageTools(
        home / "cache",
        lambda: interpreters.ensure("nodejs24").root,
        timeout_seconds=15,
        write_limits=SMALL,
    )
    python = language is Language.PYTHON
    interpreter = OWN if python else NODE
    wishes = f"{PACKAGE}\n" if python else f'{{"dependencies": {{"{PACKAGE}": "1.0.0"}}}}'
    config = RegistryConfig(
        npmrc=registry.npmrc(), pip_conf=registry.pip_conf().replace("extra-", "")
    )
    lock = Resolver(tools, home / "state/locks-resolved").resolve(
        parse_dependencies(wishes, language), interpreter, registry=config
    )
    return Path(Layers(store, tools).ensure(lock, interpreter, registry=config).mount.source)


def outside(home: Path, layer: Path | None) -> list[Path]:
    found = [*home.rglob("escaped*"), *Path("/tmp").glob("escaped*")]
    return [path for path in found if layer is None or not path.is_relative_to(layer)]


@pytest.mark.parametrize("name", ["../escaped.py", "/work/escaped.py", "x/../../../cache/escaped"])
def test_a_wheel_cannot_write_outside_of_its_place(home, name):
    layer = None
    with (
        PackageRegistry("a text", hostile_entries={name: b"x"}) as registry,
        suppress(DependencyError),
    ):
        layer = install(home, registry, Language.PYTHON)

    assert outside(home, layer) == []


@pytest.mark.parametrize(
    "member",
    [
        a_member("package/../../../escaped.js", size=1),
        a_member("/work/escaped.js", size=1),
        a_member("package/escaped", tarfile.SYMTYPE, "/etc/passwd"),
        a_member("package/escaped", tarfile.LNKTYPE, "/etc/passwd"),
    ],
    ids=["climbs", "absolute", "symbolic link", "hard link"],
)
def test_an_npm_package_cannot_write_or_point_outside_of_its_place(home, member):
    layer = None
    with PackageRegistry("a text", hostile_members=[member]) as registry, suppress(DependencyError):
        layer = install(home, registry, Language.NODEJS)

    assert outside(home, layer) == []
    assert layer is None or not [path for path in layer.rglob("*") if path.is_symlink()]


@pytest.mark.parametrize("language", [Language.PYTHON, Language.NODEJS])
def test_an_archive_that_unpacks_without_end_is_ended_and_leaves_no_layer(home, language):
    bomb = 96 << 20
    with PackageRegistry(
        "a text",
        hostile_entries={"zeros": bytes(bomb)},
        hostile_members=[a_member("package/zeros", size=bomb)],
    ) as registry:
        assert len(registry._wheel()) < 1 << 20

        with pytest.raises(DependencyError, match="too large"):
            install(home, registry, language)

    assert list((home / "state/layers").iterdir()) == []
    assert list((home / "state/tmp").iterdir()) == []


def test_a_package_that_would_have_to_be_built_is_refused_before_its_code_runs(home):
    with PackageRegistry("a text", source_only=True) as registry:
        with pytest.raises(DependencyError) as refusal:
            install(home, registry, Language.PYTHON)

        assert "no wheel" in str(refusal.value)
        assert not [path for path in registry.served if path.endswith(".tar.gz")]
