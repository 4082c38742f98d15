"""The server as a process: what it loads, what it opens, that every interpreter runs it."""

import http.client
import json
import subprocess

import pytest

from support.python_runtime import RUNTIME, base_layer, interpreters, newest, start_python

HELLO = "def main(event, context):\n    return 'hello'\n"


@pytest.mark.parametrize("version", interpreters())
def test_every_interpreter_serves_the_event_surface(version):
    with start_python(HELLO, version=version) as runtime:
        runtime.wait_ready()

        reply = runtime.call()

    assert (reply.status, reply.body) == (200, b"hello")


@pytest.mark.parametrize("version", interpreters())
def test_every_interpreter_serves_the_flask_surface(version):
    handler = "import flask\ndef main():\n    return flask.request.args.get('name')\n"
    with start_python(handler, runtime="python314", version=version) as runtime:
        runtime.wait_ready()

        reply = runtime.call(target="/x?name=Ada")

    assert (reply.status, reply.body) == (200, b"Ada")


@pytest.mark.parametrize("surface", ["legacy", "plain"])
def test_only_the_standard_library_and_httptools_are_loaded_at_start(surface):
    program = f"""
import sys
sys.path[:] = [{str(RUNTIME)!r}, *sys.path, {str(base_layer(newest(), "3.12"))!r}]
import casemate_runtime.lifecycle, casemate_runtime.{surface}, casemate_runtime.sdk
foreign = {{name.partition(".")[0] for name in sys.modules}} - set(sys.stdlib_module_names)
own = ("__", "cython_runtime", "_cython_")  # parts of httptools' extension module
print(sorted(name for name in foreign if not name.startswith(own)))
"""

    loaded = subprocess.run(
        [interpreters()[newest()], "-I", "-S", "-c", program],
        capture_output=True,
        text=True,
        check=True,
    )

    assert loaded.stdout.strip() == "['casemate_runtime', 'httptools']"


def test_heavy_modules_are_not_loaded_by_a_hello_world():
    handler = """
import sys
HEAVY = {"asyncio", "ssl", "bottle", "flask", "requests", "opentelemetry", "ctypes", "inspect",
         "prometheus_client", "logging", "dataclasses"}
def main(event, context):
    return sorted(HEAVY & set(sys.modules)) or "none"
"""
    with start_python(handler) as runtime:
        runtime.wait_ready()
        runtime.call()

        assert runtime.call().text == "none"


def test_warm_hello_world_has_less_than_20_megabytes_of_its_own():
    with start_python(HELLO) as runtime:
        runtime.wait_ready()
        for _ in range(20):
            runtime.call()

        memory = runtime.memory()

    assert memory["Private_Clean"] + memory["Private_Dirty"] < 20_000_000


def test_only_known_descriptors_are_open():
    handler = """
import os
def main(event, context):
    links = {}
    for fd in os.listdir("/proc/self/fd"):
        if os.path.lexists(f"/proc/self/fd/{fd}"):
            links[fd] = os.readlink(f"/proc/self/fd/{fd}").split(":")[0]
    return links
"""
    with start_python(handler) as runtime:
        runtime.wait_ready()

        opened = runtime.call().json()

    assert set("012345") <= set(opened)
    # Beside the sockets: the crews' polls and wake-ups, and the pipe that signals ring.
    rest = [kind for fd, kind in opened.items() if int(fd) > 5]
    assert {kind for kind in rest if not kind.startswith("/proc")} <= {
        "anon_inode",
        "socket",
        "pipe",
    }


def test_child_processes_inherit_no_socket():
    handler = """
import os, subprocess
def main(event, context):
    return subprocess.run(["ls", "-l", "/proc/self/fd"], close_fds=False, stdout=subprocess.PIPE
                          ).stdout
"""
    with start_python(handler) as runtime:
        runtime.wait_ready()

        listing = runtime.call().text

    assert "socket:" not in listing


def test_user_modules_do_not_replace_the_standard_library():
    files = dict.fromkeys(("json.py", "queue.py", "types.py"), "raise RuntimeError('loaded')")
    handler = "import json, queue, types\n" + HELLO
    with start_python(handler, files=files) as runtime:
        runtime.wait_ready()

        assert runtime.call().text == "hello"


def test_server_modules_are_not_offered_to_user_code():
    handler = """
def main(event, context):
    try:
        import server
    except ImportError:
        return "absent"
"""
    with start_python(handler) as runtime:
        runtime.wait_ready()

        assert runtime.call().text == "absent"


def test_without_descriptors_it_listens_on_tcp(free_ports):
    port, metrics_port = free_ports
    env = {"FUNC_PORT": str(port), "CASEMATE_METRICS_PORT": str(metrics_port)}
    env |= {"CASEMATE_LISTEN_FD": "", "CASEMATE_METRICS_FD": ""}
    with start_python(HELLO, env) as runtime:
        runtime.wait_ready()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)

        connection.request("GET", "/")
        body = connection.getresponse().read()
        connection.close()

    assert body == b"hello"


def test_user_packages_win_over_the_base_layer(tmp_path):
    (tmp_path / "bottle.py").write_text("MINE = True\n")
    handler = "import bottle\ndef main(event, context):\n    return str(bottle.MINE)\n"
    with start_python(handler, {"CASEMATE_PACKAGES_DIR": str(tmp_path)}) as runtime:
        runtime.wait_ready()

        assert runtime.call().text == "True"


@pytest.mark.parametrize(
    "module",
    [
        "bottle",
        "cloudevents.http",
        "requests",
        "prometheus_client",
        "opentelemetry.sdk.trace",
        "opentelemetry.exporter.otlp.proto.http.trace_exporter",
        "opentelemetry.propagators.b3",
        "setuptools",
        "httptools",
    ],
)
def test_base_layer_holds_what_the_image_carries(module):
    layer = base_layer(newest(), "3.12")
    program = f"import sys; sys.path.append({str(layer)!r}); import {module}; print('ok')"

    outcome = subprocess.run(
        [interpreters()[newest()], "-I", "-S", "-c", program],
        capture_output=True,
        text=True,
        check=False,
    )

    assert outcome.stdout.strip() == "ok", outcome.stderr


def test_metadata_in_the_context(tmp_path):
    handler = "def main(event, context):\n    return context\n"
    env = {"FUNC_MEMORY_LIMIT": "128Mi", "FUNC_TIMEOUT": "12", "REQ_MB_LIMIT": "1"}
    with start_python(handler, env) as runtime:
        runtime.wait_ready()

        context = json.loads(runtime.call().body)

    assert context == {
        "function-name": "sample",
        "namespace": "default",
        "timeout": 12.0,
        "runtime": "python312",
        "memory-limit": "128Mi",
        "body-size-limit": 1048576,
    }
