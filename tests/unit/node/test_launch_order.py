from __future__ import annotations

import pytest

from casemate.node.bwrap import bwrap_command
from casemate.node.launch_order import LaunchOrder, nul_separated, order_bytes, read_order
from support.sandboxes import a_plan


def test_an_order_comes_out_as_it_went_in():
    plan = a_plan("print('ü')", container={"env": [{"name": "A", "value": "ü\n"}]})
    command = bwrap_command(plan)
    order = LaunchOrder("a/b", command.options, command.program, plan.limits, 1, 2, b"\x00\xff")

    assert read_order(order_bytes(order)) == order


def test_a_value_with_a_nul_byte_cannot_begin_a_new_option():
    with pytest.raises(ValueError, match="NUL"):
        nul_separated(["--setenv", "A", "x\0--bind\0/\0/"])


def test_every_namespace_is_new_and_no_host_path_is_a_plain_word():
    options = bwrap_command(a_plan()).options

    assert {f"--unshare-{one}" for one in ("user", "ipc", "pid", "uts", "cgroup", "net")} <= {
        option for option in options if isinstance(option, str)
    }
    assert "--bind" not in options
    assert "--disable-userns" in options
    assert options[options.index("--cap-drop") + 1] == "ALL"
