import pytest

from casemate.security.pss.node import Node
from casemate.security.pss.read_pod import VOLUME_SOURCES, read_pod
from support.pods import a_container, a_pod


def test_every_kind_of_container_is_read_and_named():
    pod = Node(
        a_pod(
            initContainers=[a_container("first")],
            containers=[a_container("main"), a_container("")],
            ephemeralContainers=[a_container("debug")],
        )
    )

    view = read_pod(pod)

    assert [container.label for container in view.containers] == [
        'init container "first"',
        'container "main"',
        "unnamed spec.containers[1]",
        'ephemeral container "debug"',
    ]
    assert pod.problems == []


@pytest.mark.parametrize("spec", [None, {}, {"containers": []}, {"containers": None}])
def test_pod_without_containers_is_malformed(spec):
    pod = Node({"spec": spec})

    view = read_pod(pod)

    assert view.containers == ()
    assert pod.problems == ["spec.containers is missing or empty"]


@pytest.mark.parametrize("spec", [[], "text", 3])
def test_spec_that_is_no_object_is_malformed(spec):
    pod = Node({"spec": spec})

    read_pod(pod)

    assert pod.problems[0].startswith("spec is ")


def test_second_volume_source_is_malformed_rather_than_hidden():
    pod = Node(a_pod(volumes=[{"name": "v", "emptyDir": {}, "hostPath": {"path": "/"}}]))

    view = read_pod(pod)

    assert view.volumes[0].sources == ("emptyDir", "hostPath")
    assert pod.problems == ["spec.volumes[0] has 2 sources, expected one"]


@pytest.mark.parametrize("source", VOLUME_SOURCES)
def test_each_volume_source_is_known(source):
    view = read_pod(Node(a_pod(volumes=[{"name": "v", source: {}}])))

    assert view.volumes[0].sources == (source,)


def test_volume_without_source_is_an_empty_directory_and_one_of_unknown_source_is_not():
    pod = Node(a_pod(volumes=[{"name": "v", "nfs": None}, {"fileSystemOfTomorrow": {}}]))

    view = read_pod(pod)

    assert view.volumes[0].sources == ("emptyDir",)
    assert view.volumes[1].sources == ()
    assert view.volumes[1].label == "unnamed spec.volumes[1]"
