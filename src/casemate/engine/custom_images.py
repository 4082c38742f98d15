"""`runtimeImageOverride` on this machine: which images may be used, and that one really is.

An image is never ignored and never replaced by another: it is named by digest, allowed by every
policy that speaks about its namespace, imported before, and passes the contract probe, or the
Function does not run.
"""

from __future__ import annotations

from casemate.api.function import Function
from casemate.api.function_policy import selects
from casemate.engine.objects import Objects
from casemate.errors import InvalidInput, NotFound
from casemate.node.image_interpreter import probe_image
from casemate.node.images import find_image
from casemate.node.root_view import Interpreter
from casemate.node.store import Store
from casemate.security.images import judge_image, parse_image_reference


class ImageNotAllowed(InvalidInput):
    """A policy, or the rule that images are pinned, refuses the image."""

    code = "ImageNotAllowed"


class ImageNotImported(NotFound):
    """The image is not on this machine."""

    code = "ImageNotImported"


class CustomImages:
    """Images of the store as interpreters; each is probed once per runtime."""

    def __init__(self, store: Store, objects: Objects) -> None:
        self._store = store
        self._objects = objects
        self._probed: dict[tuple[str, str], Interpreter] = {}

    def interpreter(self, function: Function, image: str) -> Interpreter:
        """Return the interpreter in an image that `require_allowed` let through; blocks.

        Raises ImageNotImported or ContractProbeFailed.
        """
        reference = parse_image_reference(image)
        if reference.digest is None:
            raise _unpinned(image)
        found = find_image(self._store, reference.digest)
        if found is None:
            raise ImageNotImported(
                f"image {reference} is not on this machine",
                hint="bring it: casemate image import FILE (an OCI layout or archive)",
            )
        key = (reference.digest, function.spec.runtime)
        if key not in self._probed:
            self._probed[key] = probe_image(found, function.spec.runtime)
        return self._probed[key]

    def require_allowed(self, function: Function, image: str) -> None:
        """Raise ImageNotAllowed unless the image is pinned and every policy lets it run."""
        if parse_image_reference(image).digest is None:
            raise _unpinned(image)
        labels = self._objects.namespace_labels(function.ref.namespace)
        for policy in self._objects.policies():
            rules = policy.spec.images
            if rules is None or rules.allowed_repositories is None:
                continue
            if not selects(policy.spec.namespaces, function.ref.namespace, labels):
                continue
            verdict = judge_image(image, rules.allowed_repositories)
            if not verdict.allowed:
                raise ImageNotAllowed(
                    f"policy {policy.metadata.name}: {verdict.detail or verdict.reason}",
                    hint="use an image of an allowed repository",
                )


def _unpinned(image: str) -> ImageNotAllowed:
    return ImageNotAllowed(f"image {image!r} has no digest", hint="pin it: repository@sha256:...")
