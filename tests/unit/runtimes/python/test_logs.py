"""Lines on stdout, each attributed to its request; numbers on the other socket."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from support.python_runtime import start_python

HANDLER = """
import sys, time, asyncio, logging
async def later():
    print("one")
    await asyncio.sleep(0.05)
    print("two")
    return ""
def main(event, context):
    exec(event["data"].decode()) if event["data"] else None
    return "ok"
"""


@pytest.fixture
def text():
    with start_python(HANDLER) as runtime:
        yield runtime.wait_ready()


@pytest.fixture
def lines():
    with start_python(HANDLER, {"CASEMATE_LOG_FORMAT": "json"}) as runtime:
        yield runtime.wait_ready()


def call(runtime, code, request_id="r-1"):
    return runtime.call("POST", body=code.encode(), headers={"X-Request-Id": request_id})


def parsed(runtime):
    return [json.loads(line) for line in runtime.log().splitlines()]


def test_print_is_attributed_to_its_request(text):
    call(text, "print('hello', 'world')")

    assert text.wait_log("world") == "[r-1] hello world\n"


def test_json_lines_hold_time_level_request_and_function(lines):
    call(lines, "print('out'); print('err', file=sys.stderr)")

    out, err = parsed(lines)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", out.pop("time"))
    assert out == {"level": "info", "request_id": "r-1", "function": "sample", "message": "out"}
    assert (err["level"], err["message"]) == ("error", "err")


def test_parts_without_a_line_end_become_one_line(text):
    call(text, "print('a', end=''); print('b', end=''); sys.stdout.write('c')")

    assert text.wait_log("c") == "[r-1] abc\n"


def test_lines_of_requests_side_by_side_are_not_mixed(lines):
    code = "\nfor n in range(20):\n    print('part', end=' '); time.sleep(0.001); print(n)"
    threads = [
        threading.Thread(target=call, args=(lines, code, f"r-{number}")) for number in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    by_request = {}
    for line in parsed(lines):
        by_request.setdefault(line["request_id"], []).append(line["message"])
    assert by_request == {f"r-{m}": [f"part {n}" for n in range(20)] for m in range(6)}


def test_line_break_in_text_makes_no_line_of_another_request(text):
    call(text, r"print('a\r[other] forged')")

    assert text.wait_log("forged") == "[r-1] a\\r[other] forged\n"


def test_huge_line_is_cut(text):
    call(text, "print('x' * 40000)")
    text.wait_log("x")

    assert all(len(line) < 17000 for line in text.stdout().splitlines())
    assert text.stdout().count("x") == 40000


def test_async_handler_keeps_its_attribution():
    source = HANDLER.replace('return "ok"', "return later()")
    with start_python(source) as runtime:
        runtime.wait_ready()
        call(runtime, "")

        assert runtime.wait_log("two") == "[r-1] one\n[r-1] two\n"


def test_logging_module_writes_to_the_log(text):
    call(text, "logging.warning('careful')")

    assert "[r-1] WARNING:root:careful" in text.wait_log("careful")


@pytest.mark.parametrize("given", ["", "has space", "x" * 200, "a\tb", "é"])
def test_unusable_request_id_is_replaced(text, given):
    call(text, "print('line')", given)

    assert re.fullmatch(r"\[[0-9a-f]{16}\] line\n", text.wait_log("line"))


def test_log_of_an_error_holds_no_environment_and_no_body(lines):
    with start_python(HANDLER, {"SECRET_KEY": "hunter2"}) as runtime:
        runtime.wait_ready()
        call(runtime, "body_text = 'swordfish'; raise KeyError('k')")
        log = runtime.wait_log("KeyError: 'k'")

    assert "hunter2" not in log
    assert "swordfish" not in log


def test_causes_of_an_error_are_logged_first(text):
    call(
        text, "\ntry:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('v') from e"
    )
    log = text.wait_log("ValueError: v")

    assert log.index("ZeroDivisionError: division by zero") < log.index("ValueError: v")


def test_access_log_is_written_when_asked_for():
    with start_python(HANDLER, {"KYMA_INTERNAL_LOGGER_ENABLED": "true"}) as runtime:
        runtime.wait_ready()
        runtime.call("GET", "/path?secret=1")

        log = runtime.wait_log("/path")

    assert re.search(r'"GET /path" 200 \d+\.\dms', log)
    assert "secret" not in log


def test_calls_failures_and_durations_are_counted_by_method(text):
    call(text, "")
    call(text, "time.sleep(0.3)")
    call(text, "1 / 0")
    text.call("GET")

    numbers = text.metrics().text
    assert 'function_calls_total{method="POST"} 3.0' in numbers
    assert 'function_calls_total{method="GET"} 1.0' in numbers
    assert 'function_failures_total{method="POST"} 1.0' in numbers
    assert 'function_duration_seconds_bucket{le="0.25",method="POST"} 2.0' in numbers
    assert 'function_duration_seconds_bucket{le="+Inf",method="POST"} 3.0' in numbers
    assert 'function_duration_seconds_count{method="POST"} 3.0' in numbers
    assert "# TYPE function_duration_seconds histogram" in numbers


def test_probes_are_not_counted(text):
    text.call("GET", "/healthz")

    assert "function_calls_total{" not in text.metrics().text


def test_metrics_of_user_code_are_given_too_and_no_name_twice():
    handler = """
import prometheus_client
orders = prometheus_client.Counter("orders", "Orders")
def main(event, context):
    orders.inc()
"""
    with start_python(handler) as runtime:
        runtime.wait_ready()
        runtime.call()

        numbers = runtime.metrics().text

    assert "orders_total 1.0" in numbers
    types = re.findall(r"^# TYPE (\S+)", numbers, re.MULTILINE)
    assert len(types) == len(set(types))


def test_spans_are_exported_to_the_collector_without_delaying_the_answer():
    paths = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            paths.append((self.path, self.headers["Content-Type"]))
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    handler = """
def main(event, context):
    with event.tracer.start_as_current_span("work"):
        return "traced"
"""
    endpoint = f"http://127.0.0.1:{server.server_port}/v1/traces"
    with start_python(handler, {"TRACE_COLLECTOR_ENDPOINT": endpoint}) as runtime:
        runtime.wait_ready()
        runtime.call()
        runtime.signal()
        runtime.wait_exit()
    server.shutdown()
    thread.join()
    server.server_close()

    assert paths == [("/v1/traces", "application/x-protobuf")]
