"""OCI layouts and archives built by the test, byte by byte; hostile ones too."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path


def an_entry(name: str, content: bytes | None = b"", **changes) -> tuple[tarfile.TarInfo, bytes]:
    """One entry of a layer; `content` None makes a directory, `changes` set fields."""
    member = tarfile.TarInfo(name)
    if content is None:
        member.type, member.mode = tarfile.DIRTYPE, 0o755
    else:
        member.size = len(content)
    for key, value in changes.items():
        setattr(member, key, value)
    return member, content or b""


def a_link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    return an_entry(name, b"", type=kind, linkname=target)


def a_layer(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """Return the uncompressed tar of a layer."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member, content in entries:
            tar.addfile(member, io.BytesIO(content) if member.size else None)
    return buffer.getvalue()


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass
class ImageOnDisk:
    """Blobs and an index, written by `layout` or `archive`."""

    layers: list[bytes]
    environment: list[str] = field(default_factory=lambda: ["PATH=/usr/bin", "LANG=C.UTF-8"])
    compress: bool = True

    def __post_init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        packed = [gzip.compress(each, mtime=0) if self.compress else each for each in self.layers]
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": self.environment},
            "rootfs": {"type": "layers", "diff_ids": [digest(each) for each in self.layers]},
        }
        manifest = {
            "schemaVersion": 2,
            "config": self._add(json.dumps(config).encode()),
            "layers": [self._add(each) for each in packed],
        }
        descriptor = self._add(json.dumps(manifest).encode())
        self.digest = descriptor["digest"]
        self.index = {"schemaVersion": 2, "manifests": [descriptor]}

    def layout(self, folder: Path) -> Path:
        blobs = folder / "blobs/sha256"
        blobs.mkdir(parents=True)
        for name, content in self.blobs.items():
            (blobs / name.removeprefix("sha256:")).write_bytes(content)
        (folder / "index.json").write_text(json.dumps(self.index))
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        return folder

    def archive(self, path: Path) -> Path:
        files = {"index.json": json.dumps(self.index).encode()}
        files |= {f"blobs/sha256/{name[7:]}": content for name, content in self.blobs.items()}
        return _tar(path, files)

    def docker_archive(self, path: Path) -> Path:
        """The older form of docker save: a manifest.json and files by name."""
        config = next(each for each in self.blobs.values() if b"rootfs" in each)
        name = f"{hashlib.sha256(config).hexdigest()}.json"
        layers = {f"layer{number}/layer.tar": each for number, each in enumerate(self.layers)}
        manifest = [{"Config": name, "RepoTags": ["x:1"], "Layers": list(layers)}]
        return _tar(path, {"manifest.json": json.dumps(manifest).encode(), name: config, **layers})

    def _add(self, content: bytes) -> dict:
        self.blobs[digest(content)] = content
        return {"digest": digest(content), "size": len(content), "mediaType": "test"}


def _tar(path: Path, files: dict[str, bytes]) -> Path:
    path.write_bytes(a_layer(*(an_entry(name, content) for name, content in files.items())))
    return path
