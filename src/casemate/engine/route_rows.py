"""The gateway's rows of all Functions; a row is written anew only when what it says may differ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from casemate.api.function import Function
from casemate.api.meta import FunctionRef
from casemate.controller.observation import Configured, Observed
from casemate.controller.reconciler import Reconciler
from casemate.engine.function_runner import FunctionRunner
from casemate.engine.objects import Objects
from casemate.engine.routes import route_row

_Row = dict[str, Any]
# The objects themselves and not their ids: an id may belong to another object later.
_Given = tuple[Function, Configured | None, Observed, tuple[str, ...]]


class RouteRows:
    """Call it for the rows as of now."""

    def __init__(
        self,
        objects: Objects,
        runner: FunctionRunner,
        reconciler: Reconciler,
        issuer: Callable[[], str],
    ) -> None:
        self._objects = objects
        self._runner = runner
        self._reconciler = reconciler
        self._issuer = issuer
        self._known: dict[FunctionRef, tuple[_Given, _Row]] = {}

    def __call__(self) -> list[_Row]:
        """Return the row of every Function of which a readable manifest is known."""
        issuer, known, self._known = self._issuer(), self._known, {}
        for ref in self._objects.refs():
            # A manifest that can be read counts at once, also while its revision cannot be made:
            # who takes a grant away does not wait for a build.
            function = self._objects.function(ref) or self._reconciler.accepted(ref)
            if function is None:
                continue
            given: _Given = (
                function,
                self._reconciler.configured(ref),
                self._runner.observe(ref),
                self._runner.sockets(ref),
            )
            before = known.get(ref)
            if before is not None and _is_same(before[0], given):
                self._known[ref] = before
            else:
                self._known[ref] = (given, _row(given, issuer))
        return [row for _, row in self._known.values()]


def _is_same(before: _Given, given: _Given) -> bool:
    same_objects = before[0] is given[0] and before[1] is given[1]
    return same_objects and before[2:] == given[2:]


def _row(given: _Given, issuer: str) -> _Row:
    function, configured, observed, sockets = given
    return route_row(function, issuer, observed=observed, configured=configured, sockets=sockets)
