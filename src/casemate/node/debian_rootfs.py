"""Gets a Python from a Debian suite with the machine's own apt, as any user.

apt runs in private directories: nothing of the system is changed, nothing is installed, no
maintainer script runs. The mirror is the machine's own; signatures are checked against Debian's
keyring, and so is the age of the suite: one past its date may lack known fixes, and is only used
where `CASEMATE_ALLOW_STALE_SUITES` says so.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from casemate.node import host_view
from casemate.node.probe import Probe
from casemate.node.runtime_errors import FetchFailed, safe_reason

if TYPE_CHECKING:
    from collections.abc import Mapping

# Which suites carry a version; the most stable first.
SUITES: Mapping[str, tuple[str, ...]] = {"3.13": ("trixie",), "3.14": ("forky", "sid")}
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_SUITE_NAMES = re.compile(
    r"(bookworm|trixie|forky|duke|sid|stable|testing|unstable|oldstable)(-updates)?"
)
_PACKAGES = (
    "python{v}-minimal", "libpython{v}-stdlib", "libc-bin", "libstdc++6", "libgcc-s1", "zlib1g",
    "tzdata",
)  # fmt: skip
_SECONDS = 180


def fetch_python(short: str, directory: Path, *, allow_stale: bool) -> tuple[Path, str]:
    """Unpack a Python `short` and its libraries below `directory`; returns (root, suite).

    Raises FetchFailed with the reasons of all suites.
    """
    _require_tools()
    reasons = []
    for suite in SUITES.get(short, ()):
        try:
            place = directory / suite
            place.mkdir()
            return _fetch_from(suite, short, place, allow_stale=allow_stale), suite
        except FetchFailed as failure:
            reasons.append(f"{suite}: {failure.message}")
    if not reasons:
        raise FetchFailed(f"no Debian suite carries Python {short}")
    raise FetchFailed("; ".join(reasons))


def probe_rootfs(root: Path, short: str) -> Probe:
    """Describe the unpacked Python; it cannot be run before it has its own loader around it."""
    packages = sorted((root.parent / "cache/archives").glob(f"python{short}-minimal_*.deb"))
    version = packages[0].name.split("_")[1].split("-")[0].split("+")[0].split("~")[0]
    library = root / f"usr/lib/python{short}"
    return Probe(version, root / f"usr/bin/python{short}", library, library / "lib-dynload")


def sysroot_of(root: Path) -> host_view.Sysroot:
    """Complete the links of merged /usr, which a maintainer script would have made."""
    for name in ("lib", "lib64", "bin"):
        if not (root / name).exists() and (root / "usr" / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    return host_view.Sysroot(root)


def _require_tools() -> None:
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if missing or not _KEYRING.is_file():
        raise FetchFailed(
            f"this is no Debian machine: {' and '.join(missing) or 'its keys'} missing"
        )


def _mirror() -> str:
    form = "$(REPO_URI) $(RELEASE) $(COMPONENT)"
    words = ["indextargets", "--no-release-info", "--format", form, "Identifier: Packages"]
    for line in _run(["apt-get", *words], None).splitlines():
        address, suite, component = (*line.split(), "", "", "")[:3]
        if component == "main" and _SUITE_NAMES.fullmatch(suite) and "security" not in address:
            return address
    raise FetchFailed("apt knows no Debian mirror here")


def _fetch_from(suite: str, short: str, place: Path, *, allow_stale: bool) -> Path:
    for name in ("state/lists/partial", "cache/archives/partial", "root"):
        (place / name).mkdir(parents=True)
    _configure(place, suite, allow_stale=allow_stale)
    _apt(place, "update")
    wanted = [name.format(v=short) for name in _PACKAGES]
    _apt(place, "--download-only", "--yes", "install", *wanted)
    for package in sorted((place / "cache/archives").glob("*.deb")):
        _run(["dpkg-deb", "--extract", str(package), str(place / "root")], None)
    return place / "root"


def _configure(place: Path, suite: str, *, allow_stale: bool) -> None:
    # A file, not arguments: the mirror's address may hold a password.
    sources = place / "debian.sources"
    sources.touch(mode=0o600)
    sources.write_text(
        f"Types: deb\nURIs: {_mirror()}\nSuites: {suite}\nComponents: main\n"
        f"Signed-By: {_KEYRING}\nTargets: Packages\n"
    )
    (place / "status").touch()
    strict = "false" if allow_stale else "true"
    lines = {
        "Dir::Etc::parts": "/dev/null",
        "Dir::Etc::main": "/dev/null",
        "Dir::Etc::sourcelist": str(sources),
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::State": str(place / "state"),
        "Dir::State::status": str(place / "status"),
        "Dir::Cache": str(place / "cache"),
        "Debug::NoLocking": "true",
        "APT::Install-Recommends": "false",
        "APT::Get::AllowUnauthenticated": "false",
        "Acquire::AllowInsecureRepositories": "false",
        "Acquire::Languages": "none",
        "Acquire::Retries": "2",
        # ATTACK: a mirror that replays an old suite hides security fixes; machines where the
        # administrator switched the check off do not switch it off for us.
        # tests/unit/node/test_debian_rootfs.py::test_the_age_of_a_suite_is_checked_unless_allowed
        "Acquire::Check-Valid-Until": strict,
        "Acquire::Check-Date": strict,
        # The system's own user for downloads cannot enter our directories.
        "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",
    }
    text = "".join(f'{name} "{value}";\n' for name, value in lines.items())
    (place / "apt.conf").write_text(text + _proxies())


def _proxies() -> str:
    lines = _run(["apt-config", "dump"], None).splitlines()
    return "".join(f"{line}\n" for line in lines if re.match(r"Acquire::https?::", line))


def _apt(place: Path, *words: str) -> None:
    _run(["apt-get", "-qq", *words], place / "apt.conf")


def _run(argv: list[str], config: Path | None) -> str:
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    if config is not None:
        environment["APT_CONFIG"] = str(config)
    try:
        done = subprocess.run(  # noqa: S603  # a list; names of packages are our own
            argv, capture_output=True, text=True, timeout=_SECONDS, check=False, env=environment
        )
    except subprocess.TimeoutExpired as error:
        raise FetchFailed(f"{argv[0]} did not end within {_SECONDS} s") from error
    if done.returncode != 0:
        raise FetchFailed(safe_reason(done.stderr, 300) or f"{argv[0]} failed")
    return done.stdout
