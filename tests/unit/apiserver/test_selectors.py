"""The cases are those of k8s.io/apimachinery v0.36: labels/selector_test.go, fields/selector_test.go."""

import dataclasses

import pytest

from casemate.api.function import Function
from casemate.apiserver.resource import Resource
from casemate.apiserver.selectors import parse_field_selector, parse_label_selector
from casemate.apiserver.status_error import ApiError

PODS = Resource("", "v1", "pods", "pod", "Pod", True, {})
EVENTS = Resource("", "v1", "events", "event", "Event", True, {})
ROLES = Resource("rbac.authorization.k8s.io", "v1", "roles", "role", "Role", True, {})
FUNCTIONS = Resource("g.io", "v1", "functions", "function", "Function", True, {}, model=Function)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("", {"x": "y"}),
        ("x=y", {"x": "y"}),
        ("x==y", {"x": "y"}),
        ("x=y,z=w", {"x": "y", "z": "w"}),
        ("x!=y,z!=w", {"x": "z", "z": "a"}),
        ("notin=in", {"notin": "in"}),
        ("x", {"x": "z"}),
        ("!x", {"y": "z"}),
        ("x>1", {"x": "2"}),
        ("x<1", {"x": "0"}),
        ("x!=y", {}),
        ("x in (a, b)", {"x": "b"}),
        ("x in ()", {"x": ""}),
        ("x in (,a)", {"x": ""}),
        ("x notin (a,b),y", {"y": ""}),
        ("x=", {"x": ""}),
        ("a.io/x in (in,notin)", {"a.io/x": "notin"}),
    ],
)
def test_a_label_selector_selects_what_kubernetes_selects(text, labels):
    assert parse_label_selector(text).matches(labels)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("x=z", {}),
        ("x=y,z=w", {"x": "w", "z": "w"}),
        ("x!=y,z!=w", {"x": "z", "z": "w"}),
        ("x", {"y": "z"}),
        ("!x", {"x": "z"}),
        ("x>1", {"x": "1"}),
        ("x>1", {"x": "many"}),
        ("x<1", {}),
        ("x notin (a,b)", {"x": "a"}),
        ("x in (a)", {}),
    ],
)
def test_a_label_selector_leaves_out_what_kubernetes_leaves_out(text, labels):
    assert not parse_label_selector(text).matches(labels)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "x gt 3",
            "unable to parse requirement: found 'gt', expected: in, notin, =, ==, !=, gt, lt",
        ),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("x==a==b", "found '==', expected: ',' or 'end of string'"),
        ("!x=a", "found '=', expected: ',' or 'end of string'"),
        ("x,", "found '', expected: identifier after ','"),
        ("x in a", "unable to parse requirement: found 'a' expected: '('"),
        ("x in (a b)", "unable to parse requirement: found 'b', expected: ',' or ')'"),
        ("x in (=)", "unable to parse requirement: found '=', expected: ',', ')' or identifier"),
        ("x=(", "unable to parse requirement: found '(', expected: identifier"),
        ("(", "found '(', expected: !, identifier, or 'end of string'"),
        (
            "x<a",
            "unable to parse requirement: values[0]: Invalid value: \"a\": for 'Gt', 'Lt' operators, the value must be an integer",
        ),
    ],
)
def test_a_label_selector_with_a_mistake_is_refused_in_kubernetes_words(text, message):
    with pytest.raises(ApiError) as refused:
        parse_label_selector(text)

    assert (refused.value.status, refused.value.message) == (400, message)


@pytest.mark.parametrize(
    "text",
    [
        "-a", "/a", "x=a||y=b", "a/b/c", "A_B/c", "a/", f"{'x' * 64}", f"x={'y' * 64}", "x=-y", "x in (a,*)",
        "x=ä", "x=1\0,y=2", "x>99999999999999999999", "a" * 9000, "x=a\n\nb",
    ],
)  # fmt: skip
def test_a_label_that_cannot_exist_cannot_be_selected(text):
    with pytest.raises(ApiError):
        parse_label_selector(text)


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("metadata.name=a", True),
        ("metadata.name==b", False),
        ("metadata.name!=b,metadata.namespace=n", True),
        ("status.phase=Running", True),
        ("status.phase!=Running", False),
        ("spec.host=here", True),
        ("spec.hostNetwork=false", True),
        ("spec.schedulerName=", True),
        ("status.podIPs=", True),
        ("", True),
        (",,", True),
    ],
)
def test_a_field_selector_reads_the_fields_of_the_kind(text, selected):
    pod = {
        "metadata": {"name": "a", "namespace": "n"},
        "spec": {"nodeName": "here"},
        "status": {"phase": "Running"},
    }

    selector = parse_field_selector(PODS, text)

    assert selector.matches(pod) is selected
    assert selector.is_empty is (text in {"", ",,"})


def test_an_event_is_found_by_who_reported_it_in_either_field():
    selector = parse_field_selector(EVENTS, "source=casemate,involvedObject.kind=Function")
    event = {"involvedObject": {"kind": "Function"}}

    assert selector.matches(event | {"source": {"component": "casemate"}})
    assert selector.matches(event | {"reportingComponent": "casemate"})
    assert not selector.matches(event)


def test_escaped_separators_are_part_of_the_value():
    selector = parse_field_selector(EVENTS, r"reason=a\,b\=c\\")

    assert selector.matches({"reason": "a,b=c\\"})


@pytest.mark.parametrize(
    ("resource", "text", "message"),
    [
        (PODS, "spec.x=1", "field label not supported: spec.x"),
        (FUNCTIONS, "spec.runtime=a", "field label not supported: spec.runtime"),
        (
            dataclasses.replace(FUNCTIONS, namespaced=False),
            "metadata.namespace=a",
            "field label not supported: metadata.namespace",
        ),
        (
            ROLES,
            "rules=1",
            '"rules" is not a known field selector: only "metadata.name", "metadata.namespace"',
        ),
        (
            PODS,
            "metadata.name",
            "invalid selector: 'metadata.name'; can't understand 'metadata.name'",
        ),
        (PODS, r"metadata.name=a\n", "invalid field selector: invalid escape sequence: \\n"),
        (PODS, "metadata.name=a\\", "invalid field selector: invalid escape sequence: \\"),
        (PODS, "metadata.name=a=b", "invalid field selector: unescaped character in value: 61"),
        (PODS, "a" * 9000, "the field selector is too long"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_field_that_nothing_can_be_selected_by_is_refused(resource, text, message):
    with pytest.raises(ApiError) as refused:
        parse_field_selector(resource, text)

    assert (refused.value.status, refused.value.message) == (400, message)
