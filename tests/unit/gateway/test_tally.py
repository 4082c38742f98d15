from __future__ import annotations

from casemate.gateway.tally import BUCKETS_SECONDS, Tally


def test_requests_are_counted_by_status_and_duration() -> None:
    tally = Tally()

    for seconds in (0.0005, 0.001, 0.3, 100.0):
        tally.count(200, seconds)
    tally.count(503, 0.3)

    assert tally.by_status == {200: 4, 503: 1}
    assert (tally.buckets[0], tally.buckets[-1], sum(tally.buckets)) == (2, 1, 5)
    assert tally.buckets[BUCKETS_SECONDS.index(0.5)] == 2
