"""JSON merge patch, RFC 7386; pure. Null removes, an object goes on inside, all else replaces."""

from __future__ import annotations

import copy
from typing import Any

from casemate.apiserver.resource import Tree


def merge_patch(tree: Tree, patch: Tree) -> Tree:
    """Return `tree` changed by `patch`."""
    merged: Tree = _merged(copy.deepcopy(tree), patch)
    return merged


def _merged(found: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = found if isinstance(found, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result
