"""`python -m casemate.gateway`: how the engine starts the gateway process."""

from __future__ import annotations

import sys

from casemate.gateway.app import main

sys.exit(main(sys.argv[1:]))
