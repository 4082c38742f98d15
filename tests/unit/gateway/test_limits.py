from __future__ import annotations

import pytest

from casemate.gateway.limits import InvalidLimit, Limits


def test_limits_change_by_name() -> None:
    limits = Limits().changed(["head_seconds=0.5", "queue_slots=3"])

    assert (limits.head_seconds, limits.queue_slots) == (0.5, 3)
    assert limits.idle_seconds == Limits().idle_seconds


@pytest.mark.parametrize("setting", ["x=1", "head_seconds", "head_seconds=x", "queue_slots=1.5"])
def test_unknown_name_or_no_number_is_refused(setting: str) -> None:
    with pytest.raises(InvalidLimit):
        Limits().changed([setting])


@pytest.mark.parametrize("setting", ["head_seconds=0", "queue_slots=-1", "head_seconds=nan"])
def test_limit_cannot_be_switched_off(setting: str) -> None:
    with pytest.raises(InvalidLimit):
        Limits().changed([setting])
