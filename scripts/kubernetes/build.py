"""Builds the real Kubernetes binaries that the contract and cluster tests run, once per machine.

The versions and hashes of everything compiled stand in the go.mod and go.sum beside this file; Go
refuses what differs. The result lies outside the checkout, in a folder named after both files, and
appears there whole or not at all. Distributions' etcd is often too old: a watch that starts with
what is there needs 3.4.31 or newer.

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
_MODULES = {name: HERE / name for name in ("etcd", "kubectl-v1.34")}
_COMMANDS = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kubectl-v1.34": "k8s.io/kubernetes/cmd/kubectl",
}
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
    commands = [_COMMANDS.get(name, f"k8s.io/kubernetes/cmd/{name}") for name in missing]
    stamp = f"-s -w -X k8s.io/component-base/version.gitVersion={version}"
    with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
        argv = [go, "build", "-v", "-trimpath", f"-ldflags={stamp}", "-o", f"{scratch}/", *commands]
        flags = f"-mod=readonly -buildvcs=false {os.environ.get('KUBERNETES_BUILD_FLAGS', '')}"
        environment = {**os.environ, "GOFLAGS": flags, "CGO_ENABLED": "0"}
        _run_with_progress(argv, folder, environment, say)
        place.mkdir(exist_ok=True)
        for name, command in zip(missing, commands, strict=True):
            (Path(scratch) / _program(command)).rename(place / name)


def _program(command: str) -> str:
    """Return what Go names a program: the last element that is no major version."""
    return re.sub(r"/v\d+$", "", command).rpartition("/")[2]


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
    wanted = r"(?:k8s\.io/kubernetes|go\.etcd\.io/etcd/server/v3) (v[0-9.]+)"
    found = re.search(wanted, (folder / "go.mod").read_text())
    if found is None:
        raise Unavailable(f"{folder}/go.mod names no version of what it builds")
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
