"""Words that arrive together at the launcher."""

from __future__ import annotations

import os
import selectors

from casemate.node.launcher import hear_ready


def test_a_word_of_a_sandbox_that_was_buried_in_the_same_moment_is_not_read():
    heard = []
    (first, first_end), (second, second_end) = os.pipe(), os.pipe()
    with selectors.DefaultSelector() as selector:

        def bury(own, other):
            heard.append(own)
            for descriptor in (own, other):
                selector.unregister(descriptor)
                os.close(descriptor)

        selector.register(first, selectors.EVENT_READ, lambda: bury(first, second))
        selector.register(second, selectors.EVENT_READ, lambda: bury(second, first))
        for end in (first_end, second_end):
            os.close(end)
        ready = selector.select(1)
        assert len(ready) == 2

        hear_ready(selector, ready)

    assert len(heard) == 1


def test_a_number_that_belongs_to_another_file_by_now_is_not_heard_in_its_place():
    heard = []
    (first, first_end), (second, second_end) = os.pipe(), os.pipe()
    with selectors.DefaultSelector() as selector:

        def reuse():
            heard.append("first")
            selector.unregister(second)
            # A file of another sandbox under the number of the one that is gone.
            os.dup2(first, second)
            selector.register(second, selectors.EVENT_READ, lambda: heard.append("other"))

        selector.register(first, selectors.EVENT_READ, reuse)
        selector.register(second, selectors.EVENT_READ, lambda: heard.append("second"))
        for end in (first_end, second_end):
            os.close(end)
        ready = sorted(selector.select(1), key=lambda found: found[0].fd != first)

        hear_ready(selector, ready)

    for descriptor in (first, second):
        os.close(descriptor)
    assert heard == ["first"]
