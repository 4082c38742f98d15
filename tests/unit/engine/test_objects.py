"""The store of applied objects."""

from __future__ import annotations

from casemate.api.manifest import parse_manifests
from casemate.engine.objects import ObjectStore

FUNCTION = b"""\
apiVersion: serverless.kyma-project.io/v1alpha2
kind: Function
metadata: {name: NAME}
spec:
  runtime: python313
  source: {inline: {source: "def main(event, context): return 1"}}
"""
SECRET = b"apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: b}\n"


def objects(*texts: bytes):
    return [found for text in texts for found in parse_manifests(text, "t").objects_or_raise()]


def test_each_changed_function_is_reported_once_and_unchanged_ones_are_not():
    changed = []
    store = ObjectStore(lambda ref: changed.append(ref.name))
    one, two = FUNCTION.replace(b"NAME", b"one"), FUNCTION.replace(b"NAME", b"two")
    store.replace_all(objects(one, two))
    changed.clear()

    store.replace_all(objects(one, two.replace(b"return 1", b"return 2")))

    assert changed == ["two"]


def test_generation_grows_and_uid_stays_with_each_change():
    store = ObjectStore(lambda _: None)
    store.replace_all(objects(FUNCTION.replace(b"NAME", b"f")))
    first = next(store.functions())

    store.replace_all(objects(FUNCTION.replace(b"NAME", b"f").replace(b"return 1", b"return 2")))

    second = next(store.functions())
    assert (second.metadata.generation, second.metadata.uid) == (2, first.metadata.uid)


def test_a_function_that_is_gone_is_reported():
    changed = []
    store = ObjectStore(changed.append)
    store.replace_all(objects(FUNCTION.replace(b"NAME", b"f")))
    changed.clear()

    store.replace_all([])

    assert [ref.name for ref in changed] == ["f"]
    assert store.function(changed[0]) is None


def test_a_changed_secret_makes_functions_look_again():
    changed = []
    store = ObjectStore(lambda ref: changed.append(ref.name))
    function = FUNCTION.replace(b"NAME", b"f")
    store.replace_all(objects(function, SECRET))
    changed.clear()

    store.replace_all(objects(function, SECRET.replace(b"a: b", b"a: c")))

    assert changed == ["f"]
