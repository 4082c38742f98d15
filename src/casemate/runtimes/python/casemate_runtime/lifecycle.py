"""From the first byte of this process to its exit code.

Start: settings, log, handler, sockets, `ready`. End, in one of two ways: SIGTERM drains (accept no
more, finish what is in hand, exit 0); work that cannot be stopped retires (a successor is asked for
first, and the stuck thread dies with the process, exit 75). User code cannot catch
either: both end with `os._exit`, after the Function's own exit hooks had their moment.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import threading
import time

from casemate_runtime import logs
from casemate_runtime.application import FunctionApplication, MetricsApplication
from casemate_runtime.control import ControlChannel
from casemate_runtime.crew import STACK_BYTES, Crew, open_listener
from casemate_runtime.deadline import DeadlineKeeper
from casemate_runtime.invocation import EventLoop, ThreadLocalWatch
from casemate_runtime.loading import LoadFailure, load_handler
from casemate_runtime.metrics import CallMetrics
from casemate_runtime.settings import InvalidSetting, Settings
from casemate_runtime.tracing import Tracing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from casemate_runtime.call import Call
    from casemate_runtime.reply import Reply

EXIT_DRAINED = 0
EXIT_LOAD_FAILED = 65
EXIT_INTERNAL = 70
EXIT_RETIRED = 75

# Node and probes; callers never come here.
METRICS_BODY_BYTES = 4096
# Exit hooks of user code get this long, and no longer.
EXIT_HOOK_SECONDS = 2.0
POLL_SECONDS = 0.01
LAST_REQUEST_SECONDS = 0.25


class Lifecycle:
    """Serves until told to stop; remembers why it stopped."""

    def __init__(self, settings: Settings, control: ControlChannel) -> None:
        self._settings = settings
        self._control = control
        self._retiring = threading.Lock()
        # Written to by every signal, in whichever thread the kernel delivers it, and by `retire`.
        self._bell, self._bell_rope = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._bell_rope, False)
        self._draining = False
        self._retired = False
        self.keeper = DeadlineKeeper(settings.timeout_seconds, self.retire)

    def serve(self, application: FunctionApplication, metrics: CallMetrics) -> int:
        """Serve until drained or retired; return the exit code."""
        settings = self._settings
        crew = Crew(
            open_listener(settings.listen_fd, settings.port),
            application,
            thread_limit=settings.thread_limit,
            body_limit_bytes=settings.body_limit_bytes,
            name="casemate-crew",
        )
        metrics_crew = Crew(
            open_listener(settings.metrics_fd, settings.metrics_port),
            MetricsApplication(metrics),
            thread_limit=1,
            body_limit_bytes=METRICS_BODY_BYTES,
            name="casemate-metrics",
        )
        # After the import: user code may have set handlers of its own.
        signal.set_wakeup_fd(self._bell_rope, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._drain)
        signal.signal(signal.SIGINT, self._drain)
        metrics_crew.start()
        self.keeper.start()
        crew.start()
        self._control.send("ready")
        while not self._draining and not self._retired:
            os.read(self._bell, 1)
        crew.stop()
        self._finish(crew)
        return EXIT_RETIRED if self._retired else EXIT_DRAINED

    def _drain(self, *_: object) -> None:
        self._draining = True

    def retire(self, reason: str) -> None:
        """Ask for a successor, finish what still moves, and take the stuck work down."""
        with self._retiring:
            if self._retired:
                return
            self._retired = True
        self._control.send("retiring", reason=reason)
        os.write(self._bell_rope, b"r")

    def _finish(self, crew: Crew) -> None:
        """Wait for calls in flight; those that are stuck were taken off the list."""
        began = time.monotonic()
        while True:
            settings = self._settings
            seconds = settings.timeout_seconds + 1 if self._retired else settings.drain_seconds
            if time.monotonic() - began > seconds:
                return
            idle = not self.keeper.in_flight and not crew.busy()
            # A request may have been sent just before its connection learned that this ends.
            if idle and (crew.empty() or time.monotonic() - began > LAST_REQUEST_SECONDS):
                return
            time.sleep(POLL_SECONDS)


def run() -> None:
    """Run the server; returns only by ending the process."""
    # Until the handler is loaded there is nothing to finish. (As process 1 of a namespace the
    # default action would be to ignore the signal.)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(EXIT_DRAINED))
    code = EXIT_INTERNAL
    try:
        code = _run()
    except BaseException as error:  # noqa: BLE001  whatever it is, it ends here with a code
        logs.write_exception(error)
    _exit(code)


def _run() -> int:
    control = ControlChannel(None)
    try:
        settings = Settings(os.environ)
        control = ControlChannel(settings.control_fd)
        logs.configure(json_lines=settings.json_logs, function=settings.function_name)
        threading.stack_size(STACK_BYTES)
        watch = ThreadLocalWatch(settings.function_dir, settings.packages_dir)
        watch.install()
        tracing = Tracing(settings)
        invoke = _prepare_invoke(settings, tracing)
    except InvalidSetting as error:
        control = ControlChannel(_control_fd())
        return _load_failed(control, "InvalidSetting", str(error))
    except LoadFailure as error:
        return _load_failed(control, error.reason, error.message)
    metrics = CallMetrics()
    lifecycle = Lifecycle(settings, control)
    application = FunctionApplication(invoke, lifecycle.keeper, metrics, watch)
    # What the import made lives as long as the process: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    code = lifecycle.serve(application, metrics)
    tracing.flush()
    return code


def _prepare_invoke(settings: Settings, tracing: Tracing) -> Callable[[Call], Reply]:
    """Load the handler behind the surface that this runtime name promises."""
    loop = EventLoop()
    if settings.plain_handler:
        from casemate_runtime import plain, sdk  # noqa: PLC0415  one of the two surfaces is loaded

        # Before user code is imported: it says `import sdk`.
        sys.modules["sdk"] = sdk
        sdk.configure(settings, tracing)
        return plain.PlainInvocation(load_handler(settings), settings, loop, tracing)
    from casemate_runtime import legacy  # noqa: PLC0415

    return legacy.LegacyInvocation(load_handler(settings), settings, loop, tracing)


def _control_fd() -> int | None:
    text = os.environ.get("CASEMATE_CONTROL_FD", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _load_failed(control: ControlChannel, reason: str, message: str) -> int:
    logs.write_line(2, "error", f"the Function cannot be loaded: {message}")
    control.send("load_failed", reason=reason, message=message)
    return EXIT_LOAD_FAILED


def _exit(code: int) -> None:
    """End now: threads of user code, stuck or not, get no say in it."""
    if code == EXIT_DRAINED:
        hooks = threading.Thread(target=atexit._run_exitfuncs, daemon=True)  # noqa: SLF001
        hooks.start()
        hooks.join(EXIT_HOOK_SECONDS)
    os._exit(code)
