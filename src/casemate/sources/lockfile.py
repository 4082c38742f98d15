"""Reads what a Function says it depends on, and allows only names and versions of a registry.

Everything that would make the resolver go elsewhere (an index option, a path, an address, a
repository) is refused with its line, because that choice belongs to the installation and not to a
manifest. Also refused is what would run code while resolving. Pure.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from casemate.api.catalogue import Language
from casemate.api.violations import Violation, shortened
from casemate.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LARGEST_TEXT = 256 * 1024
MOST_DEPENDENCIES = 500
_HASH = re.compile(r"\s+--hash[= ]((?:sha256|sha384|sha512):[0-9a-f]{64,128})(?=\s|$)")
_COMMENT = re.compile(r"(^|\s)#.*$")
_NPM_NAME = re.compile(r"(?:@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~_-][a-z0-9._~-]*")
_NPM_RANGE = re.compile(r"[0-9A-Za-z.*^~<>=|+\- ]{0,200}")
_NPM_FIELDS = ("dependencies", "optionalDependencies", "peerDependencies")
_NPM_REFUSED = {
    "workspaces": "is not supported: a Function is one package",
    "overrides": "is not supported",
    "bundleDependencies": "is not supported",
    "bundledDependencies": "is not supported",
}


class DependenciesRefused(InvalidInput):
    """A dependency file breaks rules; `violations` holds every one of them."""

    code = "DependenciesRefused"

    def __init__(self, violations: Iterable[Violation]) -> None:
        self.violations = tuple(violations)
        hint = next((each.hint for each in self.violations if each.hint), "")
        text = "\n".join(str(each).split("\nhint:")[0] for each in self.violations)
        super().__init__(f"dependencies cannot be used\n{text}", hint=hint)


@dataclass(frozen=True)
class Dependencies:
    """Checked dependencies in one spelling: equal wishes give equal text."""

    language: Language
    text: str
    hashes: Mapping[str, frozenset[str]]
    """Hashes that the user wrote, by normalized name; they bind the lock."""

    @property
    def digest(self) -> str:
        """Return `sha256:` over the wishes."""
        return f"sha256:{hashlib.sha256(self.text.encode()).hexdigest()}"


def parse_dependencies(text: str | None, language: Language) -> Dependencies | None:
    """Read a dependency file; nothing when it asks for nothing; raises DependenciesRefused."""
    if text is None or not text.strip():
        return None
    if len(text.encode()) > LARGEST_TEXT or "\0" in text:
        raise DependenciesRefused([Violation("dependencies", "is larger than 256 KiB or binary")])
    parsed = parse_requirements(text) if language is Language.PYTHON else parse_package_json(text)
    return parsed if parsed.text else None


def parse_requirements(text: str) -> Dependencies:
    """Read a requirements.txt."""
    violations: list[Violation] = []
    lines: list[str] = []
    hashes: dict[str, frozenset[str]] = {}
    for number, line in _logical_lines(text):
        given = frozenset(_HASH.findall(line))
        plain = _HASH.sub("", line).strip()
        wrong = _option_problem(plain)
        if not wrong:
            try:
                requirement = Requirement(plain)
            except InvalidRequirement:
                wrong = ("is not a requirement", "write name==version, one on a line")
            else:
                wrong = _requirement_problem(requirement)
        if wrong:
            violations.append(
                Violation("", wrong[0], hint=wrong[1], origin="requirements.txt", line=number)
            )
            continue
        requirement.name = canonicalize_name(requirement.name)
        lines.append(str(requirement))
        if given:
            # One package may stand on several lines, told apart by their markers.
            hashes[requirement.name] = hashes.get(requirement.name, frozenset()) | given
    if len(lines) > MOST_DEPENDENCIES:
        violations.append(Violation("requirements.txt", f"has more than {MOST_DEPENDENCIES} lines"))
    if violations:
        raise DependenciesRefused(violations)
    ordered = "".join(f"{line}\n" for line in sorted(set(lines)))
    return Dependencies(Language.PYTHON, ordered, hashes)


def _logical_lines(text: str) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    start, pending = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        start = start if pending else number
        pending += _COMMENT.sub("", line).rstrip()
        if pending.endswith("\\"):
            pending = f"{pending[:-1]} "
            continue
        if pending.strip():
            found.append((start, pending.strip()))
        pending = ""
    return [*found, (start, pending.strip())] if pending.strip() else found


def _option_problem(line: str) -> tuple[str, str] | None:
    # ATTACK: `--extra-index-url` or `-e git+ssh://` makes the resolver fetch from, and run code of,
    # wherever the manifest says. tests/unit/sources/test_lockfile.py
    if line.startswith("-"):
        option = shortened(re.split(r"[=\s]", line, maxsplit=1)[0])
        return (
            f"option {option} is not allowed",
            "registries are named by the installation, or by the Function's registry Secret",
        )
    if line.startswith((".", "/", "~")) or re.match(r"[A-Za-z]:[\\/]", line):
        return "is a path; only packages of a registry can be used", ""
    if re.match(r"(git|hg|svn|bzr|https?|file|ssh|ftp)(\+\w+)?:", line, re.IGNORECASE):
        return "is an address; only packages of a registry can be used", ""
    return None


def _requirement_problem(requirement: Requirement) -> tuple[str, str] | None:
    if requirement.url is not None:
        return "names an address; only packages of a registry can be used", ""
    if any(each.operator == "===" for each in requirement.specifier):
        return "uses ===, which compares text", "use =="
    return None


def parse_package_json(text: str) -> Dependencies:
    """Read a package.json; only its dependencies count, scripts are never run."""
    try:
        document = json.loads(text, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 0)
        raise DependenciesRefused(
            [Violation("", "is not valid JSON", origin="package.json", line=line)]
        ) from error
    if not isinstance(document, dict):
        raise DependenciesRefused([Violation("package.json", "must be an object")])
    violations = [
        Violation(f"package.json: {name}", problem)
        for name, problem in _NPM_REFUSED.items()
        if document.get(name)
    ]
    wishes: dict[str, str] = {}
    for field in _NPM_FIELDS:
        for name, wish in _object(document.get(field), field, violations).items():
            problem = _npm_problem(name, wish)
            if problem:
                path = f"package.json: {field}[{json.dumps(shortened(str(name)))}]"
                violations.append(Violation(path, problem))
            elif isinstance(wish, str):
                wishes.setdefault(name, wish.strip())
    if len(wishes) > MOST_DEPENDENCIES:
        violations.append(Violation("package.json", f"names more than {MOST_DEPENDENCIES}"))
    if violations:
        raise DependenciesRefused(violations)
    ordered = json.dumps(wishes, sort_keys=True, indent=1) if wishes else ""
    return Dependencies(Language.NODEJS, ordered, {})


def _object(value: object, field: str, violations: list[Violation]) -> dict[Any, Any]:
    if value is None or isinstance(value, dict):
        return value or {}
    violations.append(Violation(f"package.json: {field}", "must be an object"))
    return {}


def _npm_problem(name: str, wish: object) -> str:
    if not _NPM_NAME.fullmatch(name) or len(name) > 214:  # noqa: PLR2004  # npm's own limit
        return "is not a package name"
    # ATTACK: `git+ssh://`, `file:../..`, `user/repo` and `npm:other` leave the registry or lie
    # about the name. tests/unit/sources/test_lockfile.py
    if not isinstance(wish, str) or not _NPM_RANGE.fullmatch(wish):
        return "is not a version range; only packages of a registry can be used"
    return ""


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name appears twice")
    return found
