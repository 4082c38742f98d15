"""Imports the user's module and finds its handler, or says in one line why it cannot serve.

The reason goes to the node and from there into a condition: it names file and line, never source
text, and never the message of an exception that user code raised (it may hold a secret).
"""

from __future__ import annotations

import importlib
import os
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from types import FunctionType

from casemate_runtime import logs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, ModuleType, TracebackType

    from casemate_runtime.settings import Settings

VARARGS_FLAG = 0x04


class LoadFailure(Exception):
    """The Function cannot be served; `reason` is a word of a closed set."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def load_handler(settings: Settings) -> Callable[..., object]:
    """Import the Function's module and return its handler."""
    try:
        module = _import_module(settings.function_dir, settings.module_name)
    except LoadFailure:
        raise
    except SyntaxError as error:
        logs.write_exception(error)
        place = _place(settings, error.filename, error.lineno)
        raise LoadFailure("SyntaxError", f"{place}: {error.msg}") from error
    except ImportError as error:
        logs.write_exception(error)
        name = f" {error.name!r}" if error.name else ""
        place = _traceback_place(settings, error.__traceback__)
        raise LoadFailure("ImportError", f"{place}: cannot import{name}") from error
    except BaseException as error:
        # SystemExit and KeyboardInterrupt too: a module that exits on import serves nothing.
        logs.write_exception(error)
        place = _traceback_place(settings, error.__traceback__)
        message = f"{place}: {type(error).__name__} was raised while the module was imported"
        raise LoadFailure("ImportFailed", message) from error
    return _find_handler(settings, module)


def _import_module(folder: str, name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise LoadFailure("InvalidSetting", f"MOD_NAME {name!r} is no module name")
    if "." in name:
        return importlib.import_module(name)
    if name in sys.modules or name in sys.stdlib_module_names:
        raise LoadFailure("InvalidSetting", f"MOD_NAME {name!r} is a module of Python itself")
    spec = PathFinder.find_spec(name, [folder])
    if spec is None or spec.loader is None:
        raise LoadFailure("MissingModule", f"there is no {name}.py")
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _find_handler(settings: Settings, module: ModuleType) -> Callable[..., object]:
    name = settings.handler_name
    handler = getattr(module, name, None)
    if handler is None:
        raise LoadFailure("MissingHandler", f"{settings.module_name}.py has no {name!r}")
    if not callable(handler):
        message = f"{name!r} of {settings.module_name}.py cannot be called"
        raise LoadFailure("InvalidHandler", message)
    given = 0 if settings.plain_handler else 2
    # Only of plain functions is it certain what they take; the rest shows itself when called.
    if isinstance(handler, FunctionType) and not hasattr(handler, "__wrapped__"):
        _check_arguments(handler.__code__, len(handler.__defaults__ or ()), given, name)
    return handler  # type: ignore[no-any-return]


def _check_arguments(code: CodeType, defaults: int, given: int, name: str) -> None:
    takes_more = bool(code.co_flags & VARARGS_FLAG)
    needed = code.co_argcount - defaults
    if needed > given or (code.co_argcount < given and not takes_more):
        wanted = "(event, context)" if given else "no arguments"
        message = f"{name!r} must take {wanted} in this runtime, it takes {code.co_argcount}"
        raise LoadFailure("InvalidHandler", message)


def _traceback_place(settings: Settings, traceback: TracebackType | None) -> str:
    """Name the last place inside the Function's own files."""
    found = (None, None)
    while traceback is not None:
        path = traceback.tb_frame.f_code.co_filename
        if path.startswith(settings.function_dir):
            found = (path, traceback.tb_lineno)
        traceback = traceback.tb_next
    return _place(settings, *found)


def _place(settings: Settings, path: str | None, line: int | None) -> str:
    if path is None:
        return f"{settings.module_name}.py"
    if path.startswith(settings.function_dir):
        path = os.path.relpath(path, settings.function_dir)
    return f"{path}:{line}"
