"""A module that cannot be used: one event, exit 65, and nothing of the source in either."""

from __future__ import annotations

import pytest

from support.node_runtime import start_node

SECRET = "hunter2secret"


@pytest.mark.parametrize(
    ("files", "reason", "message"),
    [
        pytest.param(
            {"handler.js": f"const a = 1;\nconst b = {SECRET} {SECRET};\n"},
            "SyntaxError", "the source is not valid JavaScript (handler.js:2)", id="syntax",
        ),
        pytest.param(
            {"handler.mjs": f"export const main = () => 1;\nlet {SECRET} {SECRET};\n"},
            "SyntaxError", "the source is not valid JavaScript (handler.mjs:2)", id="syntax in ESM",
        ),
        pytest.param(
            {"handler.js": "\nrequire('left-pad-not-there');"},
            "ImportError", "cannot load left-pad-not-there (handler.js:2)", id="missing package",
        ),
        pytest.param(
            {"handler.mjs": "import x from 'left-pad-not-there';"},
            "ImportError", "cannot load left-pad-not-there", id="missing package in ESM",
        ),
        pytest.param(
            {"handler.js": "require('./lib/gone')"},
            "ImportError", "cannot load ./lib/gone (handler.js:1)", id="missing file",
        ),
        pytest.param(
            {"handler.js": f"throw new RangeError('{SECRET}')"},
            "RangeError", "loading the source failed with RangeError (handler.js:1)", id="throws",
        ),
        pytest.param(
            {"handler.js": "exports.mian = () => 1"},
            "MissingHandler", "handler.js does not export a function main", id="misspelt",
        ),
        pytest.param(
            {"other.js": ""}, "MissingHandler", "the source has no file handler.js", id="no file",
        ),
        pytest.param(
            {"handler.js": "process.exit(3)"},
            "ProcessExit", "loading the source failed with ProcessExit (handler.js:1)", id="exits",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_file_and_line(files, reason, message):
    with start_node(files) as runtime:
        event = runtime.wait_event("load_failed")
        code = runtime.wait_exit()
        log = runtime.log()

    assert event == {"event": "load_failed", "reason": reason, "message": message}
    assert code == 65
    assert SECRET not in event["message"]
    if reason == "SyntaxError":
        assert f"{SECRET} {SECRET}" not in log


def test_a_module_that_never_finishes_loading_is_given_up():
    files = {"handler.mjs": "await new Promise(() => {}); export const main = 1;"}
    with start_node(files, CASEMATE_LOAD_SECONDS="0.2") as runtime:
        event = runtime.wait_event("load_failed")

        assert runtime.wait_exit() == 65

    assert event["reason"] == "LoadTimeout"


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"FUNC_TIMEOUT": "soon"}, "FUNC_TIMEOUT is not a positive number"),
        ({"REQ_MB_LIMIT": "-1"}, "REQ_MB_LIMIT is not a positive number"),
        ({"FUNC_RUNTIME": "python312"}, "FUNC_RUNTIME is not a Node runtime"),
        ({"CASEMATE_METRICS_FD": "1"}, "CASEMATE_METRICS_FD is not a descriptor above 2"),
    ],
)
def test_an_unreadable_setting_stops_the_start(env, message):
    with start_node("exports.main = () => 1", **env) as runtime:
        event = runtime.wait_event("load_failed")

        assert runtime.wait_exit() == 65

    assert (event["reason"], event["message"]) == ("InvalidSetting", message)


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"handler.js": "module.exports = { main: () => 'ok' }"}, id="CommonJS"),
        pytest.param({"handler.js": "exports.main = () => 'ok'"}, id="exports"),
        pytest.param({"handler.js": "const o = { main: () => 'ok' }; module.exports = o"}, id="object"),
        pytest.param(
            {"handler.js": "export const main = () => 'ok'", "package.json": '{"type":"module"}'}, id="module",
        ),
        pytest.param({"handler.js": "import 'node:fs'; export const main = () => 'ok'"}, id="detected"),
        pytest.param({"handler.js": "export default { main: () => 'ok' }"}, id="default export"),
        pytest.param({"handler.mjs": "await 0; export async function main() { return 'ok' }"}, id="mjs"),
        pytest.param(
            {"handler.js": "exports.main = () => require('./lib/a.js')", "lib/a.js": "module.exports = 'ok'"},
            id="own files",
        ),
        pytest.param(
            {"handler.js": "exports.main = () => require('fs').readFileSync('a.txt', 'utf8')", "a.txt": "ok"},
            id="own data, from the working directory",
        ),
    ],
)  # fmt: skip
def test_every_usual_way_to_export_a_handler_works(files):
    with start_node(files) as runtime:
        assert runtime.wait_ready().call().text == "ok"


def test_connections_made_before_the_start_are_served():
    files = {
        "handler.mjs": "await new Promise((r) => setTimeout(r, 200)); export const main = () => 'x';"
    }
    with start_node(files) as runtime:
        reply = runtime.call()

    assert reply.text == "x"
