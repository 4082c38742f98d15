"""Write the numbers of the protobuf fields that kubectl may send to the local API.

`go mod download -json k8s.io/api@v0.36.3 k8s.io/apimachinery@v0.36.3` names the folders (`Dir`):
`python scripts/protobuf_fields.py API_DIR APIMACHINERY_DIR`. Only messages that a served kind
reaches are kept.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "src/casemate/apiserver/protobuf_fields.json"
API = {
    "core/v1": ("Namespace", "Secret", "ConfigMap", "ServiceAccount", "Event"),
    "rbac/v1": ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"),
    "coordination/v1": ("Lease",),
    "authentication/v1": ("TokenReview", "SelfSubjectReview", "TokenRequest"),
    "authorization/v1": (
        "SubjectAccessReview", "SelfSubjectAccessReview", "LocalSubjectAccessReview",
        "SelfSubjectRulesReview",
    ),
}  # fmt: skip
META = "k8s.io.apimachinery.pkg.apis.meta.v1"
# The one field that JSON spells otherwise.
_NAMES = {"uID": "uid"}
_MESSAGE = re.compile(r"^message (\w+) \{(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(
    r"^  (?:(optional|repeated) ([\w.]+)|map<string, *([\w.]+)>) (\w+) = (\d+);", re.MULTILINE
)


def messages(path: Path, package: str) -> dict[str, dict[str, list[str]]]:
    """Return every message of a file: full name -> number -> name, type and label."""
    found: dict[str, dict[str, list[str]]] = {}
    for name, body in _MESSAGE.findall(path.read_text()):
        fields: dict[str, list[str]] = {}
        for label, kind, mapped, field, number in _FIELD.findall(body):
            name_in_json = _NAMES.get(field, field)
            fields[number] = [name_in_json, _full(mapped or kind, package), label or "map"]
        found[f"{package}.{name}"] = fields
    return found


def _full(kind: str, package: str) -> str:
    if kind.startswith("."):
        return kind[1:]
    return kind if "." in kind or kind[0].islower() else f"{package}.{kind}"


def main(api: Path, machinery: Path) -> None:
    """Write the data file."""
    known = messages(machinery / "pkg/apis/meta/v1/generated.proto", META)
    left = [f"{META}.DeleteOptions"]
    for folder, kinds in API.items():
        package = "k8s.io.api." + folder.replace("/", ".")
        known |= messages(api / folder / "generated.proto", package)
        left += [f"{package}.{kind}" for kind in kinds]
    kept: dict[str, dict[str, list[str]]] = {}
    while left:
        name = left.pop()
        if name in kept or name not in known:
            continue
        kept[name] = known[name]
        left += [kind for _, kind, _ in known[name].values() if "." in kind]
    origin = {
        "origin": "k8s.io/api and k8s.io/apimachinery v0.36.3, generated.proto",
        "licence": "Apache-2.0, Copyright The Kubernetes Authors",
        "messages": dict(sorted(kept.items())),
    }
    TARGET.write_text(json.dumps(origin, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
