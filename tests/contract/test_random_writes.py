"""Random writes by several managers, sent to both servers: each answer must be the same answer.

The other cases say what should happen; this one finds what nobody thought of. A failure shows the
seed, every step before it and both answers.
"""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from support.api_client import APPLY, JSON_PATCH, MERGE, STRATEGIC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.api_client import Answer, Api

Tree = dict[str, Any]
SEEDS = range(10)
STEPS = 14
_SERVER_SET = ("uid", "resourceVersion", "creationTimestamp", "namespace", "selfLink")
FUNCTION = "serverless.kyma-project.io/v1alpha2"


class Choice:
    """Draws bodies and patches; equal seeds draw equal ones."""

    def __init__(self, seed: int, name: str) -> None:
        self._random = random.Random(seed)  # noqa: S311  # equal seeds must draw equal writes
        self._name = name

    def some(self, *values: Any) -> Any:
        return self._random.choice(values)

    def maybe(self, chance: float = 0.5) -> bool:
        return self._random.random() < chance

    def texts(self, keys: str = "abc") -> Tree:
        return {key: self.some("1", "2") for key in keys if self.maybe()}

    def items(self, **fields: tuple[Any, ...]) -> list[Tree]:
        names = [name for name in ("x", "y", "z") if self.maybe()]
        self._random.shuffle(names)
        return [
            {"name": name}
            | {field: self.some(*values) for field, values in fields.items() if self.maybe(0.8)}
            for name in names
        ]

    def metadata(self) -> Tree:
        found: Tree = {}
        if self.maybe(0.4):
            found["labels"] = self.texts("lm")
        if self.maybe(0.3):
            found["annotations"] = self.texts("no")
        if self.maybe(0.15):
            found["finalizers"] = [f"example.org/{name}" for name in "pq" if self.maybe()]
        return found

    def config_map(self) -> Tree:
        found: Tree = {"metadata": self.metadata()}
        if self.maybe(0.9):
            found["data"] = self.texts()
        if self.maybe(0.2):
            found["binaryData"] = {"b": self.some("AAE=", "AQ==")}
        return found

    def service_account(self) -> Tree:
        found: Tree = {"metadata": self.metadata()}
        if self.maybe(0.7):
            found["secrets"] = self.items(namespace=("n", "m"))
        if self.maybe(0.5):
            found["imagePullSecrets"] = self.items()
        if self.maybe(0.3):
            found["automountServiceAccountToken"] = self.maybe()
        return found

    def role(self) -> Tree:
        rules = [
            {"apiGroups": [""], "resources": ["pods"], "verbs": [self.some("get", "list")]}
            for _ in range(self._random.randrange(3))
        ]
        return {"metadata": self.metadata(), "rules": rules}

    def function(self) -> Tree:
        source = self.some("def main(e, c): return 1", "def main(e, c): return 2")
        spec: Tree = {"runtime": "python313", "source": {"inline": {"source": source}}}
        if self.maybe(0.6):
            spec["env"] = self.items(value=("1", "2"))
        if self.maybe(0.3):
            # Not empty: an apply that empties a map leaves a null with kube-apiserver, refused then.
            spec["labels"] = {"u": self.some("1", "2")} | self.texts("v")
        if self.maybe(0.3):
            spec["scaleConfig"] = {"minReplicas": 1, "maxReplicas": self.some(1, 2)}
        if self.maybe(0.2):
            spec["timeoutSeconds"] = self.some(10, 20)
        if self.maybe(0.15):
            spec["replicas"] = self.some(0, 1, "one", -1)
        if self.maybe(0.1):
            spec["runtime"] = "python99"
        return {"metadata": self.metadata(), "spec": spec}

    def manager(self) -> str:
        return self.some("one", "two", "kubectl")

    def json_patch(self, tree: Tree) -> list[Tree]:
        # Without its apiVersion a Function is "an internal error" to kube-apiserver; not to ours.
        left_out = (
            "/metadata/n",
            "/kind",
            *(["/apiVersion"] if tree["kind"] == "Function" else ()),
        )
        paths = [path for path in _paths(tree) if not path.startswith(left_out)]
        steps = []
        for _ in range(self._random.randrange(1, 4)):
            path = self.some(*paths)
            steps.append({"op": self.some("add", "replace", "test"), "path": path,
                          "value": self.some("1", "2", {}, None)})  # fmt: skip
            if self.maybe(0.5):
                steps[-1] = {"op": "remove", "path": path}
            elif self.maybe(0.2):
                steps[-1] = {"op": self.some("move", "copy"), "from": path,
                             "path": self.some(*paths)}  # fmt: skip
        return steps

    def with_nulls(self, tree: Tree) -> Tree:
        """Turn some fields of a body into the null that removes them."""
        return {
            key: None
            if self.maybe(0.15) and key not in {"metadata", "spec"}
            else self.with_nulls(value)
            if isinstance(value, dict)
            else value
            for key, value in tree.items()
        }

    def directives(self, tree: Tree) -> Tree:
        """Put strategic directives into lists with merge keys."""
        for name in ("secrets", "imagePullSecrets"):
            if isinstance(tree.get(name), list) and tree[name]:
                if self.maybe(0.3):
                    tree[name][0] = {"name": tree[name][0]["name"], "$patch": "delete"}
                elif self.maybe(0.2):
                    tree[name].append({"$patch": "replace"})
                elif self.maybe(0.3) and name == "secrets":
                    # kube-apiserver panics at an order for a list that has no key.
                    order = [{"name": item["name"]} for item in tree[name]]
                    self._random.shuffle(order)
                    tree[f"$setElementOrder/{name}"] = order
        if isinstance(tree.get("data"), dict) and self.maybe(0.2):
            tree["data"]["$patch"] = self.some("replace", "delete", "merge")
        return tree


def _paths(tree: Any, prefix: str = "") -> Iterator[str]:
    children = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in children:
        path = f"{prefix}/{str(key).replace('~', '~0').replace('/', '~1')}"
        yield path
        if isinstance(value, dict | list):
            yield from _paths(value, path)


KINDS: dict[str, tuple[str, str, Callable[[Choice], Tree]]] = {
    "configmaps": ("v1", "ConfigMap", Choice.config_map),
    "serviceaccounts": ("v1", "ServiceAccount", Choice.service_account),
    "roles": ("rbac.authorization.k8s.io/v1", "Role", Choice.role),
    "functions": (FUNCTION, "Function", Choice.function),
}


def step(choice: Choice, kind: str, name: str, last: Tree | None) -> tuple[str, Any, str, Tree]:
    """Draw one request: method, body, content type, query."""
    version, word, draw = KINDS[kind]
    body = draw(choice)
    whole = {"apiVersion": version, "kind": word, **body}
    whole["metadata"] = {**body["metadata"], "name": name}
    how = choice.some("apply", "apply", "apply", "merge", "json", "strategic", "put")
    if last is None or how == "apply":
        query = {"fieldManager": choice.manager()}
        if choice.maybe(0.3):
            query["force"] = "true"
        return "PATCH", whole, APPLY, query
    query = {"fieldManager": choice.some("three", "four")}
    if how == "put":
        if kind == "functions":
            whole["metadata"]["resourceVersion"] = last["metadata"]["resourceVersion"]
        return "PUT", whole, "application/json", query
    if how == "json":
        return "PATCH", choice.json_patch(whole), JSON_PATCH, query
    if how == "strategic" and kind != "functions":
        return "PATCH", choice.directives(choice.with_nulls(body)), STRATEGIC, query
    return "PATCH", choice.with_nulls(body), MERGE, query


def shown(answer: Answer) -> Tree:
    """Return an answer without what no two servers share."""
    tree = answer.tree
    if tree.get("kind") == "Status":
        return {"code": answer.status, "reason": tree.get("reason", ""), "said": tree["message"]}
    metadata = {key: tree["metadata"][key] for key in tree["metadata"] if key not in _SERVER_SET}
    owners = metadata.pop("managedFields", [])
    metadata["managedFields"] = sorted(
        ({**one, "time": "time" in one} for one in owners),
        key=lambda one: json.dumps(one, sort_keys=True),
    )
    return {**tree, "code": answer.status, "metadata": metadata}


def causes(answer: Answer) -> set[tuple[str, str]]:
    """Return (field, reason) of each cause; one of a server's own fault has no reason."""
    found = (answer.tree.get("details") or {}).get("causes", ())
    return {(one.get("field", "<nil>"), one.get("reason", "")) for one in found}


def alike(kubernetes: Answer, casemate: Answer) -> bool:
    """Whether two answers say the same; ours may name more of what is wrong, never less."""
    theirs, ours = shown(kubernetes), shown(casemate)
    if kubernetes.tree.get("kind") != "Status":
        return theirs == ours
    # kube-apiserver stops at some errors and says so with a cause that has no field, and tells the
    # replicas of a scalable kind twice, the second time below a path with a leading dot.
    needed = {one for one in causes(kubernetes) if not one[0].startswith(("<nil>", ".spec."))}
    same = all(theirs[key] == ours[key] for key in ("code", "reason"))
    return same and needed <= causes(casemate)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_both_servers_answer_random_writes_alike(
    kubernetes: Api, casemate: Api, names: Iterator[str], kind: str, seed: int
) -> None:
    group = KINDS[kind][0]
    name = f"random-{next(names)}"
    base = f"/api/{group}" if "/" not in group else f"/apis/{group}"
    path = f"{base}/namespaces/default/{kind}/{name}"
    choices = [Choice(seed, name), Choice(seed, name)]
    last: list[Tree | None] = [None, None]
    log: list[str] = []
    for _ in range(STEPS):
        answers = []
        for place, api in enumerate((kubernetes, casemate)):
            method, body, content, query = step(choices[place], kind, name, last[place])
            answer = api.request(method, path, body, content=content, **query)
            if answer.status < 300:
                last[place] = answer.tree
            answers.append(answer)
        log.append(f"{method} {content} {query}\n  {json.dumps(body)}")
        if not alike(*answers):
            said = "\n".join(json.dumps(shown(one), sort_keys=True) for one in answers)
            pytest.fail("\n".join([*log, "kubernetes, casemate:", said]), pytrace=False)
