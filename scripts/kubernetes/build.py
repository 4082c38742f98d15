"""Builds the real Kubernetes binaries that the contract and cluster tests run, once per machine.

The versions and hashes of everything compiled stand in the go.mod and go.sum beside this file; Go
refuses what differs. The result lies outside the checkout, in a folder named after both files, and
appears there whole or not at all. etcd comes from Debian, unpacked without installing it.

    python scripts/kubernetes/build.py                 # what the contract suite needs
    python scripts/kubernetes/build.py kubelet         # or what is named
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
CONTRACT = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl", "kubectl-v1.34")
_CONTROL_PLANE = HERE / "control-plane"
_MODULES = {"kubectl-v1.34": HERE / "kubectl-v1.34"}
_GO = "/usr/local/go/bin/go"
_OLDEST_GO = (1, 26)
Say = Callable[[str], None]


class Unavailable(Exception):  # it says what is missing
    """This machine lacks something that a build needs."""


def ensure(names: Sequence[str] = CONTRACT, say: Say = print) -> dict[str, Path]:
    """Return the path of each binary, building what is not there. Raises Unavailable."""
    found: dict[str, Path] = {}
    by_folder: dict[Path, list[str]] = {}
    for name in names:
        if name == "etcd":
            found[name] = _ensure_etcd(say)
        else:
            by_folder.setdefault(_MODULES.get(name, _CONTROL_PLANE), []).append(name)
    for folder, wanted in by_folder.items():
        found |= _ensure_built(folder, wanted, say)
    return found


def cache_dir() -> Path:
    """Return where all of this is kept."""
    root = os.environ.get("CASEMATE_CACHE_DIR") or Path.home() / ".cache"
    return Path(root) / "casemate" / "kubernetes"


def _ensure_built(folder: Path, wanted: list[str], say: Say) -> dict[str, Path]:
    place = cache_dir() / _key(folder)
    paths = {name: place / name for name in wanted}
    if all(path.is_file() for path in paths.values()):
        return paths
    go = _find_go()
    with _locked(place):
        missing = [name for name, path in paths.items() if not path.is_file()]
        if missing:
            _build(go, folder, missing, place, say)
    return paths


def _build(go: str, folder: Path, missing: list[str], place: Path, say: Say) -> None:
    version = _version(folder)
    say(f"building {', '.join(missing)} ({version}); about ten minutes the first time")
    commands = [f"k8s.io/kubernetes/cmd/{name.partition('-v')[0]}" for name in missing]
    stamp = f"-s -w -X k8s.io/component-base/version.gitVersion={version}"
    with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
        argv = [go, "build", "-v", "-trimpath", f"-ldflags={stamp}", "-o", f"{scratch}/", *commands]
        flags = f"-mod=readonly -buildvcs=false {os.environ.get('KUBERNETES_BUILD_FLAGS', '')}"
        environment = {**os.environ, "GOFLAGS": flags, "CGO_ENABLED": "0"}
        _run_with_progress(argv, folder, environment, say)
        place.mkdir(exist_ok=True)
        for name, command in zip(missing, commands, strict=True):
            (Path(scratch) / command.rpartition("/")[2]).rename(place / name)


def _run_with_progress(argv: list[str], folder: Path, env: dict[str, str], say: Say) -> None:
    tail: list[str] = []
    compiled = 0
    with subprocess.Popen(
        argv, cwd=folder, env=env, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        for line in process.stderr or ():
            tail = [*tail[-20:], line]
            compiled += not line.startswith("go: downloading")
            if compiled and compiled % 250 == 0:
                say(f"  {compiled} packages compiled")
    if process.returncode != 0:
        raise Unavailable(f"go build ended with {process.returncode}: {''.join(tail)[-2000:]}")


def _key(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        digest.update((folder / name).read_bytes())
    return f"{folder.name}-{digest.hexdigest()[:16]}"


def _version(folder: Path) -> str:
    found = re.search(r"k8s\.io/kubernetes (v[0-9.]+)", (folder / "go.mod").read_text())
    if found is None:
        raise Unavailable(f"{folder}/go.mod names no version of Kubernetes")
    return found.group(1)


def _find_go() -> str:
    go = shutil.which("go") or (_GO if os.access(_GO, os.X_OK) else None)
    if go is None:
        raise Unavailable("no go on PATH or in /usr/local/go/bin; install Go 1.26 or newer")
    said = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False)
    numbers = re.match(r"go(\d+)\.(\d+)", said.stdout)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < _OLDEST_GO:
        raise Unavailable(f"{go} is {said.stdout.strip() or 'unreadable'}; Go 1.26 is needed")
    return go


def _ensure_etcd(say: Say) -> Path:
    installed = shutil.which("etcd")
    if installed is not None:
        return Path(installed)
    place = cache_dir() / "etcd"
    binary = place / "usr/bin/etcd"
    if binary.is_file():
        return binary
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise Unavailable("no etcd on PATH, and no apt-get to get Debian's etcd-server with")
    with _locked(place):
        if not binary.is_file():
            say("getting etcd from Debian's package etcd-server")
            _unpack_debian("etcd-server", place)
    return binary


def _unpack_debian(package: str, place: Path) -> None:
    with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
        lists = Path(scratch) / "state/lists/partial"
        lists.mkdir(parents=True)
        # The machine's own lists may be old or cleared away; private ones need no root either.
        options = {
            "Dir::State": f"{scratch}/state",
            "Dir::Cache": f"{scratch}/cache",
            "Debug::NoLocking": "true",
            "APT::Sandbox::User": "root",
        }
        apt = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]
        _quietly([*apt, "update"], scratch)
        _quietly([*apt, "download", package], scratch)
        (archive,) = Path(scratch).glob("*.deb")
        _quietly(["dpkg-deb", "--extract", str(archive), f"{scratch}/root"], scratch)
        (Path(scratch) / "root").rename(place)


def _quietly(argv: list[str], folder: str) -> None:
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"{argv[0]} ended with {done.returncode}: {done.stderr[-500:]}")


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    """Hold the lock of one build: of two runs the second waits and finds the work done."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with (place.parent / f"{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Build what the arguments name and print where it is."""
    try:
        paths = ensure(sys.argv[1:] or CONTRACT, lambda text: print(text, file=sys.stderr))
    except Unavailable as missing:
        print(f"error: {missing}", file=sys.stderr)
        return 1
    for name, path in paths.items():
        print(f"{name}\t{path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
