from pathlib import Path

import pytest

from casemate.security.pss import registry
from casemate.security.pss.levels import LATEST, Level, PolicyVersion
from casemate.security.pss.registry import RULES, checks_for


def test_every_rule_file_is_on_the_list():
    files = {path.stem for path in Path(registry.__file__).parent.glob("check_*.py")}

    listed = {name for name in vars(registry) if name.startswith("check_")}

    assert listed == files
    assert len(RULES) == len(files) == 19


def test_rules_have_ids_of_their_own_in_order_of_level_and_id():
    order = [(rule.level is Level.RESTRICTED, rule.id) for rule in RULES]

    assert order == sorted(set(order))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_revisions_ascend_and_replace_only_baseline_rules(rule):
    baseline = {other.id for other in RULES if other.level is Level.BASELINE}
    minors = [revision.since_minor for revision in rule.revisions]
    replaced = frozenset().union(*(revision.replaces for revision in rule.revisions))

    assert minors
    assert minors == sorted(set(minors))
    assert max(minors) <= LATEST.minor
    assert replaced <= baseline
    assert not replaced or rule.level is Level.RESTRICTED


def test_privileged_asks_for_nothing():
    assert checks_for(Level.PRIVILEGED, LATEST) == ()


@pytest.mark.parametrize(
    ("minor", "absent", "present"),
    [
        (7, {"allowPrivilegeEscalation"}, {"capabilities_baseline", "seccompProfile_baseline"}),
        (8, set(), {"allowPrivilegeEscalation"}),
        (19, {"seccompProfile_baseline"}, {"seccompProfile_restricted"}),
        (21, {"capabilities_restricted"}, {"capabilities_baseline"}),
        (22, {"capabilities_baseline"}, {"capabilities_restricted"}),
        (22, {"runAsUser", "hostPathVolumes"}, {"restrictedVolumes"}),
        (33, {"hostProbesAndHostLifecycle"}, {"runAsUser"}),
        (34, {"procMount_restricted"}, {"hostProbesAndHostLifecycle", "procMount"}),
        (35, {"procMount"}, {"procMount_restricted"}),
    ],
)
def test_restricted_has_the_rules_of_its_version(minor, absent, present):
    ids = {check.rule_id for check in checks_for(Level.RESTRICTED, PolicyVersion(minor))}

    assert present <= ids
    assert not absent & ids
