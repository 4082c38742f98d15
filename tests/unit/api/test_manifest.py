"""A manifest file to objects and violations: every rule, all at once, and nothing private shown."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casemate.api.function import Function
from casemate.api.manifest import (
    MOST_VIOLATIONS,
    InvalidManifest,
    key_of,
    merge_manifests,
    parse_manifests,
)
from support.functions import a_manifest, functions


def parse(*trees: object):
    text = "\n---\n".join(json.dumps(tree, indent=1) for tree in trees)
    return parse_manifests(text.encode(), "f.yaml")


def broken(**spec: object) -> list[tuple[str, str]]:
    return [(found.path, found.message) for found in parse(a_manifest(**spec)).violations]


def inline(text: str = "x", **more: str) -> dict[str, object]:
    return {"inline": {"source": text} | more}


def git(**fields: object) -> dict[str, object]:
    repository = {"url": "https://git.example/r.git", "baseDir": "/", "reference": "main"}
    return {"gitRepository": repository | fields}


def resources(**wanted: object) -> dict[str, object]:
    return {"resourceConfiguration": {"function": wanted}}


ACCEPTED = {
    "profile": resources(profile="XS"),
    "empty resources": resources(resources={}),
    "resources as numbers": resources(resources={"limits": {"cpu": 1, "memory": "1Gi"}}),
    "fractional cpu": resources(resources={"limits": {"cpu": 0.5, "memory": "1e9"}}),
    "build profile of old": {"resourceConfiguration": {"build": {"profile": "fast"}}},
    "similar label": {"labels": {"serverless.kyma-project.io": "v", "my.label.com": "v"}},
    "label key of 63": {"labels": {"a" * 63: "test"}},
    "empty label value": {"labels": {"a": ""}},
    "annotation": {"annotations": {"Example.com/A": "anything goes {}"}},
    "env without value": {"env": [{"name": "TEST_ENV"}, {"name": "my.env-2"}]},
    "env from": {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
    "git": {"source": git()},
    "git with key": {
        "source": git(url="git@git.example:o/r.git", auth={"type": "key", "secretName": "s"})
    },
    "git over ssh": {
        "source": git(url="ssh://git@git.example/r", auth={"type": "key", "secretName": "s"})
    },
    "git with password": {"source": git(auth={"type": "basic", "secretName": "s"})},
    "secret mount": {"secretMounts": [{"secretName": "a.b", "mountPath": "/path"}]},
    "empty template": {"template": {}},
    "zero replicas": {"replicas": 0},
    "scaling": {"scaling": {"min": 1}},
    "timeout in env": {"env": [{"name": "FUNC_TIMEOUT", "value": "2"}], "timeoutSeconds": 2},
    "timeout from a Secret": {
        "env": [
            {
                "name": "FUNC_TIMEOUT",
                "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}},
            }
        ]
    },
    "node dependencies": {
        "runtime": "nodejs24",
        "source": inline(dependencies='{"dependencies": {"a": "^1"}}'),
    },
    "node without dependencies": {"runtime": "nodejs24", "source": inline(dependencies=" ")},
    "node from git": {"runtime": "nodejs24", "source": git()},
    "image": {"runtimeImageOverride": "registry.example/r:1"},
    "access": {
        "access": {
            "invokedBy": [{"public": True}, {"function": {"name": "a", "namespace": "b"}}],
            "calls": [{"service": {"name": "db", "namespace": "d", "port": 5432}}],
            "publishes": ["order.created.v1"],
            "subscribes": [{"type": "order.paid.v1", "source": "shop"}],
        }
    },
    "tightened context": {"containerSecurityContext": {"privileged": False}},
}


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_what_kyma_accepts_is_accepted(spec):
    assert broken(**spec) == []


_KYMA_PREFIX = "serverless.kyma-project.io/"
REFUSED = [
    ({"runtime": "nodejs20"}, "spec.runtime", "runtime does not exist"),
    ({"runtime": "custom"}, "spec.runtime", "runtime does not exist"),
    ({"source": {}}, "spec.source", "must set exactly one kind of source"),
    ({"source": inline() | git()}, "spec.source", "must set exactly one kind of source"),
    ({"source": inline("")}, "spec.source.inline.source", "text is too short"),
    (
        {"source": git(baseDir="  ")},
        "spec.source.gitRepository.baseDir",
        "is required and cannot be empty",
    ),
    (
        {"source": git(baseDir="a/../..")},
        "spec.source.gitRepository.baseDir",
        "must stay inside the repository",
    ),
    (
        {"source": git(reference=" ")},
        "spec.source.gitRepository.reference",
        "is required and cannot be empty",
    ),
    (
        {"source": git(auth={"type": "custom", "secretName": "s"})},
        "spec.source.gitRepository.auth.type",
        "value is not supported",
    ),
    (
        {"source": git(auth={"type": "key", "secretName": " "})},
        "spec.source.gitRepository.auth.secretName",
        "is not a valid name",
    ),
    (
        {"source": git(url="github.com/o/r")},
        "spec.source.gitRepository.url",
        "is not a Git URL",
    ),
    (
        {"source": git(url="git@git.example:o/r")},
        "spec.source.gitRepository",
        "an SSH URL needs auth of type key",
    ),
    (
        {"source": git(auth={"type": "key", "secretName": "s"})},
        "spec.source.gitRepository",
        "auth of type key needs an SSH URL",
    ),
    (
        resources(profile="L", resources={}),
        "spec.resourceConfiguration.function",
        "must set exactly one field",
    ),
    (
        {"resourceConfiguration": {"build": {}}},
        "spec.resourceConfiguration.build",
        "must set exactly one field",
    ),
    (
        resources(profile="SS"),
        "spec.resourceConfiguration.function.profile",
        "value is not supported",
    ),
    (
        resources(resources={"limits": {"cpu": "1m", "memory": "64Mi"}}),
        "spec.resourceConfiguration.function.resources.limits",
        "cpu 1m is too small",
    ),
    (
        resources(resources={"requests": {"cpu": "1"}}),
        "spec.resourceConfiguration.function.resources.requests",
        "memory is missing",
    ),
    (
        resources(
            resources={
                "requests": {"cpu": "2", "memory": "64Mi"},
                "limits": {"cpu": "1", "memory": "64Mi"},
            }
        ),
        "spec.resourceConfiguration.function.resources",
        "request of cpu 2 exceeds its limit 1",
    ),
    (
        resources(resources={"limits": {"cpu": "one", "memory": "64Mi"}}),
        "spec.resourceConfiguration.function.resources.limits.cpu",
        "is not a quantity",
    ),
    (
        resources(resources={"limits": {"cpu": "-1", "memory": "64Mi"}}),
        "spec.resourceConfiguration.function.resources.limits.cpu",
        "quantity is negative",
    ),
    (
        {"labels": {f"{_KYMA_PREFIX}abc": "v"}},
        "spec.labels",
        f'key "{_KYMA_PREFIX}abc" uses the reserved prefix {_KYMA_PREFIX}',
    ),
    (
        {"labels": {"x" * 60 + ".io/abc": "v"}},
        "spec.labels",
        f'key "{"x" * 60}.io/abc" is too long',
    ),
    ({"labels": {"a b": "v"}}, "spec.labels", 'key "a b" is not a valid label key'),
    ({"labels": {"A_/b": "v"}}, "spec.labels", 'key "A_/b" is not a valid label key'),
    ({"labels": {"a": "v" * 64}}, "spec.labels", 'key "a" has an invalid value'),
    (
        {"annotations": {f"{_KYMA_PREFIX}a": "v"}},
        "spec.annotations",
        f'key "{_KYMA_PREFIX}a" uses the reserved prefix {_KYMA_PREFIX}',
    ),
    (
        {"annotations": {"proxy.istio.io/config": "v"}},
        "spec.annotations",
        'key "proxy.istio.io/config" is reserved',
    ),
    ({"annotations": {"a b": "v"}}, "spec.annotations", 'key "a b" is not a valid annotation key'),
    ({"annotations": {"a": "v" * 300_000}}, "spec.annotations", "annotations are too large"),
    ({"env": [{"name": "1A"}]}, "spec.env[0].name", "is not a valid environment variable name"),
    ({"env": [{"name": ".."}]}, "spec.env[0].name", "is not a valid environment variable name"),
    ({"env": [{"name": "A", "value": 5}]}, "spec.env[0].value", "must be a string"),
    ({"env": [{"name": "A"}, {"name": "A"}]}, "spec.env[1].name", 'name "A" is used twice'),
    (
        {"env": [{"name": "A", "valueFrom": {}}]},
        "spec.env[0].valueFrom",
        "must set exactly one source",
    ),
    (
        {"env": [{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "a"}}}]},
        "spec.env[0]",
        "must not set both value and valueFrom",
    ),
    (
        {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "../k"}}}]},
        "spec.env[0].valueFrom.secretKeyRef.key",
        "is not a valid key",
    ),
    (
        {"env": [{"name": "FUNC_TIMEOUT", "value": "soon"}]},
        "spec.env[0].value",
        "FUNC_TIMEOUT is not a whole number",
    ),
    (
        {"env": [{"name": "FUNC_TIMEOUT", "value": "3601"}]},
        "spec.env[0].value",
        "FUNC_TIMEOUT is too large",
    ),
    (
        {"env": [{"name": "FUNC_TIMEOUT", "value": "2"}], "timeoutSeconds": 3},
        "spec.env[0].value",
        "FUNC_TIMEOUT contradicts timeoutSeconds 3",
    ),
    (
        {"env": [{"name": "A"}, {"name": "REQ_MB_LIMIT", "value": "0"}]},
        "spec.env[1].value",
        "REQ_MB_LIMIT is not a whole number",
    ),
    (
        {"secretMounts": [{"secretName": "", "mountPath": "/path"}]},
        "spec.secretMounts[0].secretName",
        "is not a valid name",
    ),
    (
        {"secretMounts": [{"secretName": "s", "mountPath": ""}]},
        "spec.secretMounts[0].mountPath",
        "text is too short",
    ),
    (
        {
            "secretMounts": [
                {"secretName": "s", "mountPath": "/a"},
                {"secretName": "s", "mountPath": "/b"},
            ]
        },
        "spec.secretMounts[1].secretName",
        'Secret "s" is mounted twice',
    ),
    (
        {
            "secretMounts": [
                {"secretName": "s", "mountPath": "/a/b"},
                {"secretName": "t", "mountPath": "/a/"},
            ]
        },
        "spec.secretMounts[1].mountPath",
        '"/a/" is, holds, or lies in the path of another mount',
    ),
    ({"replicas": -1}, "spec.replicas", "value is too small"),
    ({"replicas": 1.5}, "spec.replicas", "must be a whole number"),
    ({"replicas": "3"}, "spec.replicas", "must be a whole number"),
    (
        {"scaleConfig": {"minReplicas": 0, "maxReplicas": 1}},
        "spec.scaleConfig.minReplicas",
        "value is too small",
    ),
    (
        {"scaleConfig": {"minReplicas": 2, "maxReplicas": 1}},
        "spec.scaleConfig",
        "minReplicas exceeds maxReplicas",
    ),
    ({"scaling": {"min": 2, "max": 1}}, "spec.scaling", "min exceeds max"),
    (
        {"scaling": {}, "scaleConfig": {"minReplicas": 1, "maxReplicas": 1}},
        "spec.scaleConfig",
        "must not be set together with scaling",
    ),
    ({"timeoutSeconds": 0}, "spec.timeoutSeconds", "value is too small"),
    ({"timeoutSeconds": 4000}, "spec.timeoutSeconds", "value is too large"),
    ({"template": {"labels": {"a": "b"}}}, "spec.template", "template is not supported"),
    ({"runtimeImageOverride": "a b"}, "spec.runtimeImageOverride", "is not an image reference"),
    (
        {"runtime": "nodejs24", "source": inline(dependencies="lodash")},
        "spec.source.inline.dependencies",
        "is not valid JSON in line 1",
    ),
    (
        {"runtime": "nodejs24", "source": inline(dependencies="[]")},
        "spec.source.inline.dependencies",
        "is not a JSON object",
    ),
    (
        {"runtime": "nodejs24", "source": inline(dependencies="[" * 100_000)},
        "spec.source.inline.dependencies",
        "is not a JSON object",
    ),
    (
        {"runtime": "nodejs24", "source": inline(dependencies='{"dependencies": {"a": 1}}')},
        "spec.source.inline.dependencies",
        "its dependencies are not an object of name to version range",
    ),
    ({"access": {"invokedBy": [{}]}}, "spec.access.invokedBy[0]", "must set exactly one field"),
    (
        {"access": {"invokedBy": [{"public": False}]}},
        "spec.access.invokedBy[0].public",
        "value is not supported",
    ),
    ({"access": {"publishes": ["a b"]}}, "spec.access.publishes[0]", "is not a valid event name"),
    ({"access": []}, "spec.access", "must be an object"),
    ({"env": {}}, "spec.env", "must be a list"),
    ({"labels": []}, "spec.labels", "must be an object"),
    (
        {"containerSecurityContext": {"privileged": "no"}},
        "spec.containerSecurityContext.privileged",
        "must be true or false",
    ),
]


@pytest.mark.parametrize(
    ("spec", "path", "message"), REFUSED, ids=[f"{path} {text[:40]}" for _, path, text in REFUSED]
)
def test_a_broken_rule_names_its_field(spec, path, message):
    assert broken(**spec) == [(path, message)]


@pytest.mark.parametrize(
    "name",
    [
        "FUNC_RUNTIME", "FUNC_HANDLER", "FUNC_PORT", "FUNC_HANDLER_SOURCE", "MOD_NAME", "NODE_PATH",
        "FUNC_HANDLER_DEPENDENCIES", "PYTHONPATH", "HANDLER_FUNC_NAME", "HANDLER_MOD_NAME",
        "CASEMATE_LISTEN_FD",
    ],
)  # fmt: skip
def test_a_reserved_environment_name_is_refused(name):
    variables = [{"name": "TEST2"}, {"name": name}, {"name": "TEST"}]

    assert broken(env=variables) == [("spec.env[1].name", "name is reserved for the runtime")]


@pytest.mark.parametrize("name", ["Hello", "a.b", "1a", "-a", "a-", "a" * 64, "", "a\n"])
def test_a_function_name_is_a_dns_label(name):
    paths = [found.path for found in parse(a_manifest(name)).violations]

    assert paths == ["metadata.name"]


def test_every_violation_is_in_one_answer():
    manifest = a_manifest(
        "Bad",
        runtime="nodejs20",
        replicas="3",
        env=[{"name": "A"}, {"name": "B", "value": 1}, {"name": "A"}, {"name": "MOD_NAME"}],
        scaling={},
        scaleConfig={"minReplicas": 1, "maxReplicas": 1},
        sorce={},
    )

    paths = {found.path for found in parse(manifest).violations}

    assert paths == {
        "metadata.name",
        "spec.runtime",
        "spec.replicas",
        "spec.env[1].value",
        "spec.env[3].name",
        "spec.env[2].name",
        "spec.scaleConfig",
        "spec.sorce",
    }


def test_rules_are_quiet_where_nothing_sound_is_left():
    assert broken(env=[{"name": "A", "value": 1}]) == [("spec.env[0].value", "must be a string")]
    assert [found.path for found in parse(a_manifest() | {"spec": 5}).violations] == ["spec"]
    assert [found.path for found in parse(a_manifest() | {"metadata": 5}).violations] == [
        "metadata"
    ]


def test_an_unknown_field_gets_a_suggestion_and_the_known_ones():
    (found,) = parse(a_manifest(source=inline(dependencys="x"))).violations

    assert found.path == "spec.source.inline.dependencys"
    assert found.message == "unknown field"
    assert found.allowed == "dependencies, source"
    assert found.hint == 'did you mean "dependencies"?'


@pytest.mark.parametrize(
    ("spec", "path", "known"),
    [
        ({"env": [{"name": "A", "valu": "b"}]}, "spec.env[0].valu", "name, value, valueFrom"),
        (
            {"access": {"invokedBy": [{"jwt": {"issuer": "a", "scope": []}}]}},
            "spec.access.invokedBy[0].jwt.scope",
            "claims, issuer, scopes, subjects",
        ),
    ],
)
def test_known_fields_are_found_deep_inside(spec, path, known):
    (found,) = parse(a_manifest(**spec)).violations

    assert (found.path, found.allowed) == (path, known)


@pytest.mark.parametrize(
    ("tree", "path", "message"),
    [
        ({"kind": "Function"}, "apiVersion", "field is required"),
        ({"apiVersion": "v1"}, "kind", "field is required"),
        ({"apiVersion": "v1", "kind": "Functio"}, "kind", "kind is not known here"),
        (
            {"apiVersion": "serverless.kyma-project.io/v1alpha1", "kind": "Function"},
            "apiVersion",
            "is not a version of Function that exists",
        ),
        ([], "", "document is not an object"),
        ({"apiVersion": "v1", "kind": "List"}, "items", "a List needs items"),
        ({"apiVersion": "v1", "kind": "List", "items": [1]}, "items[0]", "is not an object"),
        (
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "!"}},
            "data",
            'value of key "a" is not base64',
        ),
    ],
)
def test_a_document_that_is_no_object_of_ours_is_refused(tree, path, message):
    found = parse(tree).violations

    assert [(one.path, one.message) for one in found] == [(path, message)]


def test_a_list_holds_objects_with_lines_of_their_own():
    text = yaml.safe_dump({
        "apiVersion": "v1", "kind": "List", "items": [a_manifest("a"), a_manifest("b", replicas=-1)],
    })  # fmt: skip

    parsed = parse_manifests(text.encode(), "list.yaml")

    assert [function.ref.name for function in parsed.functions] == ["a"]
    (found,) = parsed.violations
    assert str(found).startswith(f"list.yaml:{found.line}: Function b: spec.replicas: value is too")
    assert text.splitlines()[found.line - 1].strip() == "replicas: -1"


def test_names_that_collide_are_violations():
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hello"}}

    parsed = parse(a_manifest(), a_manifest(namespace="default"), a_manifest(namespace="b"), secret)

    assert [(found.path, found.message, found.document) for found in parsed.violations] == [
        ("metadata.name", 'Function "hello" is defined twice in namespace default', 2)
    ]
    assert len(parsed.objects) == 4


def test_names_that_collide_between_files_are_violations():
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}
    one = parse_manifests(json.dumps(namespace).encode(), "a.yaml")

    merged = merge_manifests([one, one, parse(a_manifest())])

    assert [str(found) for found in merged.violations] == [
        (
            'Namespace a: metadata.name: Namespace "a" is defined twice, '
            "allowed: each name once per kind and namespace"
        )
    ]
    assert key_of(merged.objects[0]) == ("Namespace", "", "a")


def test_an_empty_file_is_a_violation():
    assert [found.message for found in parse_manifests(b"# nothing\n", "f").violations] == [
        "file holds no object"
    ]


def test_the_number_of_violations_is_bounded():
    fields = {f"unknown{number}": 1 for number in range(5000)}

    violations = parse(*[a_manifest(**fields)] * 3).violations

    assert len(violations) == MOST_VIOLATIONS + 1
    assert violations[-1].message == "more violations were found and are not listed"


def test_objects_or_raise_carries_every_violation():
    parsed = parse(a_manifest(replicas=-1, timeoutSeconds=0))

    with pytest.raises(InvalidManifest) as caught:
        parsed.objects_or_raise()

    assert len(caught.value.violations) == 2
    assert str(caught.value).startswith("manifest has 2 violations\nf.yaml:")
    assert parse(a_manifest()).objects_or_raise() == parse(a_manifest()).objects
    assert str(InvalidManifest(parsed.violations[:1])).startswith("manifest has 1 violation\n")


def test_a_boolean_word_in_place_of_text_gets_a_hint():
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: yes, b: 1}\n"

    hints = [found.hint for found in parse_manifests(text, "f").violations]

    assert hints == [
        "quote it: a plain word such as y, n, yes, no, on, off is a boolean, as to kubectl",
        "quote it",
    ]


SECRET = "hunter2-never-shown"


@pytest.mark.parametrize(
    "tree",
    [
        a_manifest(source={"inline": {"source": SECRET, "dependencies": [SECRET]}}),
        a_manifest(source={"inline": {"source": {SECRET: SECRET}}}),
        a_manifest(runtime="nodejs24", source=inline(SECRET, dependencies=SECRET)),
        a_manifest(env=[{"name": "A", "value": [SECRET]}]),
        a_manifest(env=[{"name": "FUNC_TIMEOUT", "value": SECRET}]),
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": SECRET}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": [SECRET]},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": [SECRET]}},
    ],
)
def test_a_violation_never_repeats_source_or_secret_values(tree):
    parsed = parse(tree)

    assert parsed.violations
    assert SECRET not in "".join(map(str, parsed.violations)).replace(f'["{SECRET}"]', "")
    assert SECRET not in repr(parsed.violations).replace(f'["{SECRET}"]', "")


@pytest.mark.parametrize(
    "tree",
    [
        a_manifest(
            source=inline(SECRET, dependencies=SECRET), env=[{"name": "A", "value": SECRET}]
        ),
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "s"},
            "stringData": {"a": SECRET},
        },
    ],
)
def test_the_text_of_an_object_shows_no_source_and_no_secret(tree):
    (found,) = parse(tree).objects_or_raise()

    assert SECRET not in repr(found)
    assert SECRET not in str(found)
    assert SECRET in json.dumps(found.wire())


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=timedelta(seconds=2))
@given(functions())
def test_what_is_written_is_read_back_as_itself(function: Function):
    text = json.dumps(function.wire()).encode()

    parsed = parse_manifests(text, "f")

    assert parsed.violations == ()
    assert parsed.objects == (function,)


@given(st.binary(max_size=300))
def test_parse_never_raises(data):
    parsed = parse_manifests(data, "f")

    assert parsed.violations or parsed.objects


_any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda child: st.lists(child, max_size=3)
    | st.dictionaries(
        st.sampled_from(["name", "env", "source", "inline", "value", "min", "jwt", "access", "x"]),
        child, max_size=3,
    ),
    max_leaves=10,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["spec", "metadata", "status", "kind"]), _any_json))
def test_parse_never_raises_on_objects_of_any_shape(tree):
    parsed = parse(a_manifest() | tree)

    assert parsed.violations or parsed.objects
