"""Which form of an answer a client gets."""

from __future__ import annotations

import pytest

from casemate.apiserver.negotiation import Form, negotiate
from casemate.apiserver.status_error import ApiError

KUBECTL_GET = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,"
    "application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Form.OBJECT),
        ("*/*", Form.OBJECT),
        ("application/json", Form.OBJECT),
        (KUBECTL_GET, Form.TABLE),
        ("application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", Form.OBJECT),
        ("application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", Form.PARTIAL),
        ("application/vnd.kubernetes.protobuf,application/json", Form.OBJECT),
        ("application/yaml", Form.YAML),
        ("application/json;q=0.1,application/yaml;q=0.9", Form.YAML),
    ],
)
def test_the_best_form_that_we_speak_is_taken(accept, form) -> None:
    assert negotiate(accept) is form


@pytest.mark.parametrize(
    "accept", ["application/vnd.kubernetes.protobuf", "text/html", "application/json;q=0"]
)
def test_a_client_that_takes_nothing_of_ours_hears_so(accept) -> None:
    with pytest.raises(ApiError) as caught:
        negotiate(accept)

    assert caught.value.status == 406
