"""The engine behind its Kubernetes API: what is applied runs, what runs is shown, what lasts."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from support.api_client import Api
from support.engine_session import EngineSession, a_function

ONE = "def main(event, context):\n    print('said-one')\n    return 'one'\n"
BROKEN = "import nothing_of_this_name\n"
HIDDEN = "a-value-that-readers-of-pods-must-not-see"


def eventually(check: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)
    return found


def apply(api: Api, manifest: dict[str, Any]) -> None:
    answer = api.apply(f"functions/{manifest['metadata']['name']}", manifest)
    assert answer.status in (200, 201), answer.body


def condition(api: Api, name: str, kind: str) -> dict[str, Any]:
    tree = api.get(f"functions/{name}").tree
    status = tree.get("status") or {}
    if status.get("observedGeneration") != tree["metadata"]["generation"]:
        return {}
    return next((one for one in status.get("conditions", ()) if one["type"] == kind), {})


def wait(api: Api, name: str, kind: str, value: str) -> dict[str, Any]:
    return eventually(
        lambda: (found := condition(api, name, kind)).get("status") == value and found
    )


def pods(api: Api, name: str) -> list[dict[str, Any]]:
    selector = f"serverless.kyma-project.io/function-name={name}"
    return api.get("pods", labelSelector=selector).tree["items"]


def revisions(api: Api, name: str) -> list[dict[str, Any]]:
    items = api.get("controllerrevisions").tree["items"]
    mine = [one for one in items if one["metadata"]["name"].startswith(f"{name}-")]
    return sorted(mine, key=lambda one: one["revision"])


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineSession]:
    with EngineSession(tmp_path_factory.mktemp("api"), []) as session:
        yield session


@pytest.fixture(scope="module")
def api(session: EngineSession) -> Api:
    return session.api()


@pytest.fixture(scope="module")
def running(session: EngineSession, api: Api) -> str:
    env = [{"name": "PASSWORD", "value": HIDDEN}]
    apply(api, a_function("one", "python313", ONE, env=env))
    wait(api, "one", "Running", "True")
    assert session.call("one") == (200, b"one")
    return "one"


def test_an_instance_is_shown_as_a_pod_without_values_of_variables(api: Api, running: str) -> None:
    [pod] = eventually(lambda: pods(api, running))

    assert pod["status"]["phase"] == "Running"
    assert pod["status"]["containerStatuses"][0]["ready"] is True
    assert pod["metadata"]["ownerReferences"][0]["name"] == running
    assert HIDDEN not in json.dumps(pod)
    assert "said-one" not in json.dumps(pod)


def test_a_pod_cannot_be_written(api: Api, running: str) -> None:
    [pod] = eventually(lambda: pods(api, running))

    answers = [
        api.delete(f"pods/{pod['metadata']['name']}").status,
        api.patch(f"pods/{pod['metadata']['name']}", {"metadata": {"labels": {"a": "b"}}}).status,
        api.post("pods", pod).status,
    ]

    assert answers == [405, 405, 405]
    assert pods(api, running)


def test_logs_are_cut_as_asked(api: Api, running: str) -> None:
    [pod] = eventually(lambda: pods(api, running))
    path = f"pods/{pod['metadata']['name']}/log"
    eventually(lambda: b"said-one" in api.get(path).body)

    assert api.get(path, tailLines=1).body.count(b"\n") == 1
    assert api.get(path, limitBytes=3).body == api.get(path).body[:3]
    assert api.get(path, tailLines=1, timestamps="true").body[:2] == b"20"
    assert api.get(path, sinceSeconds=3600).body == api.get(path).body
    assert api.get(path, container="other").status == 400
    assert api.get(path, previous="true").status == 400
    assert api.get("pods/no-such-pod/log").status == 404


def test_a_followed_log_streams_each_line_once(
    session: EngineSession, api: Api, running: str
) -> None:
    [pod] = eventually(lambda: pods(api, running))
    target = api.path_of(f"pods/{pod['metadata']['name']}/log?follow=true&tailLines=0")
    host = urlsplit(api.url)
    connection = http.client.HTTPSConnection(host.hostname, host.port, context=api.tls, timeout=20)
    connection.request("GET", target)
    with connection.getresponse() as reply:
        time.sleep(0.3)
        session.call(running)
        first = reply.readline()
        session.call(running)
        second = reply.readline()
    connection.close()

    assert (first, second) == (b"said-one\n", b"said-one\n")


def test_escape_sequences_of_a_function_do_not_reach_the_readers_terminal(
    session: EngineSession, api: Api
) -> None:
    source = "def main(event, context):\n    print('\\x1b]0;owned\\x07')\n    return ''\n"
    apply(api, a_function("escape", "python313", source))
    wait(api, "escape", "Running", "True")
    session.call("escape")
    [pod] = eventually(lambda: pods(api, "escape"))
    path = f"pods/{pod['metadata']['name']}/log"

    text = eventually(lambda: b"owned" in (body := api.get(path).body) and body)

    assert b"\x1b" not in text


def test_invoke_mints_a_token_for_this_function_only(
    session: EngineSession, api: Api, running: str
) -> None:
    answer = api.post(f"functions/{running}/invoke", {"spec": {"expirationSeconds": 30}})

    status = answer.tree["status"]
    assert (answer.status, answer.tree["kind"]) == (201, "FunctionToken")
    assert session.call(running, token=status["token"]) == (200, b"one")
    assert status["url"].endswith(f"/default/{running}/")


@pytest.mark.parametrize("seconds", [0, 601, -1, True, "60"])
def test_a_token_lives_one_second_to_ten_minutes(api: Api, running: str, seconds: object) -> None:
    body = {"spec": {"expirationSeconds": seconds}}

    assert api.post(f"functions/{running}/invoke", body).status == 422


def test_invoke_of_an_absent_function_is_not_found(api: Api) -> None:
    assert api.post("functions/absent/invoke", {}).status == 404
    assert api.get("functions/absent/posture").status == 404


def test_posture_compares_the_running_sandbox(api: Api, running: str) -> None:
    assert api.get(f"functions/{running}/posture").tree["status"]["differences"] == []


def test_each_accepted_change_is_a_revision_of_its_own_and_ten_are_kept(
    session: EngineSession, api: Api
) -> None:
    for number in range(12):
        source = f"def main(event, context):\n    return '{number}'\n"
        apply(api, a_function("many", "python313", source, scaling={"min": 0, "max": 1}))
        eventually(lambda n=number: _newest_source(api, "many", f"'{n}'"))

    kept = revisions(api, "many")

    assert [one["revision"] for one in kept][-1] == 12
    assert 10 <= len(kept) <= 11
    assert kept[-1]["data"]["digests"]["sourceDigest"].startswith("sha256:")
    assert kept[-1]["metadata"]["ownerReferences"][0]["kind"] == "Function"


def _newest_source(api: Api, name: str, text: str) -> bool:
    found = revisions(api, name)
    return bool(found) and text in found[-1]["data"]["spec"]["source"]["inline"]["source"]


def test_an_old_spec_applied_again_becomes_the_newest_revision(api: Api) -> None:
    for text in ("a", "b", "a"):
        source = f"def main(event, context):\n    return '{text}'\n"
        apply(api, a_function("back", "python313", source))
        eventually(lambda t=text: _newest_source(api, "back", f"'{t}'"))

    found = revisions(api, "back")

    assert [one["revision"] for one in found] == [2, 3]


def test_a_bad_revision_does_not_replace_a_good_one(session: EngineSession, api: Api) -> None:
    apply(api, a_function("kept", "python313", ONE))
    wait(api, "kept", "Running", "True")
    apply(api, a_function("kept", "python313", BROKEN))
    eventually(lambda: "is not ready" in condition(api, "kept", "Running").get("message", ""))

    assert session.call("kept") == (200, b"one")
    assert condition(api, "kept", "Running")["status"] == "True"


def test_a_failing_function_tells_its_reason_in_an_event(api: Api) -> None:
    apply(api, a_function("sad", "python313", BROKEN))
    wait(api, "sad", "Running", "False")

    def told() -> bool:
        events = api.get("events", fieldSelector="involvedObject.name=sad").tree["items"]
        return any(one["reason"] == "LoadFailed" and one["type"] == "Warning" for one in events)

    eventually(told)


def test_a_deleted_function_ends_with_its_pod_and_its_revisions(
    session: EngineSession, api: Api
) -> None:
    apply(api, a_function("short", "python313", ONE))
    wait(api, "short", "Running", "True")
    eventually(lambda: revisions(api, "short"))
    processes = session.processes("short")

    assert api.delete("functions/short").status == 200

    assert session.wait_gone(processes)
    eventually(lambda: not pods(api, "short") and not revisions(api, "short"))


def test_no_request_fails_while_revisions_change(session: EngineSession, api: Api) -> None:
    def code(number: int) -> str:
        return f"def main(event, context):\n    return 'n{number}'\n"

    apply(api, a_function("busy", "python313", code(0)))
    wait(api, "busy", "Running", "True")
    outcomes: list[tuple[int, bytes]] = []
    stop = threading.Event()

    def ask() -> None:
        token = session.token("busy")
        while not stop.is_set():
            outcomes.append(session.call("busy", token=token))

    callers = [threading.Thread(target=ask) for _ in range(4)]
    for caller in callers:
        caller.start()
    for number in range(1, 5):
        apply(api, a_function("busy", "python313", code(number)))
        eventually(lambda n=number: session.call("busy")[1] == f"n{n}".encode())
    stop.set()
    for caller in callers:
        caller.join()

    assert {status for status, _ in outcomes} == {200}
    assert {body for _, body in outcomes} >= {b"n0", b"n4"}


def test_a_status_that_somebody_forges_is_put_right(api: Api, running: str) -> None:
    api.patch(f"functions/{running}/status", {"status": {"readyReplicas": 99}})

    def status() -> dict[str, Any]:
        return api.get(f"functions/{running}").tree["status"]

    try:
        eventually(lambda: status()["readyReplicas"] == 1)
    except AssertionError:
        pytest.fail(json.dumps(status(), indent=1))


def test_a_policy_that_lets_something_through_shows_in_a_condition(api: Api) -> None:
    field = "containerSecurityContext.seccompProfile"
    policy = {
        "apiVersion": "casemate.dev/v1alpha1",
        "kind": "FunctionPolicy",
        "metadata": {"name": "old-code"},
        "spec": {
            "namespaces": {"names": ["default"]},
            "relaxations": [{"fields": [field], "reason": "an old profiler"}],
        },
    }
    spec = {"containerSecurityContext": {"seccompProfile": {"type": "Unconfined"}}}
    open_ended = a_function("open-ended", "python313", ONE, **spec)
    refused = api.apply("functions/open-ended", open_ended)
    assert api.post("/apis/casemate.dev/v1alpha1/functionpolicies", policy).status == 201

    apply(api, open_ended)

    assert refused.status == 422
    assert field in wait(api, "open-ended", "SecurityRelaxed", "True")["message"]


def test_a_secret_that_comes_later_wakes_the_function_that_waits_for_it(api: Api) -> None:
    env = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "late", "key": "k"}}}]
    apply(api, a_function("waits", "python313", ONE, env=env))
    missing = wait(api, "waits", "ConfigurationReady", "False")

    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "late"},
              "stringData": {"k": "v"}}  # fmt: skip
    assert api.post("secrets", secret).status == 201

    assert missing["reason"] == "MissingReference"
    wait(api, "waits", "Running", "True")


def test_who_may_not_invoke_does_not_learn_whether_a_function_exists(
    api: Api, running: str
) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody"}}
    assert api.post("serviceaccounts", account).status == 201
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = api.post("serviceaccounts/nobody/token", request).tree["status"]["token"]
    stranger = replace(api, anonymous=True)
    bearer = {"Authorization": f"Bearer {token}"}

    answers = [
        stranger.request("POST", f"functions/{name}/invoke", {}, headers=bearer).status
        for name in (running, "absent")
    ]

    assert answers == [403, 403]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir(mode=0o700)
    return tmp_path


def test_a_restart_brings_every_function_back_as_it_was(folder: Path) -> None:
    with EngineSession(folder, [], data_dir=folder / "data") as first:
        api = first.api()
        apply(api, a_function("lasting", "python313", ONE))
        wait(api, "lasting", "Running", "True")
        before = eventually(lambda: revisions(api, "lasting"))
    assert not (folder / "run" / "kubeconfig").exists()

    with EngineSession(folder, [], data_dir=folder / "data") as second:
        api = second.api()
        # The stored status is that of the life before, until the first look.
        eventually(lambda: second.call("lasting") == (200, b"one"))
        wait(api, "lasting", "Running", "True")
        after = revisions(api, "lasting")

    assert [one["metadata"]["uid"] for one in after] == [one["metadata"]["uid"] for one in before]


@pytest.mark.parametrize("newest", [BROKEN, ONE], ids=["does not start", "cannot be made"])
def test_after_a_restart_the_last_good_revision_serves(folder: Path, newest: str) -> None:
    with EngineSession(folder, [], data_dir=folder / "data") as first:
        api = first.api()
        apply(api, a_function("kept", "python313", ONE))
        wait(api, "kept", "Running", "True")
        first.call("kept")
        eventually(lambda: revisions(api, "kept")[0]["metadata"].get("annotations"))
        spec = {}
        if newest == ONE:
            ref = {"secretKeyRef": {"name": "absent", "key": "k"}}
            spec["env"] = [{"name": "A", "valueFrom": ref}]
        apply(api, a_function("kept", "python313", newest, **spec))
        eventually(lambda: condition(api, "kept", "ConfigurationReady"))

    with EngineSession(folder, [], data_dir=folder / "data") as second:
        api = second.api()
        eventually(lambda: second.call("kept") == (200, b"one"))
        wait(api, "kept", "Running", "True")
        time.sleep(1)
        after = second.call("kept"), condition(api, "kept", "Running")["status"]

    assert after == ((200, b"one"), "True")
