"""Bytes to trees: bounds, YAML as Kubernetes reads it, JSON, and what is refused."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.api.documents import LARGEST_FILE_BYTES, MOST_DOCUMENTS, read_documents


def trees(text: str | bytes) -> list[object]:
    data = text.encode() if isinstance(text, str) else text
    read = read_documents(data, "f.yaml")
    assert read.violations == ()
    return [document.tree for document in read.documents]


def refusals(text: str | bytes) -> list[str]:
    data = text.encode() if isinstance(text, str) else text
    return [violation.message for violation in read_documents(data, "f.yaml").violations]


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("yes", True),
        ("off", False),
        ("y", True),
        ("~", None),
        ("null", None),
        ("0400", 256),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b11", 3),
        ("1_000", 1000),
        ("-7", -7),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("2020-01-01", "2020-01-01"),
        ("12:30:45", "12:30:45"),
        ("'yes'", "yes"),
        ('"1"', "1"),
        ("! 1", "1"),
        ("!!str 1", "1"),
        ("!!int 1", 1),
        ("!!float 1", 1.0),
        ("1_000_x", "1_000_x"),
        ("0x", "0x"),
        ("0o_", "0o_"),
        ("0_9", "0_9"),
        ("99999999999999999999", 1e20),
    ],
)
def test_plain_words_mean_what_kubectl_reads(word, value):
    assert trees(f"a: {word}") == [{"a": value}]


def test_several_documents_keep_their_numbers_and_lines():
    read = read_documents(b"a: 1\n---\n---\nb:\n  - c: 2\n", "f.yaml")

    assert [(document.index, document.tree) for document in read.documents] == [
        (1, {"a": 1}),
        (3, {"b": [{"c": 2}]}),
    ]
    assert read.documents[1].line_of(("b", 0, "c")) == 5
    assert read.documents[1].line_of(("b", 0, "missing", 3)) == 5
    assert read.documents[1].line_of(("nothing",)) == 4


def test_a_key_that_is_a_boolean_word_becomes_text():
    assert trees("on: 1") == [{"true": 1}]


def test_aliases_and_merges_are_written_out():
    text = "a: &a {x: 1, w: 2}\nb: {<<: *a, w: 3}\nc: {<<: [*a, {z: 4}]}\nd: &t text\ne: *t"

    assert trees(text) == [
        {
            "a": {"x": 1, "w": 2},
            "b": {"x": 1, "w": 3},
            "c": {"x": 1, "w": 2, "z": 4},
            "d": "text",
            "e": "text",
        }
    ]


def test_a_repeated_key_is_refused_with_its_line():
    violations = read_documents(b"a: 1\nb:\n  c: 1\n  c: 2\n", "f.yaml").violations

    assert [(v.message, v.line) for v in violations] == [('key "c" stands twice in one object', 4)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a [*a]", "alias *a refers to itself"),
        ("a: *nobody", "alias *nobody is not defined"),
        ("&k a: 1\n*k : 2", "alias *k is not defined"),
        ("a: &k b\n? *k\n: 2", "an alias cannot be a key"),
        ("? [a]\n: b", "an object or a list cannot be a key"),
        ("? {a: b}\n: b", "an object or a list cannot be a key"),
        ("~: 1", "a key is empty"),
        ('"\\0": 1', "text holds a NUL character"),
        ('a: "\\0"', "text holds a NUL character"),
        ("a: .inf", "number is not finite"),
        ("a: 1e999", "number is too large"),
        ("a: !!int x", "value is not of the type that its tag names"),
        ("a: {<<: 1}", "only objects can be merged with <<"),
        ("[" * 100, "nested too deeply"),
        ("%YAML 9.9\n---\na: b", "file is not valid YAML: found incompatible YAML document"),
        (b"\xff\xfea", "file is not valid UTF-8"),
        (b"a: b\x00", "file is binary: it holds a NUL byte"),
        (b"a" * (LARGEST_FILE_BYTES + 1), f"file is too large: {LARGEST_FILE_BYTES + 1} bytes"),
        ("--- 1\n" * (MOST_DOCUMENTS + 1), "file holds too many documents"),
        ('{"a": 1, "a": 2}', 'key "a" stands twice in one object'),
        ('{"\\ud83d\\ude00": 1, "\\ud83d\\ude00": 2}', "an object names a key twice"),
        ('{"\\ud83d\\ude00": ' * 3000, "nested too deeply"),
        ('{"\\ud83d\\ude00":' * 100 + "1" + "}" * 100, "nested too deeply"),
        ('{}\n{"\\ud83d\\ude00": 1}' * 1001, "file holds too many documents"),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_what_cannot_be_read_is_one_violation(text, message):
    assert refusals(text) == [message]


def test_a_tag_that_builds_objects_is_refused():
    assert refusals("a: !!python/object/apply:os.system [id]") == [
        "tag tag:yaml.org,2002:python/object/apply:os.system is not allowed"
    ]


def test_a_tab_gets_a_hint():
    (violation,) = read_documents(b"a:\n\tb: 1\n", "f.yaml").violations

    assert violation.line == 2
    assert violation.hint == "indent with spaces, never with tabs"


def test_a_syntax_error_shows_no_text_of_the_file():
    (violation,) = read_documents(b"secret: hunter2\n  bad: [hunter2\n", "f.yaml").violations

    assert "hunter2" not in str(violation)


def test_documents_before_a_syntax_error_are_kept():
    read = read_documents(b"a: 1\n---\nb: [\n", "f.yaml")

    assert [document.tree for document in read.documents] == [{"a": 1}]
    assert len(read.violations) == 1


def test_aliases_that_multiply_are_refused():
    lines = ["a0: &a0 " + "x" * 100]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 20)]
    started = time.monotonic()

    messages = refusals("\n".join(lines))

    assert messages == ["file is too large once its aliases are written out"]
    assert time.monotonic() - started < 2


def test_json_escapes_that_are_not_yaml_are_read():
    assert trees('{"a": "\\/\\ud83d\\ude00"}\n{"b": 1}') == [
        {"a": "/\N{GRINNING FACE}"},
        {"b": 1},
    ]


def test_json_that_is_neither_is_reported_as_yaml():
    (message,) = refusals('{"a": "\\ud83d\\ude00", "b": NaN}')

    assert message.startswith("file is not valid YAML")


def test_a_byte_order_mark_is_skipped():
    assert trees(b"\xef\xbb\xbfa: 1") == [{"a": 1}]


@given(st.binary(max_size=200))
def test_no_bytes_raise(data):
    read_documents(data, "f")


@given(st.text(alphabet="ab:-{}[]&*!?|>'\"%#@, \n\t<0", max_size=60))
def test_no_text_of_yaml_marks_raises(text):
    read_documents(text.encode(), "f")


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=8).filter(
        lambda text: "\x00" not in text
    ),
    lambda child: st.lists(child, max_size=4) | st.dictionaries(
        st.text(max_size=5).filter(lambda text: "\x00" not in text and text != "<<"), child, max_size=4
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["a", "b"]), _json, min_size=1))
def test_every_json_object_is_read_as_itself(tree):
    assert trees(json.dumps(tree)) == [tree]
