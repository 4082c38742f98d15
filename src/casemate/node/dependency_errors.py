"""Why dependencies could not be resolved or installed, sorted by whether trying again can help."""

from __future__ import annotations

import re

from casemate.errors import CasemateError, Retry
from casemate.node.runtime_errors import safe_reason

_NETWORK = re.compile(
    r"dns error|error sending request|ENOTFOUND|EAI_AGAIN|ECONNRE|ETIMEDOUT|timed? ?out|"
    r"certificate|UNABLE_TO_|\b50[0234]\b|\b429\b|Failed to fetch|network",
    re.IGNORECASE,
)
_NOT_FOUND = re.compile(
    r"not found in the package registry|no solution found|\b404\b|E404|ETARGET|No versions of|"
    r"there are no versions|no matching version|was not found|unsatisfiable",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"\bE40[13]\b|40[13] (Unauthorized|Forbidden)|Incorrect or missing password|"
    r"valid authentication credentials|\bENEEDAUTH\b|\bEINVALIDAUTH\b|ERR_INVALID_AUTH"
)
_NO_WHEEL = re.compile(r"no (usable |matching )?wheels|only-binary|no-build", re.IGNORECASE)
_NOISE = re.compile(r"^(npm (error|warn) ?(A complete log.*|code \w+)?|warning:.*|error: )")


class DependencyError(CasemateError):
    """Dependencies cannot be had; the manifest has to change."""

    code = "DependencyError"
    retry = Retry.WHEN_CHANGED
    exit_code = 2


class RegistryUnreachable(DependencyError):
    """A registry did not answer; trying again may help."""

    code = "RegistryUnreachable"
    retry = Retry.BACKOFF
    exit_code = 5


class LockRefused(DependencyError):
    """A lock names something that must not be installed."""

    code = "LockRefused"


def from_tool(tool: str, stderr: str) -> DependencyError:
    """Turn the words of uv or npm into an error with a short, safe reason."""
    reason = safe_reason("\n".join(_NOISE.sub("", line) for line in stderr.splitlines()), 500)
    if _REFUSED.search(stderr):
        return DependencyError(
            f"the package registry refused {tool}: {reason}",
            hint="name the registry and its password in the Secret "
            "serverless-package-registry-config of the Function's namespace",
        )
    if _NETWORK.search(stderr) and not _NOT_FOUND.search(stderr):
        return RegistryUnreachable(
            f"{tool} could not reach the package registry: {reason}",
            hint="check this machine's network, proxy and registry settings",
        )
    hint = ""
    if _NO_WHEEL.search(stderr):
        hint = (
            "a package has no wheel for this runtime; building from source runs the package's "
            "code and is off: pin a version that has wheels"
        )
    return DependencyError(f"{tool} found no way to install the dependencies: {reason}", hint=hint)
