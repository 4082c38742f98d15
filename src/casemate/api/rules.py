"""Rules of a Function that concern more than one field; pure, and each yields every violation.

A rule of one field, or of one object below `spec`, lives with its type instead.
"""

from __future__ import annotations

import json
import posixpath
from typing import TYPE_CHECKING, Any

from casemate.api.catalogue import RUNTIMES, Language
from casemate.api.env import env_value
from casemate.api.function import LONGEST_TIMEOUT_SECONDS
from casemate.api.violations import Location, Violation, path_text, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from casemate.api.function import Function, FunctionSpec
    from casemate.api.serverless import Serverless

LARGEST_REQUEST_MB = 1024
Broken = tuple[Location, Violation]


def _at(location: Location, message: str, *, allowed: str = "", hint: str = "") -> Broken:
    return location, Violation(path_text(location), message, allowed=allowed, hint=hint)


def function_violations(function: Function) -> tuple[Broken, ...]:
    """Return every cross-field rule that `function` breaks, with the location of each."""
    return tuple(broken for rule in _RULES for broken in rule(function.spec))


def installation_violations(function: Function, serverless: Serverless) -> tuple[Broken, ...]:
    """Return what `function` asks of the installation that `serverless` does not know."""
    issuers = [issuer.name for issuer in serverless.spec.identity.issuers]
    grants = function.spec.access.invoked_by if function.spec.access else ()
    return tuple(
        _at(
            ("spec", "access", "invokedBy", index, "jwt", "issuer"),
            f'issuer "{grant.jwt.issuer}" is not known to this installation',
            allowed=", ".join(issuers) or "none: Serverless.spec.identity.issuers is empty",
            hint=suggestion(grant.jwt.issuer, issuers),
        )
        for index, grant in enumerate(grants)
        if grant.jwt is not None and grant.jwt.issuer not in issuers
    )


def _unique_env_names(spec: FunctionSpec) -> Iterator[Broken]:
    seen: set[str] = set()
    for index, variable in enumerate(spec.env or ()):
        if variable.name in seen:
            yield _at(
                ("spec", "env", index, "name"),
                f'name "{variable.name}" is used twice',
                allowed="each name once",
            )
        seen.add(variable.name)


def _separate_secret_mounts(spec: FunctionSpec) -> Iterator[Broken]:
    names: set[str] = set()
    paths: list[str] = []
    for index, mount in enumerate(spec.secret_mounts or ()):
        if mount.secret_name in names:
            yield _at(
                ("spec", "secretMounts", index, "secretName"),
                f'Secret "{mount.secret_name}" is mounted twice',
                allowed="each Secret once",
            )
        names.add(mount.secret_name)
        path = "/" + posixpath.normpath(mount.mount_path).lstrip("/")
        if any(_nested(path, other) or _nested(other, path) for other in paths):
            yield _at(
                ("spec", "secretMounts", index, "mountPath"),
                f'"{mount.mount_path}" is, holds, or lies in the path of another mount',
                allowed="separate paths",
            )
        paths.append(path)


def _nested(inner: str, outer: str) -> bool:
    return inner == outer or inner.startswith(f"{outer}/")


def _one_way_to_scale(spec: FunctionSpec) -> Iterator[Broken]:
    if spec.scaling is not None and spec.scale_config is not None:
        yield _at(
            ("spec", "scaleConfig"),
            "must not be set together with scaling",
            allowed="scaling | scaleConfig",
            hint="scaleConfig is deprecated, remove it",
        )


def _whole_number_env(
    spec: FunctionSpec, name: str, largest: int, *, field: int | None = None
) -> Iterator[Broken]:
    value = env_value(spec.env, name)
    if value is None:
        return
    index = next(i for i, variable in enumerate(spec.env or ()) if variable.name == name)
    location = ("spec", "env", index, "value")
    # isdigit alone would take digits of every script, which int() reads and other readers do not.
    if not (value.isascii() and value.isdigit() and 1 <= len(value) <= 6 and int(value) > 0):  # noqa: PLR2004
        yield _at(location, f"{name} is not a whole number", allowed=f"1 to {largest}")
    elif int(value) > largest:
        yield _at(location, f"{name} is too large", allowed=f"1 to {largest}")
    elif field is not None and int(value) != field:
        yield _at(
            location,
            f"{name} contradicts timeoutSeconds {field}",
            hint=f"remove {name}, timeoutSeconds sets it",
        )


def _timeout(spec: FunctionSpec) -> Iterator[Broken]:
    yield from _whole_number_env(
        spec, "FUNC_TIMEOUT", LONGEST_TIMEOUT_SECONDS, field=spec.timeout_seconds
    )


def _request_limit(spec: FunctionSpec) -> Iterator[Broken]:
    yield from _whole_number_env(spec, "REQ_MB_LIMIT", LARGEST_REQUEST_MB)


def _node_dependencies(spec: FunctionSpec) -> Iterator[Broken]:
    inline = spec.source.inline
    if inline is None or RUNTIMES[spec.runtime].language is not Language.NODEJS:
        return
    text = (inline.dependencies or "").strip()
    location: Location = ("spec", "source", "inline", "dependencies")
    if not text:
        return
    try:
        package: Any = json.loads(text)
    except RecursionError:
        package = None
    except ValueError as error:
        where = f" in line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        yield _at(location, f"is not valid JSON{where}", allowed="the text of a package.json")
        return
    if not isinstance(package, dict):
        yield _at(location, "is not a JSON object", allowed="the text of a package.json")
        return
    declared = package.get("dependencies", {})
    if not isinstance(declared, dict) or not all(isinstance(v, str) for v in declared.values()):
        yield _at(location, "its dependencies are not an object of name to version range")


_RULES: tuple[Callable[[FunctionSpec], Iterator[Broken]], ...] = (
    _unique_env_names,
    _separate_secret_mounts,
    _one_way_to_scale,
    _timeout,
    _request_limit,
    _node_dependencies,
)
