"""Cells as kube-apiserver 1.36 prints them; durations are cases of duration_test.go (v0.36)."""

import pytest

from casemate.apiserver.ages import human_duration
from casemate.apiserver.json_path import InvalidPath, compiled
from casemate.apiserver.kinds import resources_by_kind
from casemate.apiserver.resource import Column, Resource
from casemate.apiserver.status_error import ApiError
from casemate.apiserver.tables import table

NOW = "2026-05-01T12:00:00Z"
MADE = "2026-05-01T11:55:30Z"
LATER = "2026-05-01T11:59:00Z"


def rows(kind, *trees, wide=True, **options):
    shown = table(
        resources_by_kind()[kind], trees, list_metadata={"resourceVersion": "7"}, now=NOW, **options
    )
    columns = shown["columnDefinitions"]
    kept = [index for index, one in enumerate(columns) if wide or not one["priority"]]
    return [columns[index]["name"] for index in kept], [
        [row["cells"][index] for index in kept] for row in shown["rows"]
    ]


def an_object(name="a", **fields):
    return {"metadata": {"name": name, "creationTimestamp": MADE}, **fields}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1.5, "0s"), (-2, "<invalid>"), (0, "0s"), (119, "119s"), (120, "2m"), (150, "2m30s"),
        (600, "10m"), (10799, "179m"), (10800, "3h"), (10900, "3h1m"), (28800, "8h"),
        (172799, "47h"), (172800, "2d"), (176400, "2d1h"), (691200, "8d"), (63071999, "729d"),
        (63072000, "2y"), (63158400, "2y1d"), (252288000, "8y"), (400000000, "12y"),
    ],
)  # fmt: skip
def test_a_duration_is_written_for_people(seconds, text):
    assert human_duration(seconds) == text


def test_a_function_shows_the_columns_of_its_definition():
    function = an_object(
        "hello",
        spec={"runtime": "python312"},
        status={"conditions": [{"type": "Running", "status": "True"}]},
    )
    function["metadata"]["generation"] = 3

    assert rows("Function", function) == (
        ["Name", "Configured", "Running", "Runtime", "Version", "Age"],
        [["hello", None, "True", "python312", 3, "4m30s"]],
    )


@pytest.mark.parametrize(
    ("kind", "tree", "names", "cells"),
    [
        ("Namespace", {"status": {"phase": "Active"}}, ["Name", "Status", "Age"], ["Active"]),
        ("Secret", {"type": "Opaque", "data": {"a": "", "b": ""}},
         ["Name", "Type", "Data", "Age"], ["Opaque", 2]),
        ("ConfigMap", {"data": {"a": ""}, "binaryData": {"b": ""}}, ["Name", "Data", "Age"], [2]),
        ("ServiceAccount", {}, ["Name", "Age"], []),
        ("Lease", {"spec": {"holderIdentity": "me"}}, ["Name", "Holder", "Age"], ["me"]),
        ("ControllerRevision", {"revision": 4},
         ["Name", "Controller", "Revision", "Age"], ["<none>", 4]),
        ("FunctionPolicy", {}, ["Name", "Age"], []),
    ],
)  # fmt: skip
def test_each_kind_has_kubernetes_columns(kind, tree, names, cells):
    assert rows(kind, an_object(**tree)) == (names, [["a", *cells, "4m30s"]])


def test_a_revision_names_the_function_that_it_is_of():
    revision = an_object(revision=1)
    revision["metadata"]["ownerReferences"] = [
        {"apiVersion": "g.io/v1", "kind": "Function", "name": "f", "controller": True}
    ]

    assert rows("ControllerRevision", revision)[1][0][1] == "function.g.io/f"


def test_a_role_has_no_printer_and_shows_when_it_was_made():
    assert rows("Role", an_object()) == (["Name", "Created At"], [["a", MADE]])


def test_a_role_binding_shows_its_subjects_only_when_wide():
    binding = an_object(
        roleRef={"kind": "ClusterRole", "name": "view"},
        subjects=[
            {"kind": "User", "name": "u"},
            {"kind": "User", "name": "v"},
            {"kind": "Group", "name": "g"},
            {"kind": "ServiceAccount", "name": "s", "namespace": "n"},
        ],
    )

    assert rows("RoleBinding", binding, wide=False)[1] == [["a", "ClusterRole/view", "4m30s"]]
    assert rows("ClusterRoleBinding", binding)[1][0][3:] == ["u, v", "g", "n/s"]


def test_an_event_tells_when_it_was_seen_last_and_by_whom():
    event = an_object(
        involvedObject={"kind": "Function", "name": "f", "fieldPath": "spec"},
        reason="Started", type="Normal", message=" it runs \n", source={"component": "casemate"},
        firstTimestamp=MADE, lastTimestamp=LATER, count=3, reportingInstance="here",
    )  # fmt: skip

    names, cells = rows("Event", event, wide=False)
    assert (names, cells) == (
        ["Last Seen", "Type", "Reason", "Object", "Message"],
        [["60s", "Normal", "Started", "function/f", "it runs"]],
    )
    assert rows("Event", event)[1][0][4:] == [
        "spec", "casemate, here", "it runs", "4m30s", 3, "a",
    ]  # fmt: skip


def test_a_series_of_events_counts_by_its_series_and_a_new_event_by_its_time():
    event = an_object(involvedObject={"kind": "Function"}, eventTime=MADE)
    series = event | {"series": {"count": 9, "lastObservedTime": LATER}}

    assert rows("Event", event)[1][0][:4] == ["4m30s", "", "", "function"]
    assert rows("Event", event)[1][0][-2] == 1
    assert [rows("Event", series)[1][0][at] for at in (0, -2)] == ["60s", 9]


RUNNING = {"name": "c", "ready": True, "restartCount": 0, "state": {"running": {}}}


@pytest.mark.parametrize(
    ("status", "ready", "word", "restarts"),
    [
        ({"phase": "Pending"}, "0/1", "Pending", "0"),
        ({"phase": "Running", "containerStatuses": [RUNNING]}, "1/1", "Running", "0"),
        (
            {"phase": "Running", "containerStatuses": [
                {"restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                 "lastState": {"terminated": {"finishedAt": LATER}}}]},
            "0/1", "CrashLoopBackOff", "2 (60s ago)",
        ),
        (
            {"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"exitCode": 3}}}]},
            "0/1", "ExitCode:3", "0",
        ),
        (
            {"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"signal": 9}}}]},
            "0/1", "Signal:9", "0",
        ),
        (
            {"phase": "Running", "containerStatuses": [
                {"state": {"terminated": {"reason": "Completed"}}}, RUNNING]},
            "1/1", "NotReady", "0",
        ),
        (
            {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
             "containerStatuses": [{"state": {"terminated": {"reason": "Completed"}}}, RUNNING]},
            "1/1", "Running", "0",
        ),
        (
            {"phase": "Running", "containerStatuses": [
                {"state": {"terminated": {"reason": "Completed"}}},
                {"state": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}]},
            "0/1", "OOMKilled", "0",
        ),
        (
            {"phase": "Pending", "initContainerStatuses": [
                {"restartCount": 1, "state": {"terminated": {"exitCode": 1}}}]},
            "0/1", "Init:ExitCode:1", "1",
        ),
        (
            {"phase": "Pending", "initContainerStatuses": [{"state": {"waiting": {"reason": "X"}}}]},
            "0/1", "Init:X", "0",
        ),
        ({"phase": "Pending", "initContainerStatuses": [{"state": {"running": {}}}]},
         "0/1", "Init:0/0", "0"),
        ({"phase": "Pending", "reason": "Evicted"}, "0/1", "Evicted", "0"),
        (
            {"phase": "Pending",
             "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]},
            "0/1", "SchedulingGated", "0",
        ),
    ],
)  # fmt: skip
def test_the_status_of_a_pod_is_worked_out_from_its_containers(status, ready, word, restarts):
    pod = an_object(spec={"containers": [{"name": "c"}]}, status=status)

    assert rows("Pod", pod, wide=False)[1] == [["a", ready, word, restarts, "4m30s"]]


def test_a_sidecar_counts_as_a_container():
    pod = an_object(
        spec={"containers": [{}], "initContainers": [{"name": "s", "restartPolicy": "Always"}]},
        status={
            "phase": "Running",
            "initContainerStatuses": [
                {"name": "s", "started": True, "ready": True, "restartCount": 1}
            ],
            "containerStatuses": [RUNNING],
        },
    )

    assert rows("Pod", pod, wide=False)[1] == [["a", "2/2", "Running", "1", "4m30s"]]


def test_a_pod_that_ends_is_terminating_and_its_place_is_shown_when_wide():
    pod = an_object(
        spec={"nodeName": "n", "readinessGates": [{"conditionType": "G"}]},
        status={"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}],
                "conditions": [{"type": "G", "status": "True"}]},
    )  # fmt: skip
    pod["metadata"]["deletionTimestamp"] = LATER

    cells = rows("Pod", pod)[1][0]

    assert cells[2] == "Terminating"
    assert cells[5:] == ["10.0.0.1", "n", "<none>", "1/1"]


def test_a_finished_pod_marks_its_row():
    shown = table(
        resources_by_kind()["Pod"],
        [an_object(status={"phase": "Succeeded"})],
        list_metadata={},
        now=NOW,
    )

    assert shown["rows"][0]["conditions"][0]["type"] == "Completed"


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        ("None", None),
        ("Object", an_object(data={})),
        ("Metadata", {
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
            "metadata": an_object()["metadata"],
        }),
    ],
)  # fmt: skip
def test_a_row_carries_as_much_of_the_object_as_was_asked(include, expected):
    shown = table(
        resources_by_kind()["ConfigMap"],
        [an_object(data={})],
        list_metadata={"resourceVersion": "7"},
        include_object=include,
        now=NOW,
    )

    assert shown["rows"][0]["object"] == expected
    assert shown["metadata"] == {"resourceVersion": "7"}


def test_an_unknown_part_of_the_object_is_refused():
    with pytest.raises(ApiError, match='unrecognized includeObject value: "All"'):
        rows("Secret", an_object(), include_object="All")


@pytest.mark.parametrize(
    ("of_type", "path", "cell"),
    [
        ("string", ".spec.number", "5"),
        ("string", ".spec.list", '["a"]'),
        ("string", ".spec.none", "<no value>"),
        ("string", ".spec.list[0]", "a"),
        ("string", ".spec.list[1]", None),
        ("string", ".spec.list[*]", "a"),
        ("string", r".spec.with\.dot", "x"),
        ("string", ".spec['with.dot']", "x"),
        ("integer", ".spec.number", 5),
        ("integer", ".spec.list", None),
        ("integer", ".spec.yes", None),
        ("number", ".spec.number", 5.0),
        ("boolean", ".spec.yes", True),
        ("boolean", ".spec.number", None),
        ("date", ".spec.none", None),
        ("date", ".spec.word", "<invalid>"),
        ("date", ".metadata.creationTimestamp", "4m30s"),
        ("date", ".spec.absent.more", None),
        ("string", '.spec.pairs[?(@.of.key=="k")].value', "v"),
        ("string", ".spec.pairs[?(@.of.key=='z')].value", None),
    ],
)  # fmt: skip
def test_a_column_reads_its_path_and_shows_only_its_own_type(of_type, path, cell):
    spec = {
        "number": 5, "list": ["a"], "none": None, "with.dot": "x", "yes": True, "word": "soon",
        "pairs": [{"of": {"key": "k"}, "value": "v"}, {"of": 1}],
    }  # fmt: skip
    resource = Resource(
        "g.io", "v1", "xs", "x", "X", True, {}, columns=(Column("C", of_type, path),)
    )

    shown = table(resource, [an_object(spec=spec)], list_metadata={}, now=NOW)

    assert shown["rows"][0]["cells"] == ["a", cell]


def test_a_path_beyond_the_language_is_a_defect():
    with pytest.raises(InvalidPath):
        compiled(".spec..all")
