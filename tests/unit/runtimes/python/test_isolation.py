"""Requests side by side: none sees, delays or breaks another."""

import http.client
import socket
import threading
import time

import pytest

from support.python_runtime import start_python

STATE = """
import contextvars, threading, time, os, sys
import asyncio
variable = contextvars.ContextVar("variable", default="unset")
base = contextvars.ContextVar("base")
base.set("from import")
{locals}
async def swap(value):
    before = variable.get()
    variable.set(value)
    await asyncio.sleep(0.05)
    return before + " " + variable.get()

def fork_and_return():
    if os.fork() == 0:
        return "child"
    os.wait()
    return "parent"

def main(event, context):
    return eval(event["data"].decode())
"""


@pytest.fixture(scope="module")
def shared():
    with start_python(STATE.format(locals="")) as runtime:
        yield runtime.wait_ready()


def together(*calls):
    results = [None] * len(calls)

    def run(index):
        results[index] = calls[index]()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_context_variables_do_not_leak_into_the_next_request(shared):
    connection = shared.connect()

    connection.call("POST", "/", b"variable.set('secret') and ''")
    after = connection.call("POST", "/", b"variable.get()")
    connection.close()

    assert after.text == "unset"


def test_context_variables_of_the_import_are_there(shared):
    assert shared.call("POST", body=b"base.get()").text == "from import"


def test_tasks_on_the_shared_loop_have_their_own_context(shared):
    replies = together(
        *(lambda n=n: shared.call("POST", body=b"swap('%d')" % n).text for n in range(8))
    )

    assert sorted(replies) == [f"unset {n}" for n in range(8)]


def test_thread_locals_of_the_function_do_not_leak_into_the_next_request():
    source = STATE.format(locals="local = threading.local()")
    with start_python(source) as runtime:
        runtime.wait_ready()
        connection = runtime.connect()

        connection.call("POST", "/", b"setattr(local, 'user', 'ada') or ''")
        after = connection.call("POST", "/", b"str(getattr(local, 'user', None))")
        connection.close()

    assert after.text == "None"


def test_thread_locals_of_the_standard_library_cost_no_thread_per_request(shared):
    connection = shared.connect()

    names = {
        connection.call("POST", "/", b"threading.current_thread().name").text for _ in range(5)
    }
    connection.close()

    assert names == {"casemate-crew"}


def test_slow_handlers_run_side_by_side(shared):
    began = time.monotonic()
    replies = together(
        *(lambda: shared.call("POST", body=b"time.sleep(0.3) or ''") for _ in range(20))
    )
    seconds = time.monotonic() - began

    assert [reply.status for reply in replies] == [200] * 20
    assert seconds < 1.5


def test_slow_handler_does_not_delay_a_fast_one(shared):
    slow = threading.Thread(target=lambda: shared.call("POST", body=b"time.sleep(0.5) or ''"))
    slow.start()
    time.sleep(0.1)

    began = time.monotonic()
    shared.call("POST", body=b"'fast'")
    seconds = time.monotonic() - began
    slow.join()

    assert seconds < 0.2


def test_busy_handler_does_not_stop_the_others(shared):
    code = b"[time.monotonic() < (u := globals().setdefault('end', time.monotonic() + 0.5))"
    busy = threading.Thread(
        target=lambda: shared.call("POST", body=code + b" for _ in range(3_000_000)] and ''")
    )
    busy.start()
    time.sleep(0.1)

    began = time.monotonic()
    shared.call("POST", body=b"'fast'")
    seconds = time.monotonic() - began
    busy.join()

    assert seconds < 0.3


def test_many_callers_of_a_computing_handler_get_their_turns_in_order():
    # Each of them keeps asking: whoever was accepted first must not be served for the tenth time
    # before the last one is served at all.
    handler = """
import time
count = 0
def main(event, context):
    global count
    end = time.thread_time() + 0.004
    while time.thread_time() < end:
        pass
    count += 1
    return str(count)
"""
    callers, rounds = 32, 12
    first: list[int] = []

    def ask(runtime):
        connection = runtime.connect()
        barrier.wait()
        answers = [int(connection.call("GET").body) for _ in range(rounds)]
        first.append(answers[0])
        connection.close()

    with start_python(handler) as runtime:
        runtime.wait_ready()
        barrier = threading.Barrier(callers)
        threads = [threading.Thread(target=ask, args=(runtime,)) for _ in range(callers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(first) == callers
    assert max(first) <= 4 * callers


def test_slow_reader_delays_nobody(shared):
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(shared.requests_path)
        code = b"b'x' * 20_000_000"
        stream.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(code), code)
        )
        time.sleep(0.2)

        began = time.monotonic()
        reply = shared.call("POST", body=b"'fast'")
        seconds = time.monotonic() - began

    assert reply.text == "fast"
    assert seconds < 0.5


def test_more_connections_than_threads_are_served(shared):
    streams = [socket.socket(socket.AF_UNIX) for _ in range(200)]
    for stream in streams:
        stream.connect(shared.requests_path)

    reply = shared.call("POST", body=b"'served'")
    for stream in streams:
        stream.close()

    assert reply.text == "served"


def test_more_slow_requests_than_threads_wait_their_turn():
    source = STATE.format(locals="")
    with start_python(source, {"CASEMATE_CONCURRENCY": "1"}) as runtime:
        runtime.wait_ready()

        replies = together(
            *(lambda: runtime.call("POST", body=b"time.sleep(0.2) or 'x'") for _ in range(100))
        )

    assert [reply.status for reply in replies] == [200] * 100


def test_forked_child_does_not_answer(shared):
    connection = shared.connect()

    first = connection.call("POST", "/", b"fork_and_return()")
    second = connection.call("POST", "/", b"'next'")
    connection.close()

    assert (first.text, second.text) == ("parent", "next")


ACCIDENTS = {
    "closes stdout": "sys.stdout.close()",
    "closes stderr": "sys.stderr.close()",
    "replaces stdout": "setattr(sys, 'stdout', None)",
    "prints bytes": "sys.stdout.buffer.write(b'\\xff\\n')",
    "clears the path": "sys.path.clear()",
    "clears modules": "[sys.modules.pop(n) for n in list(sys.modules) if n.startswith('http')]",
    "clears the environment": "os.environ.clear()",
    "raises the recursion limit": "sys.setrecursionlimit(100_000)",
    "changes the directory": "os.chdir('/')",
    "closes the control stream": "os.close(5)",
    "starts a thread that fails": "threading.Thread(target=lambda: 1 / 0).start()",
    "prints a lone surrogate": "print('\\ud800')",
    "deep recursion": "(f := lambda n: f(n + 1))(0)",
}


@pytest.mark.parametrize("code", ACCIDENTS.values(), ids=ACCIDENTS)
def test_accident_of_a_handler_leaves_the_server_whole(code):
    with start_python(STATE.format(locals="")) as runtime:
        runtime.wait_ready()

        first = runtime.call("POST", body=f"str({code})".encode())
        second = runtime.call("POST", body=b"'on'")

        assert first.status in {200, 500}
        assert second.text == "on"
        assert runtime.call(target="/healthz").status == 200


def test_handler_that_exits_takes_only_its_process(shared):
    with start_python(STATE.format(locals="")) as runtime:
        runtime.wait_ready()

        with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
            runtime.call("POST", body=b"os._exit(3)")

        assert runtime.wait_exit() == 3
