"""Imports an OCI image from disk into the store, to be the root of a sandbox, by digest.

The digest is the manifest's (of an old docker-save archive, which has none, the image's id).
Mounted is a list of system directories: what a sandbox makes itself (/proc, /dev, /tmp) or what
our contract puts there (/app, /opt/casemate) never comes from an image. Nothing is fetched here.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from casemate.node import trees
from casemate.node.image_blobs import DIGEST, LARGEST_DOCUMENT, ImageBlobs, ImageRefused, open_image
from casemate.node.image_layers import Budget, apply_layer
from casemate.node.probe import machine_arch
from casemate.node.root_view import ReadOnlyMount, RootView, Symlink
from casemate.node.store import Kind, Store, StoredTree

# In this order; a directory of an image that is not named here is not seen.
SYSTEM_DIRECTORIES = ("bin", "etc", "lib", "lib32", "lib64", "libx32", "sbin", "usr", "var")
# Of /etc. Readable by everyone once sealed, and of no use in a sandbox.
_LEFT_OUT = ("shadow", "shadow-", "gshadow", "gshadow-", "sudoers")
# Of /etc. Made empty, as every container engine does, so that something can be mounted on them.
_MOUNT_POINTS = ("resolv.conf", "hosts")
_ARCHITECTURES = {"x64": "amd64", "arm64": "arm64"}
_MOST_LAYERS = 200
_MOST_INDEXES = 3


@dataclass(frozen=True)
class ImportedImage:
    """An image of the store."""

    digest: str
    root: RootView
    environment: tuple[tuple[str, str], ...]
    path: Path


@dataclass(frozen=True, slots=True)
class _Content:
    """A checked manifest: the image's name, its config, and its layers from the bottom."""

    digest: str
    config: Mapping[str, Any]
    layers: tuple[str, ...]
    """Digests of blobs, or file names of a docker-save archive."""
    by_name: bool = False


def import_image(
    store: Store, source: Path, *, expected_digest: str | None = None
) -> ImportedImage:
    """Import `source`; raises ImageRefused, also when it is not `expected_digest`."""
    with open_image(source) as blobs:
        content = _content(blobs, expected_digest)
        if expected_digest not in (None, content.digest):
            raise ImageRefused(f"the image is {content.digest}, expected was {expected_digest}")

        def build(tree: Path) -> Mapping[str, Any]:
            _unpack(blobs, content, tree)
            return {"environment": _environment(content.config)}

        stored = store.ensure(Kind.IMAGE, _key(content.digest), build, trees.TreeLimits())
    return _imported(content.digest, stored)


def find_image(store: Store, digest: str) -> ImportedImage | None:
    """Return an image that was imported before; raises ImageRefused for what is no digest."""
    stored = store.find(Kind.IMAGE, _key(digest))
    return _imported(digest, stored) if stored is not None else None


def _unpack(blobs: ImageBlobs, content: _Content, tree: Path) -> None:
    wanted = content.config.get("rootfs", {}).get("diff_ids")
    if not isinstance(wanted, list) or len(wanted) != len(content.layers):
        raise ImageRefused("the image's config names other layers than its manifest")
    budget = Budget()
    for layer, diff_id in zip(content.layers, wanted, strict=True):
        with blobs.file(layer) if content.by_name else blobs.blob(layer) as blob:
            found = apply_layer(blob, tree, budget)
        if found != diff_id:
            raise ImageRefused(f"layer {layer[:30]} unpacks to other bytes than its config says")
    _prepare_etc(tree / "etc")


def _prepare_etc(etc: Path) -> None:
    # ATTACK: the image's /etc is a link to the host's, whose files would be removed or emptied.
    # tests/unit/node/test_images.py::test_an_etc_that_leads_to_the_host_harms_nothing_there
    if etc.is_symlink() or not etc.is_dir():
        return
    for name in _LEFT_OUT:
        _remove(etc / name)
    for name in _MOUNT_POINTS:
        path = etc / name
        if path.is_symlink() or not path.is_file():
            _remove(path)
            path.touch(mode=0o644)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _content(blobs: ImageBlobs, expected: str | None) -> _Content:
    index = blobs.document("index.json")
    try:
        if index is not None:
            return _oci_content(blobs, index, expected)
        return _docker_content(blobs)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ImageRefused("the image's manifest has an unknown shape") from error


def _oci_content(blobs: ImageBlobs, index: Mapping[str, Any], expected: str | None) -> _Content:
    for _ in range(_MOST_INDEXES):
        digest = str(_choose(index["manifests"], expected)["digest"])
        document = blobs.blob_document(digest)
        if "manifests" in document:
            index = document
            continue
        layers = tuple(str(layer["digest"]) for layer in document["layers"])
        if len(layers) > _MOST_LAYERS:
            raise ImageRefused(f"the image has more than {_MOST_LAYERS} layers")
        return _Content(digest, blobs.blob_document(str(document["config"]["digest"])), layers)
    raise ImageRefused("the image's indexes are nested too deeply")


def _choose(manifests: list[Mapping[str, Any]], expected: str | None) -> Mapping[str, Any]:
    """Return the expected one, the only one, or the one for this machine."""
    machine = {"os": "linux", "architecture": _ARCHITECTURES.get(machine_arch(), machine_arch())}
    for fits in (
        [one for one in manifests if one["digest"] == expected],
        manifests if len(manifests) == 1 else [],
        [
            one
            for one in manifests
            if {key: one.get("platform", {}).get(key) for key in machine} == machine
        ],
    ):
        if len(fits) == 1:
            return fits[0]
    raise ImageRefused(
        f"the layout holds {len(manifests)} images and none of them alone fits this machine",
        hint="name one by its digest",
    )


def _docker_content(blobs: ImageBlobs) -> _Content:
    manifests = blobs.document("manifest.json")
    if not isinstance(manifests, list) or len(manifests) != 1:
        raise ImageRefused("the archive holds no image, or several", hint="save one image alone")
    name = str(manifests[0]["Config"])
    hexadecimal = name.removesuffix(".json").rpartition("/")[2]
    with blobs.file(name) as file:
        digest = f"sha256:{hashlib.sha256(file.read(LARGEST_DOCUMENT)).hexdigest()}"
    if digest != f"sha256:{hexadecimal}":
        raise ImageRefused("the image's config has other bytes than its name says")
    config = blobs.document(name) or {}
    layers = tuple(str(layer) for layer in manifests[0]["Layers"])
    return _Content(digest, config, layers, by_name=True)


def _environment(config: Mapping[str, Any]) -> list[list[str]]:
    given = (config.get("config") or {}).get("Env") or []
    pairs = (str(line).partition("=") for line in given)
    return [[name, value] for name, equals, value in pairs if equals and name]


def _imported(digest: str, stored: StoredTree) -> ImportedImage:
    environment = tuple((str(name), str(value)) for name, value in stored.notes["environment"])
    return ImportedImage(digest, _view(stored.path), environment, stored.path)


def _view(tree: Path) -> RootView:
    mounts, links = [], []
    for name in SYSTEM_DIRECTORIES:
        path = tree / name
        if path.is_symlink():
            links.append(Symlink(str(path.readlink()), f"/{name}"))
        elif path.is_dir():
            mounts.append(ReadOnlyMount(str(path), f"/{name}"))
    return RootView(mounts=tuple(mounts), symlinks=tuple(links))


def _key(digest: str) -> str:
    match = DIGEST.fullmatch(digest)
    if match is None:
        raise ImageRefused(f"{digest[:80]!r} is not a sha256 digest")
    return match[1]
