"""What an API refuses has a class of its own."""

from __future__ import annotations

import pytest

from casemate.errors import Retry
from casemate.kube.errors import (
    Conflict,
    Exists,
    Expired,
    Missing,
    Refused,
    Unreachable,
    kube_error,
)


@pytest.mark.parametrize(
    ("status", "reason", "kind", "retry"),
    [
        (404, "NotFound", Missing, Retry.WHEN_CHANGED),
        (409, "Conflict", Conflict, Retry.BACKOFF),
        (409, "AlreadyExists", Exists, Retry.WHEN_CHANGED),
        (410, "Expired", Expired, Retry.BACKOFF),
        (422, "Invalid", Refused, Retry.WHEN_CHANGED),
        (403, "Forbidden", Refused, Retry.WHEN_CHANGED),
        (401, "Unauthorized", Refused, Retry.WHEN_CHANGED),
        (429, "TooManyRequests", Unreachable, Retry.BACKOFF),
        (500, "InternalError", Unreachable, Retry.BACKOFF),
        (504, "Timeout", Unreachable, Retry.BACKOFF),
    ],
)
def test_a_status_becomes_the_class_that_says_what_to_do(status, reason, kind, retry):
    error = kube_error(status, reason, "words")

    assert type(error) is kind
    assert (error.status, error.reason, error.message) == (status, reason, "words")
    assert error.retry is retry
