"""Layers are built once per lock, hold packages and nothing else, and are shared with care."""

from __future__ import annotations

import os
import platform
import re
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from casemate.api.catalogue import Language
from casemate.api.paths import NODE_PACKAGES_DIR, PYTHON_PACKAGES_DIR
from casemate.node import trees
from casemate.node.dependency_errors import DependencyError
from casemate.node.interpreters import Interpreters
from casemate.node.layers import Layers, layer_key
from casemate.node.registry_secret import RegistryConfig
from casemate.node.resolve import Resolver, read_lock
from casemate.node.root_view import Interpreter
from casemate.node.store import Store
from casemate.node.tools import PackageTools
from casemate.settings import Settings
from casemate.sources.lockfile import parse_dependencies
from support.package_registry import MODULE, PACKAGE, PackageRegistry
from support.sandboxes import PYTHON, host_root_view

# The interpreter of the tests, under the name of a runtime: the tools ask it for its own version.
OWN = Interpreter(
    "python313", platform.python_version(), PYTHON, host_root_view(), "path", "sha256:own"
)
IMAGE = replace(OWN, origin="image", digest="sha256:image")
NODE = replace(OWN, runtime="nodejs24")
LOCK = read_lock(f"six==1.17.0 --hash=sha256:{'a' * 64}\n", Language.PYTHON)
OTHER_LOCK = read_lock(f"six==1.17.0 --hash=sha256:{'b' * 64}\n", Language.PYTHON)
NODE_LOCK = read_lock(
    '{"packages": {"": {}, "node_modules/x": {"version": "1.0.0", "integrity": "sha512-a=="}}}',
    Language.NODEJS,
)


class Home:
    """A store, tools and a private registry, all of this test alone."""

    def __init__(self, folder: Path, registry: PackageRegistry) -> None:
        self.registry = registry
        self.store = Store(folder / "state")
        settings = Settings(folder / "state", folder / "cache", folder / "run")
        interpreters = Interpreters(settings, self.store)
        self.tools = PackageTools(
            folder / "cache", lambda: interpreters.ensure("nodejs24").root, timeout_seconds=15
        )
        self.resolver = Resolver(self.tools, folder / "state/locks-resolved")
        self.layers = Layers(self.store, self.tools)
        self.cache = folder / "cache"

    def config(self, password: str | None = None) -> RegistryConfig:
        # As the only index: what this machine's network has to offer plays no part.
        pip_conf = self.registry.pip_conf(password).replace("extra-", "")
        return RegistryConfig(npmrc=self.registry.npmrc(password), pip_conf=pip_conf)

    def resolve(self, password: str | None = None, interpreter: Interpreter = OWN):
        wishes = parse_dependencies(f"{PACKAGE}\n", Language.PYTHON)
        return self.resolver.resolve(wishes, interpreter, registry=self.config(password))


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with PackageRegistry("a text") as registry:
        yield Home(tmp_path, registry)
    trees.remove(tmp_path / "state")


def test_equal_locks_on_one_runtime_share_a_layer_whoever_brings_the_interpreter():
    assert layer_key(LOCK, OWN) == layer_key(LOCK, replace(OWN, origin="uv", digest="sha256:x"))
    assert layer_key(LOCK, OWN) != layer_key(OTHER_LOCK, OWN)
    assert layer_key(LOCK, OWN) != layer_key(LOCK, replace(OWN, runtime="python312"))


def test_what_an_images_interpreter_compiled_is_for_that_image_alone():
    keys = {layer_key(LOCK, one) for one in (OWN, IMAGE, replace(IMAGE, digest="sha256:other"))}

    assert len(keys) == 3


def test_node_packages_are_shared_by_all_versions_of_node():
    one, other = NODE, replace(NODE, runtime="nodejs26")

    assert layer_key(NODE_LOCK, one) == layer_key(NODE_LOCK, other)


def test_a_layers_name_is_a_digest_that_names_no_package():
    assert re.fullmatch(r"[0-9a-f]{64}", layer_key(LOCK, OWN))


def test_a_python_layer_holds_the_package_compiled_and_read_only(home):
    lock = home.resolve()

    layer = home.layers.ensure(lock, OWN, registry=home.config())

    made = Path(layer.mount.source)
    assert layer.mount.target == PYTHON_PACKAGES_DIR
    assert (made / f"{MODULE}.py").read_text() == "TEXT = 'a text'\n"
    assert [path.suffix for path in (made / "__pycache__").iterdir()] == [".pyc"]
    modes = {stat.S_IMODE(path.stat().st_mode) for path in made.rglob("*") if path.is_file()}
    assert modes <= {0o444, 0o555}
    assert (layer.lock, layer.digest) == (lock, f"sha256:{layer_key(lock, OWN)}")


def test_a_second_function_with_the_same_lock_costs_no_request(home):
    lock = home.resolve()
    first = home.layers.ensure(lock, OWN, registry=home.config())
    before = len(home.registry.served)

    second = home.layers.ensure(lock, OWN, registry=home.config())

    assert second == first
    assert len(home.registry.served) == before


def test_a_node_layer_holds_the_package_without_the_tools_notes(home):
    wishes = parse_dependencies(f'{{"dependencies": {{"{PACKAGE}": "1.0.0"}}}}', Language.NODEJS)
    lock = home.resolver.resolve(wishes, NODE, registry=home.config())

    layer = home.layers.ensure(lock, NODE, registry=home.config())

    made = Path(layer.mount.source)
    assert layer.mount.target == NODE_PACKAGES_DIR
    assert (made / PACKAGE / "i.js").read_text() == 'module.exports = "a text";\n'
    assert [path.name for path in made.iterdir()] == [PACKAGE]


def test_bytes_that_the_lock_does_not_name_are_not_installed(home):
    lock = home.resolve()
    home.registry.text = "another text"

    with pytest.raises(DependencyError):
        home.layers.ensure(lock, OWN, registry=home.config())

    assert home.store.find("layers", layer_key(lock, OWN)) is None
    assert list((home.store.root / "tmp").iterdir()) == []


def test_a_lock_is_remembered_without_password_address_or_package_in_its_name(home):
    lock = home.resolve()
    before = len(home.registry.served)

    assert home.resolve() == lock

    assert len(home.registry.served) == before
    stored = list((home.store.root / "locks-resolved").iterdir())
    assert sorted(path.suffix for path in stored) == ["", ".lock"]
    for path in stored:
        content = path.read_bytes()
        assert home.registry.password.encode() not in content
        assert home.registry.host.encode() not in content
        assert PACKAGE not in path.name
    key = next(path for path in stored if path.name == "key")
    assert (len(key.read_bytes()), stat.S_IMODE(key.stat().st_mode)) == (32, 0o600)


def test_another_password_is_another_question(home):
    home.resolve()

    with pytest.raises(DependencyError, match="refused uv"):
        home.resolve("wrong")


def test_what_an_images_interpreter_resolved_is_not_remembered_for_others(home):
    home.resolve(interpreter=IMAGE)
    before = len(home.registry.served)

    home.resolve(interpreter=OWN)

    assert len(home.registry.served) > before


def test_nothing_fetched_with_a_password_stays_in_the_shared_cache(home):
    home.layers.ensure(home.resolve(), OWN, registry=home.config())

    assert not home.cache.exists() or list(home.cache.rglob("*")) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="without root there is one user for everything")
def test_a_layer_belongs_to_root_and_not_to_the_tool_that_made_it(home):
    layer = home.layers.ensure(home.resolve(), OWN, registry=home.config())

    owners = {path.lstat().st_uid for path in Path(layer.mount.source).rglob("*")}
    assert owners == {0}
