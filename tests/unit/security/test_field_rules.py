"""Each field's own idea of stricter."""

from __future__ import annotations

import pytest

from casemate.api.workload import Capabilities, PodSecurityContext, SeccompProfile, SecurityContext
from casemate.security.contexts import tighten
from casemate.security.defaults import HARDENED_CONTAINER, HARDENED_POD
from casemate.security.field_rules import is_ordinary_id


@pytest.mark.parametrize("number", [0, -1, 2**31, 2**32, 2**32 + 1])
def test_ids_that_are_or_may_become_root_are_not_ordinary(number):
    assert not is_ordinary_id(number)


@pytest.mark.parametrize("number", [1, 1000, 65534, 2**31 - 1])
def test_ids_of_users_are_ordinary(number):
    assert is_ordinary_id(number)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("allow_privilege_escalation", True),
        ("privileged", True),
        ("read_only_root_filesystem", False),
        ("run_as_non_root", False),
        ("run_as_user", 0),
        ("run_as_group", 0),
        ("proc_mount", "Unmasked"),
        ("seccomp_profile", SeccompProfile(type="Unconfined")),
        ("seccomp_profile", SeccompProfile(type="Localhost", localhost_profile="own")),
        ("capabilities", Capabilities(drop=("NET_RAW",))),
        ("capabilities", Capabilities(drop=())),
        ("capabilities", Capabilities(add=("NET_BIND_SERVICE",), drop=("ALL",))),
    ],
)
def test_a_looser_value_is_named_and_not_kept(field, value):
    result = tighten(HARDENED_CONTAINER, SecurityContext(**{field: value}))

    assert len(result.loosened) == 1
    assert result.loosened[0].reason
    without = result.value.model_copy(update={"capabilities": HARDENED_CONTAINER.capabilities})
    assert without == HARDENED_CONTAINER
    assert "ALL" in result.value.capabilities.drop
    assert not result.value.capabilities.add


@pytest.mark.parametrize(
    ("field", "value"),
    [("run_as_user", 5000), ("run_as_group", 5000), ("allow_privilege_escalation", False)],
)
def test_an_equal_or_other_ordinary_value_is_kept(field, value):
    result = tighten(HARDENED_CONTAINER, SecurityContext(**{field: value}))

    assert result.loosened == ()
    assert getattr(result.value, field) == value


def test_supplemental_groups_of_root_are_looser():
    result = tighten(HARDENED_POD, PodSecurityContext(supplemental_groups=(1000, 0)))

    assert [one.field_path.rpartition(".")[2] for one in result.loosened] == ["supplementalGroups"]
