"""Entry of the Python runtimes: `python -I -S /opt/casemate/runtime/server.py`.

Only arranges where modules come from; everything else is in the package beside it. The order is
standard library, the Function, its packages, the base layer: a user's `queue.py` or `types.py` must
not replace the module that the server imports, and a declared package must win over the base layer.
"""

import os
import sys

RUNTIME_DIR = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  pathlib is 2 MB
FUNCTION_DIR = os.environ.get("CASEMATE_FUNCTION_DIR", "/app/function")
PACKAGES_DIR = os.environ.get("CASEMATE_PACKAGES_DIR", "/app/packages")
BASE_DIR = os.environ.get("CASEMATE_BASE_DIR", "/opt/casemate/packages")


def main() -> None:
    """Set the search path and hand over."""
    # The function folder is read-only in the sandbox, and would be littered anywhere else.
    sys.dont_write_bytecode = True
    # The script's own folder leads the path at start: it would offer `server` to user code.
    standard = [entry for entry in sys.path if entry and entry != RUNTIME_DIR]
    sys.path[:] = [RUNTIME_DIR, *standard, FUNCTION_DIR, PACKAGES_DIR, BASE_DIR]
    from casemate_runtime import lifecycle  # noqa: PLC0415  the path comes first

    sys.path.remove(RUNTIME_DIR)
    lifecycle.run()


if __name__ == "__main__":
    main()
