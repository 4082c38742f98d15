import pytest

from casemate.security.pss.node import INT32, INT64, Node, type_name


def test_absent_and_null_fields_read_alike():
    node = Node({"null": None})

    for key in ("null", "absent"):
        assert node.flag(key) is None
        assert node.text(key) is None
        assert node.number(key, bits=INT32) is None
        assert node.child(key) is None
        assert node.child_or_empty(key).value == {}
        assert node.children(key) == ()
        assert node.texts(key) == ()
        assert node.text_map(key) == {}
    assert node.problems == []


def test_well_formed_fields_are_read():
    node = Node({
        "flag": False,
        "text": "",
        "number": 0,
        "child": {"a": 1},
        "children": [{"b": 2}],
        "texts": ("x", "y"),
        "map": {"k": "v", "null": None},
    })  # fmt: skip

    assert node.flag("flag") is False
    assert node.text("text") == ""
    assert node.number("number", bits=INT64) == 0
    assert node.child("child").path == "child"
    assert node.child_or_empty("child").value == {"a": 1}
    assert [child.path for child in node.children("children")] == ["children[0]"]
    assert node.texts("texts") == ("x", "y")
    assert node.text_map("map") == {"k": "v", "null": ""}
    assert node.problems == []


@pytest.mark.parametrize(
    ("read", "problem"),
    [
        (lambda node: node.flag("text"), "at.text is text, expected true or false"),
        (lambda node: node.text("flag"), "at.flag is a boolean, expected text"),
        (
            lambda node: node.number("flag", bits=INT32),
            "at.flag is a boolean, expected a whole number",
        ),
        (
            lambda node: node.number("float", bits=INT32),
            "at.float is a number, expected a whole number",
        ),
        (lambda node: node.child("list"), "at.list is a list, expected an object"),
        (lambda node: node.children("map"), "at.map is an object, expected a list"),
        (lambda node: node.children("list"), "at.list[0] is null, expected an object"),
        (lambda node: node.texts("list"), "at.list[0] is null, expected text"),
        (lambda node: node.text_map("map"), 'at.map["k"] is a number, expected text'),
        (lambda node: node.text_map("odd"), "a key of at.odd is a number, expected text"),
        (lambda node: node.text("alien"), "at.alien is no JSON value, expected text"),
    ],
)
def test_malformed_field_reads_as_absent_and_is_remembered(read, problem):
    fields = {
        "text": "x", "flag": True, "float": 1.0, "list": [None], "map": {"k": 1},
        "odd": {1: "x"}, "alien": object(),
    }  # fmt: skip
    node = Node(fields, "at")

    found = read(node)

    assert not found
    assert node.problems == [problem]


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1, 2**32, 10**40])
def test_number_that_would_wrap_to_another_is_malformed(number):
    node = Node({"n": number})

    assert node.number("n", bits=INT32) is None
    assert node.problems == ["n is out of range"]


def test_type_names_cover_all_of_json():
    named = [type_name(value) for value in (None, True, "", 0, 0.5, {}, [])]

    assert named == [
        "null", "a boolean", "text", "a number", "a number", "an object", "a list",
    ]  # fmt: skip
