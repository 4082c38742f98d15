"""The CRDs are generated from the types, and say what a structural schema may say."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from casemate.api.crd import KINDS, custom_resource_definition

ROOT = Path(__file__).resolve().parents[3]
FORBIDDEN = {"$ref", "$defs", "title", "const", "oneOf", "allOf", "patternProperties", "default_"}


def nodes(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    for child in schema.get("properties", {}).values():
        yield from nodes(child)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from nodes(schema[key])


def schema_of(kind) -> dict[str, Any]:
    version = custom_resource_definition(kind)["spec"]["versions"][0]
    return version["schema"]["openAPIV3Schema"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
def test_a_schema_is_structural(kind):
    for node in nodes(schema_of(kind)):
        assert not FORBIDDEN & set(node)
        assert "type" in node or node.get("x-kubernetes-int-or-string")
        assert not ("properties" in node and "additionalProperties" in node)
        if node.get("x-kubernetes-list-type") == "map":
            assert set(node["x-kubernetes-list-map-keys"]) <= set(node["items"]["required"])


def test_a_function_is_listed_and_scaled_as_in_kyma():
    crd = custom_resource_definition(KINDS[0])
    version = crd["spec"]["versions"][0]

    assert crd["metadata"]["name"] == "functions.serverless.kyma-project.io"
    assert crd["spec"]["names"]["shortNames"] == ["fn", "fns"]
    columns = [column["name"] for column in version["additionalPrinterColumns"]]
    assert columns == ["Configured", "Running", "Runtime", "Version", "Age"]
    assert version["subresources"] == {
        "status": {},
        "scale": {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.podSelector",
        },
    }


def test_rules_ride_along_as_cel():
    spec = schema_of(KINDS[0])["properties"]["spec"]

    assert spec["required"] == ["runtime", "source"]
    rules = spec["properties"]["env"]["x-kubernetes-validations"]
    assert "'HANDLER_MOD_NAME'" in rules[0]["rule"]
    assert spec["properties"]["scaling"]["properties"]["max"]["default"] == 10


def test_the_files_in_deploy_are_the_generated_ones():
    run = subprocess.run(
        [sys.executable, ROOT / "scripts" / "crds.py", "--check"], check=False, capture_output=True
    )

    assert run.returncode == 0, run.stderr
    for path in (ROOT / "deploy" / "crds").glob("*.yaml"):
        assert yaml.safe_load(path.read_text())["kind"] == "CustomResourceDefinition"
