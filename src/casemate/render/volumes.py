"""The volumes of a Function's Pod: its source, its packages, its scratch space, its Secrets.

Nothing but the scratch space can be written, and the scratch space has a size.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple

from casemate.api.catalogue import Language
from casemate.api.names import is_data_key
from casemate.api.paths import FUNCTION_DIR, NODE_PACKAGES_DIR, PYTHON_PACKAGES_DIR, TMP_DIR
from casemate.api.workload import (
    EmptyDirVolume,
    ImageVolume,
    KeyToPath,
    SecretVolume,
    Volume,
    VolumeMount,
)
from casemate.render.errors import Unrenderable
from casemate.render.resources import smaller

if TYPE_CHECKING:
    from casemate.api.function import Function
    from casemate.render.policy import RenderPolicy

SOURCE_MODE = 0o440
# Kyma writes 0666; only the Function's own user reads these.
SECRET_MODE = 0o400
LAYER_REPOSITORY = "casemate.local/layers"
SOURCE_VOLUME = "source"
PACKAGES_VOLUME = "packages"
TMP_VOLUME = "tmp"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)


class MountedVolume(NamedTuple):
    """A volume and where it appears."""

    volume: Volume
    mount: VolumeMount


def source_secret_name(function_name: str, source_digest: str) -> str:
    """Return the name of the Secret that holds the source of exactly this digest."""
    return f"{function_name}-source-{_checked(source_digest).removeprefix('sha256:')[:12]}"


def source_key(path: str) -> str:
    """Return the Secret's key for a file: its path where that can be a key, else its digest."""
    if is_data_key(path):
        return path
    return f"file.{hashlib.sha256(path.encode()).hexdigest()}"


def layer_reference(runtime: str, layer_digest: str) -> str:
    """Return the image reference of a dependency layer."""
    return f"{LAYER_REPOSITORY}/{runtime}@{_checked(layer_digest)}"


def render_volumes(
    function: Function, policy: RenderPolicy, *, storage_limit: str
) -> tuple[MountedVolume, ...]:
    """Return all volumes in a fixed order."""
    volumes = [_source(function, policy)]
    if policy.layer_digest is not None:
        volumes.append(_packages(function, policy.layer_digest))
    volumes.append(_tmp(smaller(policy.tmp_size_limit, storage_limit)))
    volumes.extend(
        _secret(index, mount.secret_name, _plain_path(mount.mount_path))
        for index, mount in enumerate(function.spec.secret_mounts or ())
    )
    return tuple(volumes)


def _checked(digest: str) -> str:
    if not _DIGEST.fullmatch(digest):
        raise Unrenderable("a digest is not sha256 and 64 hex digits")
    return digest


def _plain_path(path: str) -> str:
    """Return the path without doubled or final slashes, as a mount table needs it."""
    return "/" + "/".join(part for part in path.split("/") if part)


def _mounted(volume: Volume, path: str, *, read_only: bool) -> MountedVolume:
    mount = VolumeMount(name=volume.name, mount_path=path, read_only=read_only)
    return MountedVolume(volume, mount)


def _source(function: Function, policy: RenderPolicy) -> MountedVolume:
    if not policy.source_files:
        raise Unrenderable("the source holds no file")
    items = tuple(
        KeyToPath(key=source_key(path), path=path) for path in sorted(set(policy.source_files))
    )
    secret = SecretVolume(
        secret_name=source_secret_name(function.ref.name, policy.source_digest),
        default_mode=SOURCE_MODE,
        items=items,
    )
    return _mounted(Volume(name=SOURCE_VOLUME, secret=secret), FUNCTION_DIR, read_only=True)


def _packages(function: Function, layer_digest: str) -> MountedVolume:
    python = function.runtime.language is Language.PYTHON
    image = ImageVolume(
        reference=layer_reference(function.spec.runtime, layer_digest),
        pull_policy="IfNotPresent",
    )
    path = PYTHON_PACKAGES_DIR if python else NODE_PACKAGES_DIR
    return _mounted(Volume(name=PACKAGES_VOLUME, image=image), path, read_only=True)


def _tmp(size_limit: str) -> MountedVolume:
    volume = Volume(name=TMP_VOLUME, empty_dir=EmptyDirVolume(size_limit=size_limit))
    return _mounted(volume, TMP_DIR, read_only=False)


def _secret(index: int, secret_name: str, path: str) -> MountedVolume:
    # By index: a Secret's name can be longer than a volume's, and could be "source".
    secret = SecretVolume(secret_name=secret_name, default_mode=SECRET_MODE, optional=False)
    return _mounted(Volume(name=f"secret-{index}", secret=secret), path, read_only=True)
