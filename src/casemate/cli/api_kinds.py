"""What a user calls a kind (`fn`, `secrets`, `role`) -> where the API has it, by its discovery."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from urllib.parse import quote

from casemate.cli.api_client import FUNCTIONS, ApiClient, Tree
from casemate.errors import InvalidInput


class UnknownKind(InvalidInput):
    """The API serves no kind of that name."""

    code = "UnknownKind"


@dataclass(frozen=True, slots=True)
class ApiKind:
    """One kind as the API serves it."""

    base: str
    """The path of its group and version."""
    plural: str
    kind: str
    namespaced: bool
    words: tuple[str, ...]
    """Every name that means it, in lower case."""

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        """Return the path of the kind in a namespace (None: in all), of one, or of a door."""
        where = ("namespaces", namespace) if self.namespaced and namespace else ()
        parts = (*where, self.plural, name, subresource)
        return "/".join((self.base, *(quote(part, safe="") for part in parts if part)))


# Most calls are about these: no discovery for them.
FUNCTION_KIND = ApiKind(
    FUNCTIONS,
    "functions",
    "Function",
    namespaced=True,
    words=("function", "functions", "fn", "fns"),
)


def find_kind(client: ApiClient, word: str) -> ApiKind:
    """Return the kind that `word` means. Raises UnknownKind with a near name."""
    wanted = word.lower()
    if wanted in FUNCTION_KIND.words:
        return FUNCTION_KIND
    known = list(_discovered(client))
    for kind in known:
        if wanted in kind.words:
            return kind
    near = get_close_matches(wanted, [name for kind in known for name in kind.words], n=1)
    raise UnknownKind(
        f"the API serves no kind {word!r}",
        hint=f"did you mean {near[0]!r}?" if near else "see: kubectl api-resources",
    )


def kind_of(client: ApiClient, api_version: str, kind: str) -> ApiKind:
    """Return the kind of an object by its own two words. Raises UnknownKind."""
    base = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    if (base, kind) == (FUNCTION_KIND.base, FUNCTION_KIND.kind):
        return FUNCTION_KIND
    for known in _discovered(client):
        if (known.base, known.kind) == (base, kind):
            return known
    raise UnknownKind(
        f"the API serves no {kind} of {api_version}", hint="see: kubectl api-versions"
    )


def _discovered(client: ApiClient) -> Iterator[ApiKind]:
    groups = client.get("/apis").get("groups") or ()
    bases = ["/api/v1", *(f"/apis/{one['preferredVersion']['groupVersion']}" for one in groups)]
    for base in bases:
        for row in client.get(base).get("resources") or ():
            if "/" not in row["name"]:
                yield _kind(base, row)


def _kind(base: str, row: Tree) -> ApiKind:
    group = base.split("/")[2] if base.startswith("/apis/") else ""
    plural, singular = row["name"], row.get("singularName") or row["kind"].lower()
    words = {plural, singular, row["kind"].lower(), *(row.get("shortNames") or ())}
    if group:
        words.add(f"{plural}.{group}")
    return ApiKind(base, plural, row["kind"], bool(row["namespaced"]), tuple(sorted(words)))
