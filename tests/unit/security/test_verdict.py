from casemate.security.verdict import ALLOWED, Verdict, Violation, denied, verdict_of


def test_no_broken_rule_allows():
    verdict = verdict_of([])

    assert verdict is ALLOWED
    assert verdict.allowed


def test_every_broken_rule_is_told_reasons_first():
    broken = [Violation("a", "host ports", "8080"), Violation("b", "privileged", 'container "x"')]

    verdict = verdict_of(iter(broken))

    assert verdict == Verdict(
        allowed=False,
        reason="host ports, privileged",
        detail='host ports (8080); privileged (container "x")',
    )


def test_denial_needs_no_detail():
    assert denied("because") == Verdict(allowed=False, reason="because", detail="")


def test_violation_on_the_wire_has_rule_reason_and_detail():
    assert Violation("r", "why", "where").wire() == {
        "rule": "r",
        "reason": "why",
        "detail": "where",
    }
