"""Valid Functions: built by hand (`a_function(replicas=0)`) and by hypothesis (`functions()`)."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from casemate.api.catalogue import RUNTIMES
from casemate.api.function import Function
from casemate.render.policy import RenderPolicy

DIGEST = "sha256:" + "0123456789abcdef" * 4
OTHER_DIGEST = "sha256:" + "fedcba9876543210" * 4


def a_manifest(name: str = "hello", *, namespace: str | None = None, **spec: Any) -> dict[str, Any]:
    """Return the JSON tree of a valid Function; `spec` replaces or adds fields of its spec."""
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    fields = {
        "runtime": "python312",
        "source": {"inline": {"source": "def main(event, context): 1"}},
    }
    return {
        "apiVersion": "serverless.kyma-project.io/v1alpha2",
        "kind": "Function",
        "metadata": metadata,
        "spec": fields | spec,
    }


def a_function(name: str = "hello", *, namespace: str | None = None, **spec: Any) -> Function:
    """Return a valid Function; `spec` takes fields as a manifest spells them."""
    tree = a_manifest(name, namespace=namespace, **spec)
    return Function.model_validate_json(json.dumps(tree), strict=True)


def a_policy(**changes: Any) -> RenderPolicy:
    """Return a policy that loosens nothing."""
    fields = {
        "runtime_image": f"registry.example/runtime@{DIGEST}",
        "source_digest": DIGEST,
        "source_files": ("handler.py",),
    }
    return RenderPolicy(**(fields | changes))


_labels = st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
_env_names = st.from_regex(r"MY_[A-Z]{1,8}", fullmatch=True)
_text = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs",), exclude_characters="\x00"), max_size=40
)
_env = st.lists(
    st.one_of(
        st.fixed_dictionaries({"name": _env_names, "value": _text}),
        st.fixed_dictionaries(
            {
                "name": _env_names,
                "valueFrom": st.fixed_dictionaries(
                    {"secretKeyRef": st.fixed_dictionaries({"name": _labels, "key": _labels})}
                ),
            }
        ),
    ),
    max_size=4,
    unique_by=lambda variable: variable["name"],
)
_mounts = st.lists(_labels, max_size=3, unique=True).map(
    lambda names: [{"secretName": name, "mountPath": f"/secrets/{name}"} for name in names]
)
_amounts = st.fixed_dictionaries(
    {
        "requests": st.just({"cpu": "100m", "memory": "128Mi"}),
        "limits": st.sampled_from(
            [
                {"cpu": 1, "memory": "1Gi"},
                {"cpu": "0.5", "memory": "300M", "ephemeral-storage": "100Mi"},
            ]
        ),
    }
)
_resources = st.one_of(
    st.sampled_from(["XS", "S", "M", "L", "XL"]).map(lambda name: {"profile": name}),
    _amounts.map(lambda amounts: {"resources": amounts}),
    st.just({"resources": {"requests": {"cpu": "3", "memory": "3Gi"}}}),
).map(lambda wanted: {"function": wanted})
_scaling = st.integers(0, 5).flatmap(
    lambda low: st.fixed_dictionaries({
        "min": st.just(low), "max": st.integers(max(1, low), 10), "concurrency": st.integers(1, 50)
    })
)  # fmt: skip
_access = st.fixed_dictionaries(
    {},
    optional={
        "invokedBy": st.just([{"public": True}, {"jwt": {"issuer": "corp", "subjects": ["a"]}}]),
        "calls": st.lists(
            st.sampled_from(
                [
                    {"function": {"name": "orders"}},
                    {"host": {"name": "api.example.com", "port": 443}},
                    {"service": {"name": "db", "namespace": "data", "port": 5432}},
                ]
            ),
            max_size=3,
        ),
        "publishes": st.just(["order.created.v1"]),
    },
)
# Contexts that tighten the defaults, or repeat them.
_container_contexts = st.sampled_from(
    [
        {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
        },
        {"readOnlyRootFilesystem": True, "privileged": False},
        {"runAsUser": 2000, "runAsGroup": 2000},
    ]
)
_pod_contexts = st.sampled_from(
    [
        {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000},
        {"seccompProfile": {"type": "RuntimeDefault"}, "runAsNonRoot": True},
    ]
)
_sources = st.one_of(
    st.just({"inline": {"source": "x = 1"}}),
    st.just(
        {"gitRepository": {"url": "https://git.example/r.git", "baseDir": "/", "reference": "main"}}
    ),
)
_specs = st.fixed_dictionaries(
    {"runtime": st.sampled_from(sorted(RUNTIMES)), "source": _sources},
    optional={
        "env": _env,
        "secretMounts": _mounts,
        "resourceConfiguration": _resources,
        "scaling": _scaling,
        "replicas": st.integers(0, 5),
        "timeoutSeconds": st.integers(1, 3600),
        "access": _access,
        "labels": st.dictionaries(_labels, _labels, max_size=2),
        "annotations": st.dictionaries(_labels, _text, max_size=2),
        "containerSecurityContext": _container_contexts,
        "podSecurityContext": _pod_contexts,
    },
)


def manifests() -> st.SearchStrategy[dict[str, Any]]:
    """Draw the JSON trees of valid Functions that ask for no relaxation."""
    return st.builds(
        lambda name, spec: a_manifest(name, **spec),
        _labels,
        _specs,
    )


def functions() -> st.SearchStrategy[Function]:
    """Draw valid Functions that ask for no relaxation."""
    return manifests().map(lambda tree: Function.model_validate_json(json.dumps(tree), strict=True))
