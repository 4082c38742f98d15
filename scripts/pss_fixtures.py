"""Fetch the upstream fixture Pods of the Pod Security Standards into one small archive.

Usage: scripts/pss_fixtures.py [MODULE_VERSION]   (needs the `go` command and network)

The files are the generated `test/testdata/<level>/v1.N/{pass,fail}/*.yaml` of the Go module
k8s.io/pod-security-admission, byte for byte, in one reproducible tar.xz: sorted, no times, no
owners. LICENSE travels inside the archive; ORIGIN.md beside it says where all of it came from.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

MODULE = "k8s.io/pod-security-admission"
VERSION = "v0.37.2"
TARGET = Path(__file__).parent.parent / "tests" / "conformance" / "pss" / "data"

ORIGIN = """\
# Fixture Pods of the Pod Security Standards

| | |
| --- | --- |
| origin | Go module `{module}`, `test/testdata` |
| version | `{version}` |
| licence | Apache-2.0 (LICENSE is in the archive), The Kubernetes Authors |
| files | {count} Pods, unchanged |
| fixtures.tar.xz | sha256 `{digest}` |
| made by | `python scripts/pss_fixtures.py {version}` |

`<level>/v1.N/pass/*.yaml` are allowed at that level and version, `fail/*.yaml` are not.
Upstream keeps fixtures for v1.0 up to v1.37. There are none for `privileged`, which allows every
Pod, nor for `latest`, which is the newest of them. Fixtures for v1.36 came with this release; the
releases of 1.36 itself (v0.36.x) carry 4,241 Pods up to v1.35 and the same rules up to v1.36.
"""


def fetch_module(version: str) -> Path:
    """Download the module through the go command, which checks its sum; return its folder."""
    answer = subprocess.run(
        ["go", "mod", "download", "-json", f"{MODULE}@{version}"],
        check=True,
        capture_output=True,
    )
    return Path(json.loads(answer.stdout)["Dir"])


def pack(module: Path) -> tuple[bytes, int]:
    """Archive licence and fixtures; equal input gives equal bytes."""
    testdata = module / "test" / "testdata"
    fixtures = sorted(testdata.glob("*/v1.*/*/*.yaml"))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz", preset=9) as archive:
        for path in [module / "LICENSE", *fixtures]:
            inside = module if path.name == "LICENSE" else testdata
            entry = tarfile.TarInfo(path.relative_to(inside).as_posix())
            content = path.read_bytes()
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue(), len(fixtures)


def main() -> None:
    """Write the archive and its origin."""
    version = sys.argv[1] if len(sys.argv) > 1 else VERSION
    packed, count = pack(fetch_module(version))
    digest = hashlib.sha256(packed).hexdigest()
    (TARGET / "fixtures.tar.xz").write_bytes(packed)
    origin = ORIGIN.format(module=MODULE, version=version, count=count, digest=digest)
    (TARGET / "ORIGIN.md").write_text(origin, encoding="utf-8")
    print(f"{count} fixtures, {len(packed)} bytes")


if __name__ == "__main__":
    main()
