"""Log lines: attributed to the request, one JSON object each, nothing lost."""

from __future__ import annotations

import json
import threading

import pytest

from support.node_runtime import start_node


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_json_lines_carry_the_request_they_belong_to():
    handler = """
    console.log('loading');
    exports.main = async (event) => {
      const id = event.extensions.request.query.n;
      console.log('before', id);
      await new Promise((r) => setTimeout(r, 30));
      console.error('after %s', id, { id });
      return id;
    };"""
    with start_node(handler, CASEMATE_LOG_FORMAT="json") as runtime:
        runtime.wait_ready()
        threads = [
            threading.Thread(
                target=runtime.call,
                args=("GET", f"/?n={n}"),
                kwargs={"headers": {"X-Request-Id": f"r{n}"}},
            )
            for n in range(5)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        written = lines(runtime.stdout())
        errors = runtime.stderr()

    by_request = {line["request_id"]: [] for line in written}
    for line in written:
        assert set(line) == {"time", "level", "request_id", "function", "message"}
        assert line["function"] == "sample"
        by_request[line["request_id"]].append((line["level"], line["message"]))
    assert by_request.pop("") == [("info", "loading")]
    for n in range(5):
        assert by_request[f"r{n}"] == [
            ("info", f"before {n}"),
            ("error", f"after {n} {{ id: '{n}' }}"),
        ]
    assert errors == ""


@pytest.mark.parametrize(
    ("statement", "level", "message"),
    [
        ("console.debug('d')", "debug", "d"),
        ("console.info('i')", "info", "i"),
        ("console.warn('w', 1)", "warn", "w 1"),
        ("console.log('a\\nb')", "info", "a\nb"),
        ("console.log()", "info", ""),
        ("console.dir({ a: 1 })", "info", "{ a: 1 }"),
        ("console.group('g'); console.log('in'); console.groupEnd()", "info", "  in"),
        ("process.stdout.write('raw\\n')", "info", "raw"),
        ("process.stderr.write('raw')", "error", "raw"),
        ("require('console').log('same')", "info", "same"),
        ("console.table([{ a: 1 }])", "info", "┌─────────┬───┐"),
    ],
)
def test_every_way_to_print_becomes_a_line(statement, level, message):
    handler = f"exports.main = () => {{ {statement}; return 'x'; }}"
    with start_node(handler, CASEMATE_LOG_FORMAT="json") as runtime:
        runtime.wait_ready().call(headers={"X-Request-Id": "r1"})
        written = lines(runtime.wait_log("r1"))

    assert any(
        line["level"] == level
        and line["message"].startswith(message)
        and line["request_id"] == "r1"
        for line in written
    )


def test_plain_lines_stay_as_printed():
    handler = (
        "exports.main = () => { console.log('{\"own\": 1}'); console.error('bad'); return 'x'; }"
    )
    with start_node(handler) as runtime:
        runtime.wait_ready().call()
        out, err = runtime.stdout(), runtime.stderr()

    assert (out, err) == ('{"own": 1}\n', "bad\n")


def test_the_line_before_an_endless_loop_is_not_lost():
    handler = "exports.main = () => { console.log('one'); console.log('two'); for (;;); }"
    with start_node(handler, FUNC_TIMEOUT="0.2") as runtime:
        runtime.wait_ready().raw(b"GET / HTTP/1.1\r\nHost: f\r\n\r\n")
        runtime.wait_exit()

        assert runtime.stdout() == "one\ntwo\n"


def test_a_failure_is_logged_with_its_stack_and_cause_and_no_source():
    handler = """
    const secret = 'x';
    exports.main = () => { throw new Error('outer', { cause: new TypeError('inner') }); }"""
    with start_node(handler, CASEMATE_LOG_FORMAT="json") as runtime:
        runtime.wait_ready().call(headers={"X-Request-Id": "r1"})
        [line] = lines(runtime.wait_log("outer"))

    assert line["request_id"] == "r1"
    assert "handler.js:3" in line["message"]
    assert "caused by TypeError: inner" in line["message"]
    assert "const secret" not in line["message"]


def test_requests_are_logged_when_asked_for():
    with start_node("exports.main = () => 'abc'", KYMA_INTERNAL_LOGGER_ENABLED="true") as runtime:
        headers = {"User-Agent": "probe", "X-Forwarded-For": "203.0.113.9"}
        runtime.wait_ready().call("GET", "/p?q=1", headers=headers)
        log = runtime.wait_log("GET /p")

    assert log.startswith("203.0.113.9 - - [")
    assert '"GET /p?q=1 HTTP/1.1" 200' in log
    assert log.rstrip().endswith('"-" "probe"')
