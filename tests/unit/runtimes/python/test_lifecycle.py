"""Start, drain, exit: no request that was taken is lost."""

import os
import signal
import socket
import threading
import time

from support.python_runtime import start_python

SLOW = """
import time
def main(event, context):
    time.sleep(float(event["data"] or 0))
    return "done"
"""


def test_drain_finishes_what_is_in_hand_and_exits_0():
    with start_python(SLOW) as runtime:
        runtime.wait_ready()
        replies = []
        caller = threading.Thread(target=lambda: replies.append(runtime.call("POST", body=b"0.6")))
        caller.start()
        time.sleep(0.2)

        runtime.signal(signal.SIGTERM)
        caller.join()

        assert (replies[0].status, replies[0].body) == (200, b"done")
        assert replies[0].headers["connection"] == "close"
        assert runtime.wait_exit(3) == 0


def test_drain_is_bounded():
    with start_python(SLOW, {"FUNC_DRAIN_SECONDS": "0.4"}) as runtime:
        runtime.wait_ready()
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect(runtime.requests_path)
            stream.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n60")
            time.sleep(0.2)

            runtime.signal(signal.SIGTERM)

            assert runtime.wait_exit(3) == 0


def test_idle_connections_do_not_hold_up_the_drain():
    with start_python(SLOW) as runtime:
        runtime.wait_ready()
        connection = runtime.connect()
        connection.call("GET", "/")

        runtime.signal(signal.SIGTERM)
        code = runtime.wait_exit(2)
        connection.close()

        assert code == 0


def test_connections_that_queue_during_the_drain_are_left_to_the_successor():
    with start_python(SLOW) as runtime:
        runtime.wait_ready()
        with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as late:
            busy.connect(runtime.requests_path)
            busy.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n0.7")
            time.sleep(0.2)
            runtime.signal(signal.SIGTERM)
            time.sleep(0.1)

            late.connect(runtime.requests_path)
            late.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            late.settimeout(0.2)

            try:
                answer = late.recv(1)
            except TimeoutError:
                answer = b""
            assert answer == b""


def test_request_sent_as_the_drain_begins_is_not_lost():
    with start_python(SLOW) as runtime:
        runtime.wait_ready()
        connection = runtime.connect()
        connection.call("GET", "/")
        os.kill(runtime.pid, signal.SIGSTOP)
        connection.request("GET", "/", headers={})
        runtime.signal(signal.SIGTERM)
        os.kill(runtime.pid, signal.SIGCONT)

        status = connection.getresponse().status
        connection.close()

        assert status == 200
        assert runtime.wait_exit(3) == 0


def test_signal_during_a_slow_import_ends_the_process():
    with start_python("import time\ntime.sleep(30)\n") as runtime:
        time.sleep(0.4)

        runtime.signal(signal.SIGTERM)

        assert runtime.wait_exit(2) == 0


def test_user_signal_handlers_do_not_replace_the_drain():
    handler = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SLOW
    with start_python(handler) as runtime:
        runtime.wait_ready()

        runtime.signal(signal.SIGTERM)

        assert runtime.wait_exit(2) == 0


def test_other_signals_do_not_end_the_server():
    handler = "import signal\nsignal.signal(signal.SIGUSR1, lambda *_: None)\n" + SLOW
    with start_python(handler) as runtime:
        runtime.wait_ready()

        runtime.signal(signal.SIGUSR1)

        assert runtime.call().status == 200
        assert runtime.alive


def test_exit_hooks_of_user_code_run_and_are_bounded():
    handler = """
import atexit, time
atexit.register(lambda: time.sleep(30))
atexit.register(lambda: print("hook ran"))
def main(event, context):
    return ""
"""
    with start_python(handler) as runtime:
        runtime.wait_ready()
        runtime.signal(signal.SIGTERM)

        assert runtime.wait_exit(4) == 0
        assert "hook ran" in runtime.stdout()


def test_health_is_answered_on_both_sockets_and_metrics_only_on_one():
    with start_python("def main(event, context):\n    return 'handler'\n") as runtime:
        runtime.wait_ready()

        assert runtime.call(target="/healthz").text == "OK"
        assert runtime.metrics("/healthz").text == "OK"
        assert runtime.call(target="/metrics").text == "handler"
        assert runtime.metrics("/metrics").status == 200
        assert runtime.metrics("/other").status == 404
        assert runtime.call(target="/favicon.ico").status == 204


def test_connections_made_before_the_start_are_served():
    with start_python("import time\ntime.sleep(0.5)\n" + SLOW) as runtime:
        reply = runtime.call()

        assert reply.status == 200


def test_gone_node_does_not_disturb_requests():
    with start_python(SLOW) as runtime:
        runtime.wait_ready()
        runtime.control.close()

        assert runtime.call().status == 200
