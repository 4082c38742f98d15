import pytest

from casemate.api.conditions import ExitReason
from casemate.node.exit_status import EndIntent, ObservedExit, explain_exit


def explained(observed, intent=None):
    return explain_exit(
        observed,
        intent,
        started_at="2026-01-01T00:00:00Z",
        finished_at="2026-01-01T00:01:00Z",
    )


@pytest.mark.parametrize(
    ("code", "reason", "message"),
    [
        (0, ExitReason.COMPLETED, "ended by itself with exit code 0"),
        (1, ExitReason.ERROR, "ended with exit code 1"),
        (65, ExitReason.LOAD_FAILED, "the handler could not be loaded; its log says why"),
        (70, ExitReason.ERROR, "ended with exit code 70"),
        (75, ExitReason.DEADLINE_EXCEEDED, "a request ran past its timeout"),
        (137, ExitReason.ERROR, "killed by SIGKILL"),
        (139, ExitReason.ERROR, "killed by SIGSEGV"),
        (128 + 33, ExitReason.ERROR, "killed by signal 33"),
        (255, ExitReason.ERROR, "ended with exit code 255"),
    ],
)
def test_exit_code_without_intent_explains_itself(code, reason, message):
    termination = explained(ObservedExit(code))

    assert (termination.reason, termination.message) == (reason, message)


def test_kill_for_a_reason_is_reported_as_that_reason():
    intent = EndIntent(ExitReason.ERROR, "liveness probe failed 3 times")

    termination = explained(ObservedExit(137), intent)

    assert termination.message == "liveness probe failed 3 times"
    assert (termination.exit_code, termination.signal) == (137, 9)


def test_memory_evidence_wins_over_what_the_node_meant():
    intent = EndIntent(ExitReason.STOPPED)

    termination = explained(ObservedExit(137, oom_killed=True), intent)

    assert termination.reason is ExitReason.OOM_KILLED
