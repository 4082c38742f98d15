"""The whole API under kill -9 and a full disk, seen as its clients see it: over HTTPS."""

import os
import random
import resource
import signal
import threading
import time
from http.client import HTTPException

import pytest

from casemate.apiserver.resource import GroupResource
from casemate.apiserver.store.database import Store
from support.api_client import Api
from support.casemate_api import CasemateApi
from support.stores import a_key, with_store

ROUNDS = 5


def a_client(server: CasemateApi, folder) -> Api:
    return Api("casemate", server.kubeconfig, {}, folder)


def a_body(kind: str, name: str, value: str) -> dict:
    field = "stringData" if kind == "Secret" else "data"
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, field: {"value": value}}


def write_until_killed(api: Api, plural: str, name: str, acknowledged: dict) -> None:
    """Apply ever higher numbers; the last one that was answered stands in `acknowledged`."""
    kind = {"secrets": "Secret", "configmaps": "ConfigMap"}[plural]
    count = acknowledged.get((plural, name), (0, 0))[0]
    while True:
        count += 1
        try:
            answer = api.apply(f"{plural}/{name}", a_body(kind, name, str(count)), force="true")
        except (OSError, HTTPException):  # the server died, maybe within its answer
            return
        assert answer.status in (200, 201), answer.body
        version = int(answer.tree["metadata"]["resourceVersion"])
        acknowledged[plural, name] = (count, version)


@pytest.mark.timeout(60)
def test_kill_9_of_the_api_loses_no_answered_write(tmp_path):
    moments = random.Random(os.urandom(8))  # noqa: S311  # when to kill
    names = [(plural, f"c{n}") for plural in ("secrets", "configmaps") for n in range(2)]
    acknowledged: dict[tuple[str, str], tuple[int, int]] = {}
    for _ in range(ROUNDS):
        (tmp_path / "kubeconfig").unlink(missing_ok=True)
        with CasemateApi(tmp_path) as server:
            api = a_client(server, tmp_path)
            api.get("configmaps")
            clients = [
                threading.Thread(target=write_until_killed, args=(api, *name, acknowledged))
                for name in names
            ]
            for client in clients:
                client.start()
            time.sleep(moments.uniform(0.1, 0.4))
            os.kill(server._process.pid, signal.SIGKILL)
            for client in clients:
                client.join()

        async def look(store: Store) -> int:
            for (plural, name), (count, version) in acknowledged.items():
                found = store.get(a_key(name, GroupResource("", plural)))
                assert found is not None, f"{plural} {name} was lost"
                assert found.resource_version >= version
                # The answered one, or the one in flight at the end.
                assert found.resource_version == version or in_flight(found.tree(), count + 1)
            return store.revision

        revision = with_store(tmp_path / "data" / "store.sqlite", look)
        assert revision >= max(version for _, version in acknowledged.values())

    assert len(acknowledged) == len(names)


def in_flight(tree: dict, count: int) -> bool:
    import base64  # noqa: PLC0415

    value = tree["data"]["value"]
    return (base64.b64decode(value).decode() if tree["kind"] == "Secret" else value) == str(count)


def test_a_full_disk_is_507_while_reads_go_on_and_writes_come_back(tmp_path):
    with CasemateApi(tmp_path) as server:
        api = a_client(server, tmp_path)
        assert api.post("configmaps", a_body("ConfigMap", "before", "x")).status == 201
        used = max(each.stat().st_size for each in (tmp_path / "data").glob("store.sqlite*"))
        limit = (used + 100_000, resource.RLIM_INFINITY)
        resource.prlimit(server._process.pid, resource.RLIMIT_FSIZE, limit)
        answers = []
        for number in range(60):
            body = a_body("ConfigMap", f"n{number}", os.urandom(10_000).hex())
            answers.append(api.post("configmaps", body))
            if answers[-1].status != 201:
                break

        full = answers[-1]
        kept = {one["metadata"]["name"] for one in api.get("configmaps").tree["items"]}
        resource.prlimit(server._process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        again = api.post("configmaps", a_body("ConfigMap", "after", "x"))

        assert (full.status, full.tree["reason"]) == (507, "InsufficientStorage")
        assert kept - {"kube-root-ca.crt"} == {
            "before",
            *(f"n{n}" for n in range(len(answers) - 1)),
        }
        assert again.status == 201


def test_a_secret_that_came_over_the_api_is_in_no_file_of_the_data_directory(tmp_path):
    planted = "planted-9ac1"
    with CasemateApi(tmp_path) as server:
        api = a_client(server, tmp_path)
        assert api.post("secrets", a_body("Secret", "s", planted)).status == 201
        assert api.post("configmaps", a_body("ConfigMap", "c", planted)).status == 201
        encoded = api.get("secrets/s").tree["data"]["value"]
        files = [each.read_bytes() for each in (tmp_path / "data").rglob("*") if each.is_file()]

    # The ConfigMap is in clear and found: the search is no blind one.
    assert any(planted.encode() in content for content in files)
    assert not any(encoded.encode() in content for content in files)
