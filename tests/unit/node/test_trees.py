"""Trees of foreign hands are made harmless, or refused."""

from __future__ import annotations

import os
import stat

import pytest

from casemate.node import trees
from casemate.node.trees import TreeLimits, UnsafeTree, tree_digest


@pytest.fixture
def tree(tmp_path):
    made = tmp_path / "tree"
    made.mkdir()
    yield made
    trees.remove(tmp_path / "tree")


@pytest.mark.parametrize("target", ["../outside", "a/../../outside", "/../outside", "/a/../../b"])
def test_a_link_out_of_the_tree_is_refused(tree, target):
    (tree / "link").symlink_to(target)

    with pytest.raises(UnsafeTree, match="points out"):
        trees.seal(tree, TreeLimits())


def test_an_absolute_link_is_kept_because_its_root_is_the_sandboxs(tree):
    # What it means on the host does not matter: nothing of the host follows links of a tree, and in
    # a sandbox `/` is the sandbox's own root. tests/attacks/test_symlink_to_host.py
    (tree / "link").symlink_to("/etc/shadow")

    trees.seal(tree, TreeLimits())

    assert tree_digest(tree)


def test_a_link_within_the_tree_is_kept(tree):
    (tree / "file").write_text("x")
    (tree / "link").symlink_to("file")

    trees.seal(tree, TreeLimits())

    assert (tree / "link").readlink().name == "file"


def test_a_pipe_is_refused(tree):
    os.mkfifo(tree / "pipe")

    with pytest.raises(UnsafeTree, match="neither a file"):
        trees.seal(tree, TreeLimits())


def test_sealing_takes_away_writing_and_set_uid_and_keeps_what_can_be_run(tree):
    (tree / "program").write_text("x")
    (tree / "program").chmod(0o6777)
    (tree / "text").write_text("x")
    (tree / "text").chmod(0o666)

    trees.seal(tree, TreeLimits())

    assert stat.S_IMODE((tree / "program").stat().st_mode) == 0o555
    assert stat.S_IMODE((tree / "text").stat().st_mode) == 0o444
    assert stat.S_IMODE(tree.stat().st_mode) == 0o555


@pytest.mark.parametrize("limits", [TreeLimits(entries=1), TreeLimits(total_bytes=3)])
def test_a_tree_that_is_too_large_is_refused(tree, limits):
    (tree / "a").write_text("ab")
    (tree / "b").write_text("cd")

    with pytest.raises(UnsafeTree, match="larger than"):
        trees.seal(tree, limits)


def test_the_digest_covers_names_bytes_and_the_right_to_run_but_no_times(tree):
    (tree / "a").write_text("1")
    first = tree_digest(tree)

    os.utime(tree / "a", (0, 0))
    assert tree_digest(tree) == first
    (tree / "a").chmod(0o755)
    run = tree_digest(tree)
    (tree / "a").write_text("2")
    assert len({first, run, tree_digest(tree)}) == 3
