"""Names and sizes of a source, checked before anything is written."""

from __future__ import annotations

import pytest

from casemate.sources.guard import SourceLimits, SourceRefused, guarded, source_digest

HANDLER = {"handler.py": b"x = 1"}


def check(files, limits=None):
    return guarded({**HANDLER, **files}, handlers=("handler.py",), limits=limits)


@pytest.mark.parametrize(
    "name", ["../x.py", "/etc/passwd", "a/../../x", "./x", "a//b", "a/", "", ".."]
)
def test_a_name_that_leaves_the_source_is_refused(name):
    with pytest.raises(SourceRefused, match="no plain relative path"):
        check({name: b"x"})


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"a\nb": b""}, "read differently"),
        ({"a\0b": b""}, "read differently"),
        ({"cafe\u0301.py": b""}, "normal form"),
        ({".env": b"PASSWORD=x"}, "secrets"),
        ({"conf/.env.local": b""}, "secrets"),
        ({"x" * 300: b""}, "too long"),
        ({"Handler.py": b""}, "only in case"),
        ({"a": b"", "a/b": b""}, "below a name that is a file"),
    ],
)
def test_a_name_that_would_surprise_somebody_is_refused(files, reason):
    with pytest.raises(SourceRefused, match=reason):
        check(files)


def test_sizes_and_counts_are_bounded():
    limits = SourceLimits(files=2, file_bytes=10, total_bytes=12)

    for files in ({"a": b"x" * 11}, {"a": b"", "b": b""}, {"a": b"x" * 9}):
        with pytest.raises(SourceRefused):
            check(files, limits)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a\0b", b"", b"  \n"])
def test_a_handler_that_is_binary_or_empty_is_refused(content):
    with pytest.raises(SourceRefused):
        guarded({"handler.py": content}, handlers=("handler.py",))


def test_a_missing_handler_is_named():
    with pytest.raises(SourceRefused, match=r"handler\.py"):
        guarded({"other.py": b"x"}, handlers=("handler.py",))


def test_every_violation_is_told_at_once():
    with pytest.raises(SourceRefused) as refused:
        check({"../x": b"", ".env": b""})

    assert len(refused.value.violations) == 2


def test_the_digest_covers_names_and_bytes_but_not_their_order():
    one = source_digest({"a": b"1", "b": b"2"})

    assert one == source_digest({"b": b"2", "a": b"1"})
    assert one != source_digest({"a": b"2", "b": b"1"})
    assert one != source_digest({"a": b"1", "b": b"3"})


def test_a_source_never_shows_its_content():
    assert "x = 1" not in repr(check({}))
