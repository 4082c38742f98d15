"""A custom image as the root of a Function: imported, pinned, probed, or plainly refused."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from casemate.node.images import import_image
from casemate.node.interpreters import Interpreters
from casemate.node.store import Store
from support.engine_session import EngineSession, a_function
from support.engine_session import test_settings as settings_in
from support.oci_images import ImageOnDisk, a_layer, a_link, an_entry

HANDLER = """
import os, sys

def main(event, context):
    return {
        "marker": os.path.exists("/etc/marker"),
        "version": sys.version.split()[0],
        "environment": dict(os.environ),
    }
"""
# What an image may say, and a Function must not hear: the first two run code, the third redirects.
IMAGE_ENVIRONMENT = {
    "LD_PRELOAD": "/usr/lib/evil.so",
    "PYTHONSTARTUP": "/usr/lib/evil.py",
    "SSL_CERT_FILE": "/usr/lib/evil.pem",
    "GREETING": "from the image",
}
UNKNOWN = "sha256:" + "0" * 64
POLICY = {
    "apiVersion": "casemate.dev/v1alpha1",
    "kind": "FunctionPolicy",
    "metadata": {"name": "images"},
    "spec": {
        "namespaces": {"names": ["closed"]},
        "images": {"allowedRepositories": ["reg.example/allowed/*"]},
    },
}


def image_of(tree: Path) -> ImageOnDisk:
    """Pack an interpreter's tree as an image, with a file that only the image has."""
    entries = [an_entry("etc/marker", b"x")]
    for path in sorted((tree / "usr").rglob("*")):
        name = str(path.relative_to(tree))
        if path.is_symlink():
            entries.append(a_link(name, str(path.readlink())))
        elif path.is_file():
            mode = path.stat().st_mode & 0o777
            entries.append(an_entry(name, path.read_bytes(), mode=mode))
    entries += [
        a_link(name, f"usr/{name}")
        for name in ("bin", "lib", "lib64")
        if (tree / "usr" / name).is_dir()
    ]
    environment = [f"{name}={value}" for name, value in IMAGE_ENVIRONMENT.items()]
    return ImageOnDisk([a_layer(*entries)], environment=["PATH=/usr/bin", *environment])


@pytest.fixture(scope="module")
def digest(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("image")
    store = Store(settings_in(folder).state_dir)
    found = Interpreters(settings_in(folder), store).ensure("python313")
    usr = next(mount for mount in found.root.mounts if mount.target == "/usr")
    image = image_of(Path(usr.source).parent)
    return import_image(store, image.layout(folder / "layout")).digest


@pytest.fixture(scope="module")
def engine(tmp_path_factory, digest) -> Iterator[EngineSession]:
    image = f"reg.example/team/python@{digest}"
    own = {"env": [{"name": "GREETING", "value": "from the manifest"}]}
    custom = a_function("custom", "python313", HANDLER, runtimeImageOverride=image, **own)
    with EngineSession(tmp_path_factory.mktemp("engine"), [custom]) as session:
        yield session


def refusal(engine: EngineSession, name: str, manifest: dict) -> str:
    engine.apply(manifest)
    found = engine.wait_condition(name, "ConfigurationReady", "False")
    return f"{found['reason']}: {found['message']}"


def test_a_function_runs_in_the_image_that_it_names(engine):
    status, body = engine.call("custom")

    assert status == 200
    assert b'"marker": true' in body
    assert engine.posture("custom")["differences"] == []


def test_no_variable_of_the_image_reaches_the_function(engine):
    _, body = engine.call("custom")

    seen = json.loads(body)["environment"]
    assert seen["GREETING"] == "from the manifest"
    assert set(seen) & set(IMAGE_ENVIRONMENT) == {"GREETING"}


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("reg.example/team/python:1", "ImageNotAllowed"),
        (f"reg.example/team/python@{UNKNOWN}", "ImageNotImported"),
    ],
)
def test_an_image_that_cannot_be_used_is_never_replaced_by_another(engine, image, reason):
    name = reason.lower()
    manifest = a_function(name, "python313", HANDLER, runtimeImageOverride=image)

    assert refusal(engine, name, manifest).startswith(reason)


def test_an_image_without_the_runtimes_interpreter_fails_its_probe(engine, digest):
    manifest = a_function(
        "wrong", "python312", HANDLER, runtimeImageOverride=f"reg.example/x@{digest}"
    )

    found = refusal(engine, "wrong", manifest)

    assert found.startswith("ContractProbeFailed")
    assert "3.13" in found


def test_a_policy_decides_which_repositories_a_namespace_may_use(engine, digest):
    engine.apply(POLICY)
    refused = a_function(
        "closed", "python313", HANDLER, runtimeImageOverride=f"reg.example/team/python@{digest}"
    )
    refused["metadata"]["namespace"] = "closed"
    engine._manifests["closed"] = refused
    engine._apply()

    found = engine.wait_condition("closed", "ConfigurationReady", "False", namespace="closed")

    assert found["reason"] == "ImageNotAllowed"
    assert "not among the allowed repositories" in found["message"]


def test_the_command_imports_and_prints_the_digest(shell, tmp_path):
    image = ImageOnDisk([a_layer(an_entry("usr/x", b"1"))])
    archive = image.archive(tmp_path / "image.tar")

    done = shell.run("image", "import", str(archive))
    other = shell.run("image", "import", str(archive), "--digest", UNKNOWN)

    assert done.stdout.strip() == image.digest
    assert (other.returncode, tarfile.is_tarfile(archive)) == (2, True)
    assert "expected was" in other.stderr
