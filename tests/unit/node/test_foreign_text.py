import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.node.foreign_text import safe_message, terminal_safe


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\rb", "a\\x0db"),
        ("a\nb", "a\\x0ab"),
        ("\x9b31m", "\\x9b31m"),
        ("user\u202etxt.exe", "user\\u202etxt.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("lone\ud800", "lone\\ud800"),
    ],
    ids=["title", "clear", "return", "newline", "c1", "bidi", "zero-width", "tag", "surrogate"],
)
def test_what_a_terminal_would_obey_becomes_visible(raw, shown):
    assert terminal_safe(raw) == shown


def test_ordinary_text_of_any_language_stays():
    text = "tab\tok, prix 3 €, привет, 日本語, 👩\u200d🚀"

    assert terminal_safe(text) == text


@given(st.text())
def test_shown_text_holds_no_control_character_and_shows_the_same_twice(text):
    shown = terminal_safe(text)

    assert all(ch == "\t" or ch.isprintable() or ord(ch) >= 0x80 for ch in shown)
    assert terminal_safe(shown) == shown


def test_message_is_one_bounded_line():
    message = safe_message("SyntaxError:\n  line 1\n" + "x" * 10_000)

    assert message.startswith("SyntaxError: line 1 xxx")
    assert (len(message), message[-3:]) == (500, "...")


def test_message_of_escapes_stays_bounded():
    assert len(safe_message("\x1b" * 10_000)) == 500
