"""Sources are opened without links, and what a plan mounts is what the sandbox sees."""

from __future__ import annotations

import pytest

from casemate.node.plan_inputs import FilesVolume, VolumeFile
from casemate.node.sandbox_steps import HostPath
from casemate.node.staging import open_host_path
from support.sandboxes import a_plan, run_plan

pytestmark = pytest.mark.sandbox

LINKED = [("tree/link", ""), ("tree", "link"), ("tree", "link/below"), ("tree", "../outside")]


@pytest.mark.parametrize(("path", "sub_path"), LINKED)
def test_a_link_in_place_of_a_source_is_refused(path, sub_path, tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "outside/below").mkdir(parents=True)
    (tmp_path / "tree/link").symlink_to(tmp_path / "outside")

    with pytest.raises(OSError, match=r"link|volume|directory"):
        open_host_path(str(tmp_path / path), sub_path)


def test_a_volume_under_a_closed_directory_is_seen_read_only_and_secrets_stay_in_memory(tmp_path):
    source = tmp_path / "closed" / "function"
    source.mkdir(parents=True)
    (source / "handler.py").write_text("print('mine')")
    (tmp_path / "closed").chmod(0o700)
    secret = FilesVolume((VolumeFile("token", b"s3cret"),))
    code = (
        "import os\nprint(open('/app/function/handler.py').read(), open('/etc/s/token').read())\n"
        "for path in ('/app/function/x', '/etc/s/x', '/x', '/dev/x', '/proc/x'):\n"
        " try: open(path, 'w')\n except OSError as error: print(error.errno)\n"
        "print(sorted(os.listdir('/dev')))"
    )

    done = run_plan(
        a_plan(
            code,
            container={
                "volumeMounts": [
                    {"name": "code", "mountPath": "/app/function"},
                    {"name": "s", "mountPath": "/etc/s"},
                    {"name": "tmp", "mountPath": "/tmp"},
                ]
            },
            volumes=[
                {"name": "code", "image": {"reference": "x@sha256:0"}},
                {"name": "s", "secret": {"secretName": "s"}},
                {"name": "tmp", "emptyDir": {"sizeLimit": "1Mi"}},
            ],
            inputs={"volumes": {"code": HostPath(str(source)), "s": secret}},
        ),
        tmp_path,
    )

    words = done.stdout.splitlines()
    assert words[0] == "print('mine') s3cret", done.stderr
    assert words[1:5] == ["30"] * 4
    assert words[-1] == str(
        sorted(
            ["null", "zero", "full", "random", "urandom", "fd", "stdin", "stdout", "stderr", "shm"]
        )
    )
