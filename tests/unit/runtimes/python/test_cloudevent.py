"""CloudEvents in (binary, structured, batch) and out."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from support.python_runtime import start_python

HANDLER = """
import json
def main(event, context):
    if event["data"] == b"unset":
        return event["ce-type"]
    seen = {key: value for key, value in event.items() if key != "extensions"}
    if isinstance(seen["data"], bytes):
        seen["data"] = "bytes:" + seen["data"].decode()
    return json.dumps(seen)
"""


@pytest.fixture(scope="module")
def receiver():
    with start_python(HANDLER) as runtime:
        yield runtime.wait_ready()


def test_binary_event_gives_attributes_and_parsed_data(receiver):
    headers = {
        "ce-specversion": "1.0",
        "ce-type": "order.paid.v1",
        "ce-source": "/shop%20one",
        "ce-id": "7",
        "ce-time": "2024-01-02T03:04:05Z",
        "ce-eventtypeversion": "v1",
        "ce-subject": "s",
        "Content-Type": "application/json",
    }

    seen = receiver.call("POST", body=b'{"a": 1}', headers=headers).json()

    assert seen == {
        "data": {"a": 1},
        "ce-type": "order.paid.v1",
        "ce-source": "/shop one",
        "ce-id": "7",
        "ce-time": "2024-01-02T03:04:05Z",
        "ce-specversion": "1.0",
        "ce-eventtypeversion": "v1",
        "ce-subject": "s",
        "ce-datacontenttype": "application/json",
    }


def test_binary_event_with_other_data_keeps_bytes(receiver):
    headers = {"ce-type": "t", "ce-source": "s", "Content-Type": "text/plain"}

    seen = receiver.call("POST", body=b"words", headers=headers).json()

    assert seen["data"] == "bytes:words"
    assert seen["ce-specversion"] == "1.0"
    assert len(seen["ce-id"]) == 32
    assert seen["ce-time"].endswith("Z")


def test_structured_event_gives_attributes_and_data(receiver):
    event = {"specversion": "1.0", "type": "t", "source": "s", "id": "1", "data": {"a": [1]}}

    seen = receiver.call(
        "POST",
        body=json.dumps(event).encode(),
        headers={"Content-Type": "application/cloudevents+json; charset=utf-8"},
    ).json()

    assert (seen["ce-type"], seen["ce-id"], seen["data"]) == ("t", "1", {"a": [1]})


def test_structured_event_with_base64_data_gives_bytes(receiver):
    event = {"specversion": "1.0", "type": "t", "source": "s", "id": "1", "data_base64": "aGk="}

    seen = receiver.call(
        "POST",
        body=json.dumps(event).encode(),
        headers={"Content-Type": "application/cloudevents+json"},
    ).json()

    assert seen["data"] == "bytes:hi"


def test_batch_gives_the_list_of_its_events(receiver):
    events = [{"specversion": "1.0", "type": "t", "source": "s", "id": str(n)} for n in range(3)]

    seen = receiver.call(
        "POST",
        body=json.dumps(events).encode(),
        headers={"Content-Type": "application/cloudevents-batch+json"},
    ).json()

    assert seen == {"data": events}


BROKEN = {
    "no JSON": (b"{", "application/cloudevents+json"),
    "a list": (b"[]", "application/cloudevents+json"),
    "no type": (b'{"source": "s"}', "application/cloudevents+json"),
    "no source": (b'{"type": "t"}', "application/cloudevents+json"),
    "bad base64": (
        b'{"type": "t", "source": "s", "data_base64": "%"}',
        "application/cloudevents+json",
    ),
    "base64 of a number": (
        b'{"type": "t", "source": "s", "data_base64": 1}',
        "application/cloudevents+json",
    ),
    "batch that is none": (b"{}", "application/cloudevents-batch+json"),
}


@pytest.mark.parametrize(("body", "kind"), BROKEN.values(), ids=BROKEN)
def test_broken_event_is_the_callers_mistake(receiver, body, kind):
    assert receiver.call("POST", body=body, headers={"Content-Type": kind}).status == 400


def test_attribute_of_an_ordinary_request_is_absent(receiver):
    assert receiver.call("POST", body=b"unset").status == 500


@contextmanager
def a_publisher(status=204):
    """A local server that keeps what is published."""
    received = []

    class Publisher(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((dict(self.headers), json.loads(body)))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Publisher)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/publish", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


LEGACY_EMIT = """
def main(event, context):
    event.emitCloudEvent("order.paid.v1", "shop", {"order": 1}, {"eventtypeversion": "v1"})
"""
PLAIN_EMIT = """
import sdk
def main():
    sdk.emit_cloud_event("order.paid.v1", "shop", {"order": 1}, {"eventtypeversion": "v1"})
    return ""
"""


@pytest.mark.parametrize(
    ("runtime_name", "handler"), [("python312", LEGACY_EMIT), ("python314", PLAIN_EMIT)]
)
def test_emitted_event_is_structured_and_complete(runtime_name, handler):
    with (
        a_publisher() as (address, received),
        start_python(
            handler, {"PUBLISHER_PROXY_ADDRESS": address}, runtime=runtime_name
        ) as runtime,
    ):
        runtime.wait_ready()

        status = runtime.call("POST").status

    headers, event = received[0]
    assert status == 200
    assert headers["Content-Type"] == "application/cloudevents+json"
    assert len(event.pop("id")) == 32
    assert event.pop("time").endswith("Z")
    assert event == {
        "specversion": "1.0",
        "type": "order.paid.v1",
        "source": "shop",
        "eventtypeversion": "v1",
        "datacontenttype": "application/json",
        "data": {"order": 1},
    }


def test_event_that_the_publisher_refuses_is_an_error():
    with (
        a_publisher(500) as (address, _),
        start_python(LEGACY_EMIT, {"PUBLISHER_PROXY_ADDRESS": address}) as runtime,
    ):
        runtime.wait_ready()

        assert runtime.call("POST").status == 500
        runtime.wait_log("PublishError: the publisher answered 500")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("'', 's', 1", "attribute type must be text and not empty"),
        ("'t', None, 1", "attribute source must be text"),
        ("'t', 's', 1, {'Bad-Name': '1'}", "attribute name 'Bad-Name'"),
        ("'t', 's', 1, {'id': ''}", "attribute id must be text"),
        ("'t', 's', 1, {'more': []}", "attribute more must be text"),
    ],
)
def test_event_that_breaks_the_specification_is_not_sent(arguments, message):
    handler = f"def main(event, context):\n    event.emitCloudEvent({arguments})\n"
    with start_python(handler, {"PUBLISHER_PROXY_ADDRESS": "http://127.0.0.1:9"}) as runtime:
        runtime.wait_ready()

        assert runtime.call("POST").status == 500
        runtime.wait_log(message)


TRACE = {
    "w3c": {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
    "b3 single": {"b3": "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1"},
    "b3 multi": {
        "x-b3-traceid": "463ac35c9f6413ad48485a3953bb6124",
        "x-b3-spanid": "0020000000000001",
        "x-b3-sampled": "1",
    },
}


@pytest.mark.parametrize("headers", TRACE.values(), ids=TRACE)
def test_trace_headers_are_handed_on_without_a_collector(headers):
    with (
        a_publisher() as (address, received),
        start_python(LEGACY_EMIT, {"PUBLISHER_PROXY_ADDRESS": address}) as runtime,
    ):
        runtime.wait_ready()
        # The second call: what is handed on belongs to the request, not to the process.
        runtime.call("POST")
        runtime.call("POST", headers=headers)

    names = {name.lower(): value for name, value in received[1][0].items()}
    assert {name: names.get(name) for name in headers} == headers
    assert not {name.lower() for name in received[0][0]} & set(TRACE["b3 multi"])


@pytest.mark.parametrize("headers", TRACE.values(), ids=TRACE)
def test_tracer_continues_the_callers_trace(headers):
    handler = """
def main(event, context):
    with event.tracer.start_as_current_span("inner") as span:
        event.emitCloudEvent("t", "s", None)
        return format(span.get_span_context().trace_id, "032x")
"""
    with (
        a_publisher() as (address, received),
        start_python(handler, {"PUBLISHER_PROXY_ADDRESS": address}) as runtime,
    ):
        runtime.wait_ready()

        trace_id = runtime.call("POST", headers=headers).text

    assert trace_id in next(iter(headers.values())) or trace_id in headers.get("x-b3-traceid", "")
    sent = {name.lower(): value for name, value in received[0][0].items()}
    assert sent["traceparent"].split("-")[1] == trace_id
    assert sent["x-b3-traceid"] == trace_id
