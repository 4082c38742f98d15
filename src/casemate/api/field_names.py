"""Which fields an object may have, found by walking the types along a location.

Serves the hint on an unknown field: what the manifest's author may have meant.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

from pydantic import BaseModel

if TYPE_CHECKING:
    from casemate.api.violations import Location


def fields_at(model: type[BaseModel], location: Location) -> frozenset[str]:
    """Return the wire names of the fields of the object at `location`; empty when unknown."""
    current: Any = model
    for part in location:
        current = _step(_plain(current), part)
    current = _plain(current)
    return frozenset(_wire_names(current)) if _is_model(current) else frozenset()


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _wire_names(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _plain(annotation: Any) -> Any:
    """Strip `| None` and Annotated."""
    while True:
        origin = get_origin(annotation)
        if origin in (Union, types.UnionType):
            annotation = next(arg for arg in get_args(annotation) if arg is not type(None))
        elif hasattr(annotation, "__metadata__"):
            annotation = annotation.__origin__
        else:
            return annotation


def _step(kind: Any, part: int | str) -> Any:
    if _is_model(kind):
        return _wire_names(kind).get(str(part))
    arguments = get_args(kind)
    if get_origin(kind) is tuple:
        return arguments[0]
    return arguments[1] if get_origin(kind) is dict else None
