"""Why a Function cannot be rendered: always a reason, never a Pod that leaves something out."""

from __future__ import annotations

from casemate.errors import InvalidInput


class Unrenderable(InvalidInput):
    """The manifest asks for something that the renderer may not or cannot write."""

    code = "Unrenderable"
