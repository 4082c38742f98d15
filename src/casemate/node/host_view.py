"""Assembles the root file system of a sandbox: an interpreter and exactly what it needs.

The sources are a machine's own files (`sysroot` "/") or an unpacked distribution. One tree of the
store gets the program, the standard library without its tests and installers, the libraries that
the loader would find, certificates, time zones, a locale, and a minimal /etc. Copies, not binds:
one mount instead of forty, no file of the host whose mode we would have to trust, and an upgrade
of the host does not change a running Function. There is no shell and no other program.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from casemate.errors import Unsupported
from casemate.node import elf

if TYPE_CHECKING:
    from collections.abc import Iterable

# Libraries that wheels and addons may take for granted (the manylinux policies), beyond those that
# the interpreter itself needs.
EXPECTED_LIBRARIES = (
    "libgcc_s.so.1", "libstdc++.so.6", "libz.so.1", "libm.so.6", "libdl.so.2", "librt.so.1",
    "libpthread.so.0", "libutil.so.1", "libresolv.so.2", "libanl.so.1", "libnss_files.so.2",
    "libnss_dns.so.2", "libatomic.so.1",
)  # fmt: skip
# Nobody imports these in a Function; they are two thirds of the standard library's size.
UNWANTED_MODULES = frozenset({
    "test", "tests", "idlelib", "ensurepip", "lib2to3", "turtledemo", "tkinter", "site-packages",
    "dist-packages", "idle_test", "sitecustomize.py", "turtle.py", "EXTERNALLY-MANAGED",
})  # fmt: skip
UNWANTED_EXTENSIONS = ("_tkinter.", "_test", "_ctypes_test.", "xxlimited", "_xxtestfuzz.")
_DEFAULT_LIBRARY_DIRS = ("/lib64", "/usr/lib64", "/lib", "/usr/lib")
_MOST_LINKS = 40
_FICLONE = 0x40049409

_ETC: dict[str, str] = {
    "passwd": "root:x:0:0:root:/:/nonexistent\nfunction:x:1000:1000:function:/tmp:/nonexistent\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/nonexistent\n",
    "group": "root:x:0:\nfunction:x:1000:\nnogroup:x:65534:\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "resolv.conf": "",
    "hostname": "function\n",
}
_CA_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
# Where the common builds of OpenSSL look for the bundle.
_CA_LINKS = {
    "etc/ssl/cert.pem": "certs/ca-certificates.crt",
    "usr/lib/ssl/cert.pem": "../../../etc/ssl/certs/ca-certificates.crt",
    "usr/lib/ssl/certs": "../../../etc/ssl/certs",
}


@dataclass
class Sysroot:
    """Where files are taken from, and the note of each one taken."""

    path: Path
    taken: set[Path] = field(default_factory=set)

    def real(self, name: str) -> Path | None:
        """Follow `name` inside the sysroot, links included; nothing when it does not exist."""
        if self.path == Path("/"):
            return Path(name).resolve() if Path(name).exists() else None
        done = PurePosixPath("/")
        pending = list(PurePosixPath(name).parts[1:])
        links = 0
        while pending:
            part = pending.pop(0)
            if part == "..":
                done = done.parent
                continue
            step = self.path / str(done / part).lstrip("/")
            if step.is_symlink() and links < _MOST_LINKS:
                links += 1
                target = PurePosixPath(step.readlink())
                done = PurePosixPath("/") if target.is_absolute() else done
                pending = [*(p for p in target.parts if p != "/"), *pending]
            elif step.exists():
                done /= part
            else:
                return None
        return self.path / str(done).lstrip("/")

    def library_dirs(self) -> tuple[str, ...]:
        """Return the loader's default directories, the machine's triplet first."""
        triplets = sorted((self.path / "usr/lib").glob("*-linux-gnu*"))
        own = [f"/usr/lib/{path.name}" for path in triplets if path.is_dir()]
        return (*own, *_DEFAULT_LIBRARY_DIRS)


def copy_file(source: Path, target: Path) -> None:
    """Copy bytes and time, sharing the blocks where the file system can; never owner or mode."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as reader, target.open("wb") as writer:
        try:
            fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
        except OSError:
            shutil.copyfileobj(reader, writer, 1 << 20)
    status = source.stat()
    # Compiled modules carry the time of their source; without it Python compiles them again.
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    if status.st_mode & stat.S_IXUSR:
        target.chmod(0o755)


def install_program(sysroot: Sysroot, program: Path, tree: Path, target: str) -> None:
    """Copy a program to `target` in the tree, with its loader."""
    copy_file(program, tree / target)
    (tree / target).chmod(0o755)
    sysroot.taken.add(program)
    loader = elf.read_needs(program).loader
    if loader:
        found = sysroot.real(loader)
        if found is None:
            raise Unsupported(f"{program.name} needs the loader {loader}, which is missing")
        # /lib and /lib64 are links to /usr in every view.
        copy_file(found, tree / f"usr/{loader.removeprefix('/').removeprefix('usr/')}")
        sysroot.taken.add(found)


def install_libraries(sysroot: Sysroot, programs: Iterable[Path], tree: Path) -> None:
    """Copy the libraries that `programs` need, and those that addons expect, to one place."""
    libc = _find(sysroot, "libc.so.6", ())
    if libc is None:
        raise Unsupported("no C library was found", hint="musl systems are not supported")
    # The one directory that the loader searches for certain: where its own C library lies.
    directory = tree / "usr" / str(libc.parent).split("/usr/", 1)[-1].lstrip("/")
    placed: set[str] = set()
    pending: list[tuple[str, tuple[str, ...], bool]] = [
        (name, (), False) for name in EXPECTED_LIBRARIES
    ]
    for program in programs:
        pending += _wants(program, required=True)
    while pending:
        name, search, required = pending.pop()
        if name in placed or "/" in name or name.startswith("ld-linux"):
            continue
        found = _find(sysroot, name, search)
        if found is None:
            if required:
                raise Unsupported(f"the library {name} is missing on this machine")
            continue
        placed.add(name)
        sysroot.taken.add(found)
        copy_file(found, directory / name)
        pending += _wants(found, required=required)


def _wants(path: Path, *, required: bool) -> list[tuple[str, tuple[str, ...], bool]]:
    needs = elf.read_needs(path)
    search = tuple(
        part.replace("${ORIGIN}", "$ORIGIN").replace("$ORIGIN", str(path.parent))
        for part in needs.search
    )
    return [(name, search, required) for name in needs.libraries]


def _find(sysroot: Sysroot, name: str, search: tuple[str, ...]) -> Path | None:
    for directory in (*search, *sysroot.library_dirs()):
        inner = (
            directory.removeprefix(str(sysroot.path)) if sysroot.path != Path("/") else directory
        )
        found = sysroot.real(f"/{inner.lstrip('/')}/{name}")
        if found is not None and elf.is_elf(found):
            return found
    return None


def install_standard_library(source: Path, dynload: Path, tree: Path, version: str) -> list[Path]:
    """Copy a Python's standard library; returns its extension modules, for their libraries."""
    target = tree / f"usr/lib/python{version}"
    for path, names, files in os.walk(source):
        names[:] = [n for n in names if n not in UNWANTED_MODULES and not n.startswith("config-")]
        inner = Path(path).relative_to(source)
        for name in files:
            file = Path(path, name)
            unwanted = name in UNWANTED_MODULES or name.startswith(UNWANTED_EXTENSIONS)
            if not unwanted and file.is_file():
                copy_file(file, target / inner / name)
    if dynload != source / "lib-dynload":
        for file in dynload.glob("*.so"):
            copy_file(file, target / "lib-dynload" / file.name)
    return sorted((target / "lib-dynload").glob("*.so"))


def install_surroundings(sysroot: Sysroot, tree: Path) -> None:
    """Write /etc, certificates, time zones and the C.UTF-8 locale."""
    for name, content in _ETC.items():
        path = tree / "etc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    # Certificates are the machine's even for an unpacked distribution: its owner decides on trust.
    bundle = next((path for path in map(Path, _CA_BUNDLES) if path.is_file()), None)
    if bundle is not None:
        copy_file(bundle, tree / "etc/ssl/certs/ca-certificates.crt")
        for link, points_at in _CA_LINKS.items():
            (tree / link).parent.mkdir(parents=True, exist_ok=True)
            (tree / link).symlink_to(points_at)
    zones = next((p for p in (sysroot.real("/usr/share/zoneinfo"),) if p), None)
    if zones is None:
        zones = Sysroot(Path("/")).real("/usr/share/zoneinfo")
    if zones is not None:
        _copy_plain(zones, tree / "usr/share/zoneinfo", skip={"right", "posix"})
    locale = sysroot.real("/usr/lib/locale/C.utf8")
    if locale is not None:
        _copy_plain(locale, tree / "usr/lib/locale/C.utf8", skip=set())


def _copy_plain(source: Path, target: Path, *, skip: set[str]) -> None:
    for path, names, files in os.walk(source):
        names[:] = [name for name in names if name not in skip]
        inner = Path(path).relative_to(source)
        for name in files:
            file = Path(path, name).resolve()
            if file.is_file() and file.is_relative_to(source):
                copy_file(file, target / inner / name)
