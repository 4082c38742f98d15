"""Reading a kubeconfig: what is usable, what is refused, and whose directory is trusted."""

from __future__ import annotations

import json

import pytest

from casemate.cli.kube_config import NoEngine, UnusableKubeconfig, read_connection


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("CASEMATE_RUN_DIR", str(folder))
    return folder


def a_document(**changes):
    cluster = {"server": "https://127.0.0.1:8089"}
    document = {
        "current-context": "casemate",
        "contexts": [
            {"name": "casemate", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}
        ],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": "secret-token"}}],
    }
    return document | changes


def test_a_json_kubeconfig_gives_address_token_and_namespace(run_dir):
    (run_dir / "kubeconfig").write_text(json.dumps(a_document()))

    found = read_connection()

    assert (found.host, found.port, found.namespace) == ("127.0.0.1", 8089, "shop")
    assert found.token == "secret-token"


def test_a_yaml_kubeconfig_is_read_too(tmp_path):
    path = tmp_path / "other"
    path.write_text(
        "current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\n"
        "clusters: [{name: c, cluster: {server: 'https://[::1]:9443'}}]\n"
        "users: [{name: u, user: {}}]\n"
    )

    found = read_connection(path)

    assert (found.host, found.port, found.namespace) == ("::1", 9443, "default")


def test_the_token_is_not_shown(run_dir):
    (run_dir / "kubeconfig").write_text(json.dumps(a_document()))

    assert "secret-token" not in repr(read_connection())


def test_without_an_engine_the_error_says_how_to_start_one(run_dir):
    with pytest.raises(NoEngine) as raised:
        read_connection()

    assert "casemate up" in raised.value.hint


def test_a_run_directory_that_others_may_write_is_not_believed(run_dir):
    (run_dir / "kubeconfig").write_text(json.dumps(a_document()))
    assert read_connection().port == 8089

    run_dir.chmod(0o777)

    with pytest.raises(NoEngine, match="may be written by others"):
        read_connection()


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"current-context": "b"}, "has no context 'b'"),
        ({"clusters": []}, "has no cluster 'c'"),
        ({"users": [{"name": "x"}]}, "has no user 'u'"),
        ({"clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1"}}]}, "no https"),
        (
            {
                "clusters": [
                    {
                        "name": "c",
                        "cluster": {
                            "server": "https://127.0.0.1",
                            "certificate-authority-data": "%%",
                        },
                    }
                ]
            },
            "certificate-authority cannot be read",
        ),
    ],
    ids=["context", "cluster", "user", "plain http", "base64"],
)
def test_what_cannot_be_used_is_named(run_dir, changes, found):
    (run_dir / "kubeconfig").write_text(json.dumps(a_document(**changes)))

    with pytest.raises(UnusableKubeconfig, match=found):
        read_connection()
