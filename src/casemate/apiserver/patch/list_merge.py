"""The order of a merged list: the applied one rules, and live items stay beside their neighbours.

Source: sigs.k8s.io/structured-merge-diff v6, typed/merge.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def merged_order(live: Sequence[str], applied: Sequence[str]) -> Iterator[tuple[str, int | None]]:
    """Yield each element once, with its place in `live` where only `live` has it, else None.

    An element that `live` repeats and `applied` lacks comes as often as it is there.
    """
    in_live, in_applied = set(live), set(applied)
    shared = iter([element for element in applied if element in in_live])
    awaited = next(shared, None)
    done: set[str] = set()
    left = right = 0
    while left < len(live) or right < len(applied):
        if left < len(live):
            element = live[left]
            if element not in in_applied:
                yield element, left
                left += 1
                continue
            both = right < len(applied)
            if both and element != applied[right] and awaited not in {None, element}:
                # Wanted at another place: it is yielded there.
                left += 1
                continue
            if element in done or (both and element == applied[right]):
                left += 1
        if right < len(applied):
            element = applied[right]
            yield element, None
            done.add(element)
            right += 1
            if element == awaited:
                awaited = next(shared, None)
