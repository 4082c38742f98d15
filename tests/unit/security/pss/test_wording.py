from casemate.security.pss.wording import fix, listed, quoted, quoted_set


def test_terminal_escapes_and_newlines_in_names_show_as_escapes():
    assert quoted('a\x1b[2J\n"b\u202e') == r'"a\u001b[2J\n\"b\u202e"'


def test_long_names_are_cut():
    shown = quoted("x" * 100_000)

    assert shown == '"' + "x" * 128 + '..."'


def test_long_lists_are_counted():
    assert listed(str(number) for number in range(12)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11"
    assert listed(str(number) for number in range(20)).endswith("10, 11 and 8 more")


def test_sets_are_sorted_and_tell_a_value_once():
    assert quoted_set(["b", "a", "b"]) == '"a", "b"'


def test_fix_tells_who_before_what():
    assert fix(['container "a"', "pod"], "set x") == 'container "a", pod: set x'
