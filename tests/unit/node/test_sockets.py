import os
import socket
import stat
from pathlib import Path

import pytest

from casemate.node.sockets import SocketDirectoryUnusable, SocketPathTooLong, WorkerSockets


@pytest.fixture
def run_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("r")


@pytest.fixture
def sockets(run_dir):
    opened = WorkerSockets(run_dir, "w1")
    opened.open()
    yield opened
    opened.close()


def connect(path):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(2)
    try:
        client.connect(str(path))
    except OSError:
        client.close()
        raise
    return client


def accepts_from(listener, path):
    """Tell whether a connection to `path` arrives at `listener`."""
    with connect(path) as client:
        listener.settimeout(2)
        accepted, _ = listener.accept()
        with accepted:
            client.sendall(b"x")
            return accepted.recv(1) == b"x"


def test_requests_queue_before_anyone_accepts(sockets):
    with connect(sockets.request_path):
        assert sockets.has_waiting_requests()
        accepted, _ = sockets.request_listener().accept()
        accepted.close()
        assert not sockets.has_waiting_requests()


def test_directory_and_sockets_are_ours_alone(sockets):
    folder = sockets.request_path.parent

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(sockets.request_path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to another group")
def test_gateway_group_may_enter_and_connect_but_not_list(run_dir):
    sockets = WorkerSockets(run_dir, "w1", gateway_gid=54321)
    sockets.open()
    sockets.new_metrics_listener().close()
    folder = sockets.request_path.parent.stat()
    modes = [
        (path.stat().st_gid, stat.S_IMODE(path.stat().st_mode))
        for path in (sockets.request_path, sockets.metrics_path)
    ]
    sockets.close()

    assert (folder.st_gid, stat.S_IMODE(folder.st_mode)) == (54321, 0o710)
    assert modes == [(54321, 0o660)] * 2


def test_same_request_socket_serves_the_next_instance(sockets):
    first = sockets.request_listener()

    assert sockets.request_listener() is first


def test_request_socket_that_an_instance_shut_down_is_made_new(sockets):
    inside = os.dup(sockets.request_listener().fileno())
    with socket.socket(fileno=inside) as descriptor_in_sandbox:
        descriptor_in_sandbox.shutdown(socket.SHUT_RDWR)
        with pytest.raises(ConnectionRefusedError):
            connect(sockets.request_path)

        renewed = sockets.request_listener()

        assert accepts_from(renewed, sockets.request_path)


def test_queue_that_an_instance_made_tiny_is_wide_again(sockets):
    sockets.request_listener().listen(0)

    listener = sockets.request_listener()

    clients = [connect(sockets.request_path) for _ in range(20)]
    assert listener is sockets.request_listener()
    for client in clients:
        client.close()


def test_each_instance_has_its_own_metrics_socket_at_the_same_path(sockets):
    with sockets.new_metrics_listener() as old, sockets.new_metrics_listener() as new:
        assert accepts_from(new, sockets.metrics_path)
        old.settimeout(0)
        with pytest.raises(BlockingIOError):
            old.accept()


def test_descriptor_tells_nothing_about_host_paths(sockets):
    assert str(sockets.request_path.parent.parent) not in sockets.request_listener().getsockname()


def test_closing_leaves_nothing_behind(sockets, run_dir):
    sockets.close()
    sockets.close()

    assert list(run_dir.iterdir()) == []
    assert not sockets.has_waiting_requests()
    with pytest.raises(SocketDirectoryUnusable, match="are closed"):
        sockets.new_metrics_listener()


def test_directory_left_by_a_dead_engine_is_used_again(run_dir):
    dead = WorkerSockets(run_dir, "w1")
    dead.open()
    dead._requests.close()

    successor = WorkerSockets(run_dir, "w1")
    successor.open()
    served = accepts_from(successor.request_listener(), successor.request_path)
    successor.close()

    assert served


def test_directory_open_to_others_is_refused(run_dir):
    (run_dir / "w1").mkdir(mode=0o700)
    (run_dir / "w1").chmod(0o777)

    with pytest.raises(SocketDirectoryUnusable, match="mode 0777"):
        WorkerSockets(run_dir, "w1").open()


def test_symbolic_link_in_place_of_the_directory_is_refused(run_dir):
    (run_dir / "elsewhere").mkdir()
    (run_dir / "w1").symlink_to(run_dir / "elsewhere")

    with pytest.raises(OSError, match="w1"):
        WorkerSockets(run_dir, "w1").open()


def test_path_that_no_unix_socket_can_have_is_refused_at_once():
    with pytest.raises(SocketPathTooLong, match="107 fit"):
        WorkerSockets(Path("/" + "x" * 100), "w1")
