"""The audit log: complete, without secrets, and never skipped for a change."""

from __future__ import annotations

import errno
import json

import pytest

from casemate.apiserver.access.attributes import User
from casemate.apiserver.access.audit import AuditFile, AuditLog, AuditRing
from casemate.apiserver.access.rbac import Decision
from casemate.apiserver.call import Seen
from casemate.apiserver.request_path import parse_request_path
from casemate.apiserver.status_error import ApiError

PATH = "/api/v1/namespaces/shop/secrets/db"


class FullDisk:
    """A sink whose disk has no room while `is_full`."""

    def __init__(self) -> None:
        self.is_full = True
        self.lines: list[bytes] = []

    def write(self, line: bytes) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.lines.append(line)

    def close(self) -> None:
        pass


def seen(method="PUT", **changes):
    fields = {
        "identity": "id-1", "method": method, "path": PATH, "source": "127.0.0.1",
        "user_agent": "kubectl/1", "received_seconds": 1.0,
        "asked": parse_request_path(method, PATH, {}),
        "user": User("alice", "", ("ops",)),
        "decision": Decision(allowed=True, reason="RBAC: by binding"),
    }  # fmt: skip
    return Seen(**(fields | changes))


def lines_of(ring):
    return [json.loads(line) for line in ring]


def test_a_change_leaves_a_line_before_and_a_line_after():
    ring = AuditRing()
    log = AuditLog(ring, lambda: "2026-01-01T00:00:00Z")

    log.begin(seen())
    log.end(seen(), 200)

    first, last = lines_of(ring)
    assert first == {
        "time": "2026-01-01T00:00:00Z", "auditID": "id-1", "stage": "RequestReceived",
        "user": "alice", "groups": ["ops"], "verb": "update", "path": PATH, "decision": "allow",
        "sourceIP": "127.0.0.1", "userAgent": "kubectl/1", "reason": "RBAC: by binding",
        "objectRef": {"version": "v1", "resource": "secrets", "namespace": "shop", "name": "db"},
    }  # fmt: skip
    assert (last["stage"], last["code"]) == ("ResponseComplete", 200)


def test_a_read_leaves_one_line():
    ring = AuditRing()
    log = AuditLog(ring)

    log.begin(seen("GET"))
    log.end(seen("GET"), 200)

    assert [line["stage"] for line in lines_of(ring)] == ["ResponseComplete"]


@pytest.mark.parametrize(
    ("changes", "decision"),
    [
        ({"user": None, "asked": None, "decision": None}, "unauthenticated"),
        ({"asked": None, "decision": None}, "unreadable"),
        ({"decision": Decision(allowed=False)}, "forbid"),
    ],
)
def test_every_way_to_be_refused_has_its_word(changes, decision):
    ring = AuditRing()

    AuditLog(ring).end(seen(**changes), 403)

    assert lines_of(ring)[0]["decision"] == decision


def test_who_acts_for_somebody_else_is_named():
    ring = AuditRing()

    AuditLog(ring).end(seen(user=User("bob", impersonated_by="alice")), 200)

    assert lines_of(ring)[0]["impersonatedBy"] == "alice"


def test_a_change_that_cannot_be_written_down_is_refused():
    log = AuditLog(FullDisk())

    with pytest.raises(ApiError) as refused:
        log.begin(seen())

    assert refused.value.status == 503
    assert log.lost_lines == 1


def test_a_read_goes_on_when_the_log_cannot_be_written_and_is_counted():
    disk = FullDisk()
    log = AuditLog(disk)

    log.begin(seen("GET"))
    log.end(seen("GET"), 200)
    disk.is_full = False
    log.end(seen("GET"), 200)

    assert log.lost_lines == 1
    assert len(disk.lines) == 1


def test_a_path_cannot_break_its_line_and_is_bounded(tmp_path):
    file = AuditFile(tmp_path / "audit.log")

    AuditLog(file).end(seen(path="/x\n{}" + "y" * 5000), 404)

    (line,) = (tmp_path / "audit.log").read_bytes().splitlines()
    assert len(json.loads(line)["path"]) == 1024


def test_the_file_is_its_owners_alone_even_when_it_was_there_before(tmp_path):
    path = tmp_path / "audit.log"
    path.write_bytes(b"")
    path.chmod(0o644)

    AuditFile(path).write(b"{}\n")

    assert path.stat().st_mode & 0o777 == 0o600


def test_a_planted_link_is_not_followed(tmp_path):
    (tmp_path / "audit.log").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError, match=r"audit\.log"):
        AuditFile(tmp_path / "audit.log")

    assert not (tmp_path / "elsewhere").exists()


def test_a_full_file_is_put_aside_and_only_a_few_are_kept(tmp_path):
    file = AuditFile(tmp_path / "audit.log", largest_bytes=10, kept_files=2)

    for number in range(5):
        file.write(b"line %d\n" % number)
    file.close()

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "audit.log": b"line 4\n", "audit.log.1": b"line 3\n", "audit.log.2": b"line 2\n",
    }  # fmt: skip


def test_a_file_that_is_opened_again_goes_on(tmp_path):
    path = tmp_path / "audit.log"
    for line in (b"one\n", b"two\n"):
        file = AuditFile(path)
        file.write(line)
        file.close()

    assert path.read_bytes() == b"one\ntwo\n"


def test_the_ring_forgets_the_oldest():
    ring = AuditRing(kept_lines=2)

    for line in (b"1", b"2", b"3"):
        ring.write(line)

    assert list(ring) == [b"2", b"3"]
