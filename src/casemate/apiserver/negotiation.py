"""Which form of an answer a client takes: JSON, or a table of it; pure.

Protobuf and CBOR are not written here: a client that lists them also lists JSON, as kubectl does.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from casemate.apiserver.status_error import ApiError

_ANY = frozenset({"*/*", "application/*", "application/json"})


class Form(StrEnum):
    """How an object or list is written."""

    OBJECT = "object"
    TABLE = "table"
    PARTIAL = "partial"
    """PartialObjectMetadata: kind and metadata only."""
    YAML = "yaml"


_FORMS = {
    "Table": Form.TABLE,
    "PartialObjectMetadata": Form.PARTIAL,
    "PartialObjectMetadataList": Form.PARTIAL,
}


@dataclass(frozen=True, slots=True)
class _Offer:
    media: str
    parameters: dict[str, str]
    quality: float


def negotiate(accept: str) -> Form:
    """Return the best form that `accept` names. Raises ApiError 406 when there is none."""
    for offer in sorted(_offers(accept), key=lambda one: -one.quality):
        form = _form(offer)
        if form is not None:
            return form
    raise ApiError(
        406,
        "NotAcceptable",
        "only the following media types are accepted: application/json, application/yaml",
    )


def _form(offer: _Offer) -> Form | None:
    if offer.media == "application/yaml" and "as" not in offer.parameters:
        return Form.YAML
    if offer.media not in _ANY or offer.quality <= 0:
        return None
    wanted = offer.parameters.get("as")
    if wanted is None:
        return Form.OBJECT
    if offer.parameters.get("g") != "meta.k8s.io" or offer.parameters.get("v") != "v1":
        return None
    return _FORMS.get(wanted)


def _offers(accept: str) -> list[_Offer]:
    offers = []
    for part in (accept or "*/*").split(","):
        media, *given = [word.strip() for word in part.split(";")]
        parameters = dict(word.partition("=")[::2] for word in given)
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 0.0
        offers.append(_Offer(media.lower(), parameters, quality))
    return offers
