"""A Function that cannot be served says why in one event, and exits 65."""

import pytest

from support.python_runtime import start_python

HELLO = "def main(event, context):\n    return 'hello'\n"

BROKEN = {
    "syntax": ("def main(:\n", {}, "SyntaxError", "handler.py:1: "),
    "missing import": (
        "import os\nimport no_such_module\n" + HELLO,
        {},
        "ImportError",
        "handler.py:2: cannot import 'no_such_module'",
    ),
    "error at import": (
        "key = 'sk-secret'\nraise ValueError(key)\n",
        {},
        "ImportFailed",
        "handler.py:2: ValueError was raised while the module was imported",
    ),
    "exit at import": (
        "import sys\nsys.exit(0)\n",
        {},
        "ImportFailed",
        "handler.py:2: SystemExit was raised while the module was imported",
    ),
    "no handler": ("x = 1\n", {}, "MissingHandler", "handler.py has no 'main'"),
    "handler is a value": ("main = 1\n", {}, "InvalidHandler", "'main' of handler.py cannot be"),
    "handler without arguments": (
        "def main():\n    return ''\n",
        {},
        "InvalidHandler",
        "'main' must take (event, context) in this runtime, it takes 0",
    ),
    "no module": (HELLO, {"MOD_NAME": "absent"}, "MissingModule", "there is no absent.py"),
    "module of Python": (HELLO, {"MOD_NAME": "json"}, "InvalidSetting", "module of Python itself"),
    "module as a path": (HELLO, {"MOD_NAME": "../x"}, "InvalidSetting", "is no module name"),
    "timeout as a word": (
        HELLO,
        {"FUNC_TIMEOUT": "soon"},
        "InvalidSetting",
        "FUNC_TIMEOUT must be",
    ),
    "timeout of nothing": (HELLO, {"FUNC_TIMEOUT": "0"}, "InvalidSetting", "a number above 0"),
    "null byte": ("x = 1\0\n", {}, "SyntaxError", "handler.py"),
    "not text": (b"\xff\xfe\x00", {}, "SyntaxError", "handler.py"),
}


@pytest.mark.parametrize(("source", "env", "reason", "message"), BROKEN.values(), ids=BROKEN)
def test_broken_function_is_reported_with_its_place(source, env, reason, message):
    with start_python(source, env) as runtime:
        event = runtime.wait_event("load_failed")

        assert event["reason"] == reason
        assert message in event["message"]
        assert "sk-secret" not in event["message"]
        assert runtime.wait_exit() == 65


def test_handler_with_arguments_is_refused_on_the_plain_surface():
    with start_python(HELLO, runtime="python314") as runtime:
        event = runtime.wait_event("load_failed")

        assert event["message"] == "'main' must take no arguments in this runtime, it takes 2"


def test_error_in_a_second_file_names_that_file():
    files = {"part.py": "\n\nimport absent_thing\n"}
    with start_python("import part\n" + HELLO, files=files) as runtime:
        event = runtime.wait_event("load_failed")

        assert event["message"] == "part.py:3: cannot import 'absent_thing'"


@pytest.mark.parametrize(
    "source",
    [
        "def main(event, context, *rest):\n    return 'hello'\n",
        "def main(event, context, more=None):\n    return 'hello'\n",
        "def main(*everything):\n    return 'hello'\n",
        "class H:\n    def __call__(self, e, c):\n        return 'hello'\nmain = H()\n",
        "class H:\n    def m(self, event, context):\n        return 'hello'\nmain = H().m\n",
        "import functools as f\ndef g(a, e, c):\n    return 'hello'\nmain = f.partial(g, 1)\n",
        "main = lambda event, context: 'hello'\n",
        "async def main(event, context):\n    return 'hello'\n",
    ],
)
def test_anything_that_can_be_called_with_event_and_context_is_a_handler(source):
    with start_python(source) as runtime:
        runtime.wait_ready()

        assert runtime.call().text == "hello"


def test_names_of_module_and_handler_are_settings():
    files = {"other.py": "def start(event, context):\n    return 'other'\n"}
    env = {"MOD_NAME": "other", "FUNC_HANDLER": "start"}
    with start_python("", env, files=files) as runtime:
        runtime.wait_ready()

        assert runtime.call().text == "other"


def test_module_in_a_package_is_loaded():
    files = {"pkg/__init__.py": "", "pkg/mod.py": "from . import near\nmain = near.main\n"}
    files["pkg/near.py"] = HELLO
    with start_python("", {"MOD_NAME": "pkg.mod"}, files=files) as runtime:
        runtime.wait_ready()

        assert runtime.call().text == "hello"


def test_traceback_in_the_log_holds_no_source_text():
    with start_python("password = 'hunter2'; 1 / 0\n") as runtime:
        runtime.wait_event("load_failed")
        runtime.wait_exit()

        assert "hunter2" not in runtime.log()
        assert "ZeroDivisionError: division by zero" in runtime.log()
