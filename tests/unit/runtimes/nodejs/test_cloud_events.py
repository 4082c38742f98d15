"""CloudEvents in three modes, received, emitted and answered."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from uuid import UUID

import pytest

from support.node_runtime import start_node

EVENT = """
exports.main = (event) => Object.fromEntries(
  Object.entries(event).filter(([key]) => key === 'data' || key.startsWith('ce-')));"""
BINARY = {
    "ce-type": "order.created.v1",
    "ce-source": "/shop",
    "ce-id": "7",
    "ce-specversion": "1.0",
    "ce-time": "2026-01-02T03:04:05Z",
    "ce-eventtypeversion": "v1",
    "ce-traceid": "extra",
    "Content-Type": "application/json",
}
STRUCTURED = {
    "type": "order.created.v1",
    "source": "/shop",
    "id": "7",
    "specversion": "1.0",
    "eventtypeversion": "v1",
    "datacontenttype": "application/json",
    "data": {"n": 1},
}


@pytest.fixture(scope="module")
def received():
    with start_node(EVENT) as runtime:
        yield runtime.wait_ready()


def test_binary_mode_gives_attributes_and_data(received):
    reply = received.call("POST", "/", b'{"n": 1}', BINARY)

    assert reply.json() == {
        "ce-type": "order.created.v1",
        "ce-source": "/shop",
        "ce-id": "7",
        "ce-specversion": "1.0",
        "ce-time": "2026-01-02T03:04:05.000Z",
        "ce-eventtypeversion": "v1",
        "ce-datacontenttype": "application/json",
        "ce-traceid": "extra",
        "data": {"n": 1},
    }


def test_structured_mode_gives_attributes_and_data(received):
    headers = {"Content-Type": "application/cloudevents+json; charset=utf-8"}

    reply = received.call("POST", "/", json.dumps(STRUCTURED), headers)

    event = reply.json()
    assert (event["ce-type"], event["ce-eventtypeversion"], event["data"]) == (
        "order.created.v1",
        "v1",
        {"n": 1},
    )


def test_what_the_sender_left_out_is_filled_in(received):
    headers = {"ce-type": "t", "ce-source": "/s", "Content-Type": "text/plain"}

    event = received.call("POST", "/", b"x", headers).json()

    assert UUID(event["ce-id"])
    assert event["ce-specversion"] == "1.0"
    assert event["ce-time"].endswith("Z")


def test_an_event_without_a_body_still_has_its_attributes(received):
    event = received.call("POST", "/", None, {**BINARY, "Content-Length": "0"}).json()

    assert event["ce-type"] == "order.created.v1"


def test_a_batch_gives_the_list_of_its_events(received):
    headers = {"Content-Type": "application/cloudevents-batch+json"}

    reply = received.call("POST", "/", json.dumps([STRUCTURED, STRUCTURED]), headers)

    assert [event["id"] for event in reply.json()["data"]] == ["7", "7"]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        pytest.param("application/cloudevents+json", '{"id": "1"}', id="no type and source"),
        pytest.param("application/cloudevents+json", "[]", id="not an object"),
        pytest.param("application/cloudevents+json", "{", id="not JSON"),
        pytest.param("application/cloudevents-batch+json", "{}", id="a batch that is no list"),
    ],
)
def test_a_broken_event_is_refused(received, content_type, body):
    reply = received.call("POST", "/", body, {"Content-Type": content_type})

    assert reply.status == 400


def test_the_event_is_also_an_object_of_the_library():
    handler = "exports.main = ({ ce }) => (ce ? `${ce.type} ${typeof ce.cloneWith}` : 'none')"
    with start_node(handler) as runtime:
        runtime.wait_ready()
        event = runtime.call("POST", "/", b"{}", BINARY)
        plain = runtime.call("POST", "/", b"{}", {"Content-Type": "application/json"})

    assert (event.text, plain.text) == ("order.created.v1 function", "none")


@contextmanager
def a_publisher(status=204):
    """An eventing publisher on loopback that keeps what it was sent."""
    sent = []

    class Publisher(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sent.append((dict(self.headers), json.loads(body)))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Publisher)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/publish", sent
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_emitted_event_reaches_the_publisher_in_structured_mode():
    handler = """
    exports.main = async (event) => {
      const more = { eventtypeversion: 'v1alpha2' };
      const answer = await event.emitCloudEvent('sent.v1', '/here', { n: 1 }, more);
      return { status: answer.status, more };
    }"""
    with (
        a_publisher() as (address, sent),
        start_node(handler, PUBLISHER_PROXY_ADDRESS=address) as runtime,
    ):
        reply = runtime.wait_ready().call()

    assert reply.json() == {"status": 204, "more": {"eventtypeversion": "v1alpha2"}}
    [(headers, event)] = sent
    assert headers["Content-Type"].startswith("application/cloudevents+json")
    assert UUID(event.pop("id"))
    assert event.pop("time")
    assert event == {
        "type": "sent.v1",
        "source": "/here",
        "specversion": "1.0",
        "datacontenttype": "application/json",
        "eventtypeversion": "v1alpha2",
        "data": {"n": 1},
    }


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("event.emitCloudEvent('t', '/s', 1)", "PUBLISHER_PROXY_ADDRESS is not set"),
        ("event.emitCloudEvent('t')", "source"),
    ],
)
def test_an_event_that_cannot_be_sent_rejects(statement, message):
    handler = f"exports.main = (event) => {statement}.catch((e) => e.message)"
    with start_node(handler) as runtime:
        reply = runtime.wait_ready().call()

    assert message in reply.text


def test_the_deprecated_helpers_still_work():
    handler = """
    exports.main = async (event) => {
      const answer = event.buildResponseCloudEvent('9', 'answer.v1', { ok: true });
      await event.publishCloudEvent(answer);
      return answer;
    }"""
    with (
        a_publisher() as (address, sent),
        start_node(handler, PUBLISHER_PROXY_ADDRESS=address) as runtime,
    ):
        reply = runtime.wait_ready().call("POST", "/", b"{}", BINARY)

    assert reply.json() == sent[0][1]
    assert reply.json()["source"] == "/shop"


CLOUD_EVENT = """
const { CloudEvent } = require('cloudevents');
const one = new CloudEvent({ type: 'a.v1', source: '/f', data: { n: 1 } });
"""


@pytest.mark.parametrize(
    ("expression", "content_type"),
    [
        ("one", "application/cloudevents+json"),
        ("[one, one]", "application/cloudevents-batch+json"),
    ],
)
def test_a_returned_event_keeps_its_content_type(expression, content_type):
    with start_node(f"{CLOUD_EVENT} exports.main = () => {expression}") as runtime:
        reply = runtime.wait_ready().call()

    assert reply.headers["content-type"] == content_type


def test_the_sdk_answers_with_a_binary_event():
    handler = f"{CLOUD_EVENT} exports.main = (req, res) => require('sdk').sendCloudEvent(res, one, 'binary')"
    with start_node(handler, contract="request") as runtime:
        reply = runtime.wait_ready().call()

    assert (reply.headers["ce-type"], reply.json()) == ("a.v1", {"n": 1})
