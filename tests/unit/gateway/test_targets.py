from __future__ import annotations

import itertools

import pytest

from casemate.gateway.problems import (
    AMBIGUOUS_PATH,
    BAD_HOST,
    BAD_REQUEST,
    MISDIRECTED,
    NOT_FOUND,
    Problem,
)
from casemate.gateway.targets import (
    HostPlace,
    Target,
    _examine,
    locate,
    normal_path,
    place_host,
)

HERE = HostPlace(b"")


@pytest.mark.parametrize(
    ("url", "key", "forwarded"),
    [
        (b"/shop/cart", b"shop/cart", b"/"),
        (b"/shop/cart/", b"shop/cart", b"/"),
        (b"/shop/cart?q=1", b"shop/cart", b"/?q=1"),
        (b"/shop/cart/a/b?x=%2F..%2f", b"shop/cart", b"/a/b?x=%2F..%2f"),
        (b"/shop/cart/caf%C3%A9", b"shop/cart", b"/caf%C3%A9"),
        (b"/shop/cart/100%25", b"shop/cart", b"/100%25"),
        (b"/shop/cart/.well-known/x", b"shop/cart", b"/.well-known/x"),
        (b"/shop/cart/a.b/...", b"shop/cart", b"/a.b/..."),
        (b"/shop/cart/%7Euser", b"shop/cart", b"/%7Euser"),
    ],
)
def test_first_two_segments_name_the_function_and_the_rest_is_passed_on(
    url: bytes, key: bytes, forwarded: bytes
) -> None:
    assert locate(url, HERE) == Target(key, forwarded)


def test_host_that_names_a_function_passes_the_whole_target_on() -> None:
    place = place_host(b"Cart.Shop.localhost:8088", frozenset())

    assert place == HostPlace(b"shop/cart")
    assert locate(b"/a?b", HostPlace(b"shop/cart")) == Target(b"shop/cart", b"/a?b")


@pytest.mark.parametrize(
    "rest",
    [
        b"/../b",
        b"/a/..",
        b"/./a",
        b"/.",
        b"/%2e%2e/b",
        b"/.%2E/b",
        b"/%2e",
        b"/..;x/b",
        b"/a%2fb",
        b"/a%5Cb",
        b"/a\\b",
        b"/a%00",
        b"/a%0d%0aX",
        b"/%7f",
        b"/%252e%252e/b",
        b"/%25%32%65",
        b"/a%",
        b"/a%2",
        b"/a%zz",
        b"/a% 2",
        b"/a%+1",
        b"//evil.example/x",
        b"/a//b",
        b"/a#b",
        b"/a?b#c",
        b"/a?\xc3",
        b"/caf\xc3\xa9",
        b"/a|b",
        b"/a?b c",
    ],
)
def test_path_with_more_than_one_reading_is_refused(rest: bytes) -> None:
    assert locate(b"/shop/cart" + rest, HERE) == AMBIGUOUS_PATH
    assert locate(rest, HostPlace(b"shop/cart")) == AMBIGUOUS_PATH


@pytest.mark.parametrize("url", [b"/%73hop/cart", b"/shop/c%61rt", b"/shop/%63art/x"])
def test_function_is_not_named_by_escapes(url: bytes) -> None:
    assert locate(url, HERE) == AMBIGUOUS_PATH


@pytest.mark.parametrize(
    "url", [b"/", b"/shop", b"/shop/", b"/Shop/cart", b"/shop/-cart", b"/shop/cart_x", b"/a.b/c"]
)
def test_address_that_can_name_no_function_is_not_found(url: bytes) -> None:
    assert locate(url, HERE) == NOT_FOUND


@pytest.mark.parametrize("url", [b"http://localhost/shop/cart", b"*", b"shop/cart", b"", b"?a"])
def test_target_in_another_form_than_origin_form_is_refused(url: bytes) -> None:
    assert locate(url, HERE) == BAD_REQUEST


@pytest.mark.parametrize("host", [b"localhost", b"127.0.0.1:80", b"[::1]:8088", b"LOCALHOST:1"])
def test_loopback_names_are_this_gateway(host: bytes) -> None:
    assert place_host(host, frozenset()) == HERE


def test_further_names_are_taken_only_when_they_were_configured() -> None:
    assert place_host(b"fn.corp.example", frozenset({b"fn.corp.example"})) == HERE
    assert place_host(b"fn.corp.example", frozenset()) == MISDIRECTED


@pytest.mark.parametrize(
    ("host", "problem"),
    [
        (b"evil.example", MISDIRECTED),
        (b"cart.shop.localhost.evil.example", MISDIRECTED),
        (b"a.b.c.localhost", MISDIRECTED),
        (b"localhost.", MISDIRECTED),
        (b"x.localhost", MISDIRECTED),
        (b"0x7f.1", MISDIRECTED),
        (b"", BAD_HOST),
        (b"localhost:80:90", BAD_HOST),
        (b"localhost:", BAD_HOST),
        (b"user@localhost", BAD_HOST),
        (b"local host", BAD_HOST),
        (b"localhost/a", BAD_HOST),
        (b'localhost"', BAD_HOST),
        (b"localhost,evil", BAD_HOST),
    ],
)
def test_foreign_and_malformed_hosts_are_refused(host: bytes, problem: Problem) -> None:
    assert place_host(host, frozenset()) == problem


@pytest.mark.parametrize(
    ("path", "normal"),
    [
        (b"/a/%7eb", b"/a/~b"),
        (b"/%c3%a9", b"/%C3%A9"),
        (b"/a%41/", b"/aA/"),
        (b"/100%25", b"/100%25"),
        (b"/;x/a", None),
    ],
)
def test_normal_form_decodes_only_what_needs_no_escape(path: bytes, normal: bytes | None) -> None:
    assert normal_path(path) == normal


def test_the_short_way_through_common_targets_gives_what_the_long_one_gives() -> None:
    # ATTACK: a second, laxer reading of a path lets through what the first one refuses.
    pieces = [
        b"",
        b"/",
        b"//",
        b"a",
        b".",
        b"..",
        b"%2e",
        b"%2F",
        b"\\",
        b";x",
        b"?",
        b"\x00",
        b"~",
    ]

    for middle in itertools.product(pieces, repeat=4):
        url = b"/shop/cart" + b"".join(middle)
        assert locate(url, HERE) == _examine(url, HERE), url
    for start in itertools.product(pieces, repeat=3):
        url = b"".join(start)
        assert locate(url, HERE) == _examine(url, HERE), url
