"""main(req, res) of nodejs26: Express' objects and the sdk module."""

from __future__ import annotations

import pytest

from support.node_runtime import start_node


def start(handler, **env):
    return start_node(handler, contract="request", **env)


@pytest.mark.parametrize(
    ("statement", "status", "body", "content_type"),
    [
        ("res.send('Hello')", 200, b"Hello", "text/html; charset=utf-8"),
        ("res.json({a: 1})", 200, b'{"a":1}', "application/json; charset=utf-8"),
        ("res.status(404).send('no')", 404, b"no", "text/html; charset=utf-8"),
        ("res.type('text/plain').send('x')", 200, b"x", "text/plain; charset=utf-8"),
        ("res.type('png').send(Buffer.from('p'))", 200, b"p", "image/png"),
        ("res.set('Content-Type', 'text/markdown').send('m')", 200, b"m", "text/markdown; cha"),
        ("res.sendStatus(202)", 202, b"Accepted", "text/plain; charset=utf-8"),
        ("res.send({b: 2})", 200, b'{"b":2}', "application/json; charset=utf-8"),
        ("res.send(Buffer.from('raw'))", 200, b"raw", "application/octet-stream"),
        ("res.status(204).send('dropped')", 204, b"", None),
        (
            "res.redirect('/there')",
            302,
            b"Found. Redirecting to /there",
            "text/plain; charset=utf-8",
        ),
        ("res.end('plain')", 200, b"plain", None),
        (
            "res.format({ json: () => res.json([1]) })",
            200,
            b"[1]",
            "application/json; charset=utf-8",
        ),
    ],
)
def test_the_response_has_express_methods(statement, status, body, content_type):
    with start(f"exports.main = (req, res) => {{ {statement}; }}") as runtime:
        reply = runtime.wait_ready().call(headers={"Accept": "*/*"})

    assert (reply.status, reply.body) == (status, body)
    if content_type is None:
        assert "content-type" not in reply.headers
    else:
        assert reply.headers["content-type"].startswith(content_type)


def test_no_etag_and_no_powered_by_unless_set():
    handler = "exports.main = (req, res) => { if (req.query.e) res.set('ETag', 'W/\"1\"'); res.send('x'); }"
    with start(handler) as runtime:
        runtime.wait_ready()
        plain = runtime.call()
        tagged = runtime.call(target="/?e=1")
        fresh = runtime.call(target="/?e=1", headers={"If-None-Match": 'W/"1"'})

    assert {"etag", "x-powered-by", "access-control-allow-origin"}.isdisjoint(plain.headers)
    assert tagged.headers["etag"] == 'W/"1"'
    assert (fresh.status, fresh.body) == (304, b"")


def test_the_return_value_is_ignored():
    with start("exports.main = (req, res) => { res.send('sent'); return 'returned'; }") as runtime:
        reply = runtime.wait_ready().call()

    assert reply.text == "sent"


def test_a_callback_may_answer_after_main_has_returned():
    handler = "exports.main = (req, res) => { setTimeout(() => res.json({late: true}), 30); }"
    with start(handler) as runtime:
        reply = runtime.wait_ready().call()

    assert reply.json() == {"late": True}


def test_the_body_is_an_empty_object_when_none_was_sent():
    with start(
        "exports.main = (req, res) => res.json({body: req.body, name: typeof req.body.name})"
    ) as runtime:
        reply = runtime.wait_ready().call()

    assert reply.json() == {"body": {}, "name": "undefined"}


@pytest.mark.parametrize(
    "body", ["throw new Error('secret')", "return Promise.reject(new Error('secret'))"]
)
def test_a_failing_handler_gives_a_problem(body):
    with start(f"exports.main = (req, res) => {{ {body}; }}") as runtime:
        reply = runtime.wait_ready().call()

    assert reply.status == 500
    assert b"secret" not in reply.body


SDK_USE = """
  main: async function (req, res) {
    const ce = sdk.getCloudEvent(req);
    res.json({ type: ce && ce.type, data: ce && ce.data, name: sdk.getFunctionName(),
      namespace: sdk.getNamespace(), runtime: sdk.getRuntime(), timeout: sdk.getTimeout(),
      limit: sdk.getBodySizeLimit(), span: typeof sdk.getTracer().startSpan('x').end });
  }"""


@pytest.mark.parametrize(
    "files",
    [
        pytest.param(
            {"handler.js": f"const sdk = require('sdk'); module.exports = {{{SDK_USE}}};"},
            id="require",
        ),
        pytest.param(
            {
                "handler.js": f"import * as sdk from 'sdk'; const o = {{{SDK_USE}}}; export const main = o.main;",
                "package.json": '{"type": "module"}',
            },
            id="import",
        ),
    ],
)
def test_the_sdk_describes_the_function_and_the_event(files):
    headers = {
        "ce-type": "order.created",
        "ce-source": "/shop",
        "ce-id": "1",
        "ce-specversion": "1.0",
        "Content-Type": "application/json",
    }
    with start(files, FUNC_TIMEOUT="9") as runtime:
        runtime.wait_ready()
        event = runtime.call("POST", "/", b'{"a": 1}', headers)
        plain = runtime.call("POST", "/", b'{"a": 1}', {"Content-Type": "application/json"})

    assert event.json() == {
        "type": "order.created",
        "data": {"a": 1},
        "name": "sample",
        "namespace": "default",
        "runtime": "nodejs26",
        "timeout": 9,
        "limit": 1,
        "span": "function",
    }
    assert plain.json()["type"] is None


def test_a_package_of_the_function_named_sdk_wins():
    files = {
        "handler.js": "exports.main = (req, res) => res.send(require('sdk').who)",
        "node_modules/sdk/package.json": '{"name": "sdk", "main": "index.js"}',
        "node_modules/sdk/index.js": "exports.who = 'theirs'",
    }
    with start(files) as runtime:
        reply = runtime.wait_ready().call()

    assert reply.text == "theirs"


@pytest.mark.parametrize(
    "env",
    [
        {"HANDLER_FUNC_NAME": "other", "HANDLER_MOD_NAME": "index"},
        {"FUNC_HANDLER": "other", "MOD_NAME": "index"},
    ],
)
def test_module_and_handler_names_may_be_chosen(env):
    with start({"index.js": "exports.other = (req, res) => res.send('chosen')"}, **env) as runtime:
        reply = runtime.wait_ready().call()

    assert reply.text == "chosen"


def test_every_name_of_express_is_reachable():
    handler = """
    const names = (object) => Object.getOwnPropertyNames(object);
    exports.main = (req, res) => {
      const missing = [];
      for (const name of names(require('express/lib/request'))) if (!(name in req)) missing.push(name);
      for (const name of names(require('express/lib/response'))) if (!(name in res)) missing.push(name);
      res.json(missing);
    }"""
    with start(handler) as runtime:
        reply = runtime.wait_ready().call()

    assert reply.json() == []


def test_what_kymas_images_carry_can_be_imported_undeclared():
    handler = """
    const names = ['express', 'axios', 'cloudevents', 'body-parser', 'morgan', 'mz', 'co',
      '@opentelemetry/api', '@opentelemetry/sdk-trace-node', '@opentelemetry/sdk-metrics',
      '@opentelemetry/exporter-trace-otlp-http', '@opentelemetry/exporter-prometheus'];
    names.forEach((name) => require(name));
    exports.main = (req, res) => res.json(names.length);"""
    with start(handler) as runtime:
        reply = runtime.wait_ready().call()

    assert reply.json() == 12
