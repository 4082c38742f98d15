"""What this machine can enforce and run, found by trying it; each gap with the way to close it."""

from __future__ import annotations

import asyncio
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

from casemate.api.catalogue import RUNTIMES
from casemate.errors import CasemateError
from casemate.node.interpreters import Interpreters
from casemate.node.launch import Launcher
from casemate.node.root_view import ReadOnlyMount, RootView, Symlink
from casemate.node.store import Store
from casemate.node.tool_sandbox import ToolRun, run_tool
from casemate.settings import Settings

OK, DEGRADED, MISSING = "ok", "degraded", "missing"
_OLDEST_KERNEL = (5, 12)
_NAMESPACES_REMEDY = (
    "sysctl -w kernel.unprivileged_userns_clone=1 (Debian), "
    "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), or run as root"
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    status: str
    detail: str
    remedy: str = ""

    def wire(self) -> dict[str, str]:
        """Return the JSON shape."""
        return asdict(self)


async def examine(settings: Settings) -> tuple[Check, ...]:
    """Look at kernel, sandbox, limits and interpreters; changes nothing but the store's notes."""
    found = [_kernel()]
    try:
        launcher = await Launcher.start()
    except CasemateError as error:
        found.append(Check("sandbox", MISSING, error.message, error.hint))
    else:
        found += _sandbox(launcher)
        await launcher.close()
    found += await asyncio.to_thread(_runtimes, settings)
    return tuple(found)


def _kernel() -> Check:
    release = platform.release()
    numbers = tuple(int(part) for part in release.split("-")[0].split(".")[:2] if part.isdigit())
    detail = f"Linux {release}, {platform.machine()}, uid {os.geteuid()}"
    if numbers >= _OLDEST_KERNEL:
        return Check("kernel", OK, detail)
    return Check("kernel", MISSING, detail, "run on Linux 5.12 or newer")


def _namespaces(bwrap: str) -> Check:
    """Start one program in namespaces of its own: the only proof that this machine allows it."""
    links = tuple(
        Symlink(f"usr/{name}", f"/{name}") for name in ("bin", "lib", "lib64") if _is_merged(name)
    )
    root = RootView(mounts=(ReadOnlyMount("/usr", "/usr"),), symlinks=links)
    try:
        result = run_tool(ToolRun(("/usr/bin/true",), root, timeout_seconds=10))
    except CasemateError as error:
        return Check("sandbox", MISSING, error.message, error.hint or _NAMESPACES_REMEDY)
    if result.code != 0:
        words = (result.stderr.strip().splitlines() or ["no message"])[-1]
        return Check("sandbox", MISSING, f"bwrap: {words}", _NAMESPACES_REMEDY)
    return Check("sandbox", OK, f"started one with {bwrap}")


def _is_merged(name: str) -> bool:
    return Path(f"/{name}").is_symlink()


def _sandbox(launcher: Launcher) -> list[Check]:
    enforcement = launcher.enforcement
    versions = " and ".join(enforcement.cgroup_versions) or "none writable"
    checks = [
        _namespaces(launcher.bwrap.path),
        Check("control groups", OK if enforcement.bounded else DEGRADED, versions),
    ]
    gaps = {gap.resource: gap for gap in enforcement.gaps()}
    checks += [
        Check(f"limit: {gap.resource}", DEGRADED, gap.consequence, gap.remedy)
        for gap in gaps.values()
    ]
    checks += [
        Check(f"limit: {resource}", OK, "by control group")
        for resource in sorted(enforcement.bounded)
        if resource not in gaps
    ]
    return checks


def _runtimes(settings: Settings) -> list[Check]:
    interpreters = Interpreters(settings, Store(settings.state_dir))
    checks = []
    for name in sorted(RUNTIMES):
        found = interpreters.find(name)
        if found is not None:
            checks.append(Check(f"runtime {name}", OK, f"{found.version} from {found.origin}"))
        else:
            remedy = f"fetched on first use; or install {RUNTIMES[name].version} yourself"
            checks.append(Check(f"runtime {name}", MISSING, "not on this machine", remedy))
    return checks
