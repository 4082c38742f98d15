import pytest

from casemate.api.conditions import ExitReason
from casemate.node.backoff import RETIRE_BURST, RETIRE_REFILL_SECONDS
from casemate.node.exit_status import EndIntent, ObservedExit
from casemate.node.worker_events import (
    EndDue,
    EndIn,
    Exited,
    Kill,
    Launch,
    LaunchDue,
    LaunchFailed,
    LaunchIn,
    LoadFailed,
    Phase,
    ReadinessChanged,
    RetiringAnnounced,
    StartRequested,
    StopRequested,
    Terminate,
)
from casemate.node.worker_state import Moment, WorkerState, decide

AT = "2026-01-01T00:00:00Z"
RETIRE_SECONDS = 200.0


def walk(*events, state=None, now=1000.0):
    """Feed events in order; return the last state and the last event's actions."""
    state, actions = state or WorkerState(), ()
    for event in events:
        state, actions = decide(state, event, Moment(now=now, retire_seconds=RETIRE_SECONDS))
    return state, actions


def ready(number):
    return ReadinessChanged(number, ready=True)


def exited(number, code=0, *, oom_killed=False):
    return Exited(number, ObservedExit(code, oom_killed), AT, AT)


def a_ready_worker():
    return walk(StartRequested(), ready(1))[0]


def test_start_launches_the_first_instance():
    state, actions = walk(StartRequested())

    assert state.phase is Phase.STARTING
    assert actions == (Launch(1),)


def test_starting_twice_launches_once():
    _, actions = walk(StartRequested(), StartRequested())

    assert actions == ()


def test_readiness_makes_it_ready():
    state = a_ready_worker()

    assert (state.phase, state.was_ready, state.current) == (Phase.READY, True, 1)


def test_failed_readiness_probe_takes_it_out_and_back_without_a_restart():
    out, _ = walk(ReadinessChanged(1, ready=False, message="503"), state=a_ready_worker())
    back, actions = walk(ready(1), state=out)

    assert (out.phase, out.reason, out.message) == (Phase.NOT_READY, "ProbeFailed", "503")
    assert (back.phase, back.restarts, actions) == (Phase.READY, 0, ())


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (exited(1, 3), ExitReason.ERROR),
        (exited(1, 0), ExitReason.COMPLETED),
        (exited(1, 137, oom_killed=True), ExitReason.OOM_KILLED),
        (exited(1, 65), ExitReason.LOAD_FAILED),
        (LaunchFailed(1, "no memory", AT, may_help_to_retry=True), ExitReason.START_FAILED),
    ],
    ids=["error", "completed", "oom", "load-failed-after-ready", "start-failed"],
)
def test_first_crash_of_a_revision_that_was_ready_restarts_at_once(event, reason):
    state, actions = walk(event, state=a_ready_worker())

    assert (state.phase, state.restarts, actions) == (Phase.STARTING, 1, (Launch(2),))
    assert state.last_termination.reason is reason
    assert state.reason == reason


def test_second_crash_waits_in_back_off_and_then_launches():
    waiting, actions = walk(StartRequested(), exited(1, 3), exited(2, 3))
    after, launch = walk(LaunchDue(), state=waiting)

    assert (waiting.phase, actions) == (Phase.CRASH_LOOP_BACK_OFF, (LaunchIn(1.0),))
    assert waiting.message == "restarts in 1 s: ended with exit code 3"
    assert (after.phase, launch) == (Phase.STARTING, (Launch(3),))


def test_revision_that_never_loaded_fails_for_good():
    state, actions = walk(
        StartRequested(), LoadFailed(1, "SyntaxError: handler.py:3"), exited(1, 65)
    )

    assert (state.phase, state.reason) == (Phase.FAILED, ExitReason.LOAD_FAILED)
    assert (state.message, actions) == ("SyntaxError: handler.py:3", ())
    assert walk(LaunchDue(), state=state)[1] == ()


def test_runtime_that_lingers_after_a_failed_load_is_ended():
    _, actions = walk(StartRequested(), LoadFailed(1, "ImportError: nope"))

    assert actions == (EndIn(1, 1.0, EndIntent(ExitReason.LOAD_FAILED, "ImportError: nope")),)


def test_launch_that_cannot_help_to_retry_fails_for_good():
    failed = LaunchFailed(1, "runtime python399: none found", AT, may_help_to_retry=False)

    state, actions = walk(StartRequested(), failed)

    assert (state.phase, state.reason, actions) == (Phase.FAILED, ExitReason.START_FAILED, ())


def test_retirement_starts_a_successor_at_once_and_bounds_the_old_one():
    state, actions = walk(RetiringAnnounced(1), state=a_ready_worker())

    late = EndIntent(ExitReason.DEADLINE_EXCEEDED, "a request ran past its timeout")
    assert actions == (EndIn(1, RETIRE_SECONDS, late), Launch(2))
    assert (state.phase, state.current, state.retiring) == (Phase.STARTING, 2, (1,))
    assert (state.restarts, state.retirements) == (0, 1)


@pytest.mark.parametrize("code", [0, 75, 137], ids=["drained", "retired", "killed"])
def test_end_of_a_retired_instance_is_not_a_crash(code):
    state, actions = walk(RetiringAnnounced(1), ready(2), exited(1, code), state=a_ready_worker())

    assert (state.phase, state.current, state.retiring) == (Phase.READY, 2, ())
    assert (state.restarts, actions) == (0, ())
    assert state.last_termination.reason is ExitReason.DEADLINE_EXCEEDED


def test_third_retiring_instance_ends_the_oldest():
    state, actions = walk(
        RetiringAnnounced(1),
        ready(2),
        RetiringAnnounced(2),
        ready(3),
        RetiringAnnounced(3),
        state=a_ready_worker(),
    )

    assert actions[0] == Kill(1)
    assert state.live == (1, 2, 3, 4)


def test_retiring_over_and_over_is_throttled():
    state = a_ready_worker()
    for number in range(1, RETIRE_BURST + 1):
        state, _ = walk(RetiringAnnounced(number), exited(number, 75), state=state)
        state, _ = walk(ready(number + 1), state=state)

    waiting, actions = walk(RetiringAnnounced(RETIRE_BURST + 1), state=state)
    launched, launch = walk(LaunchDue(), state=waiting)

    assert (waiting.phase, waiting.current) == (Phase.STARTING, None)
    assert actions[-1] == LaunchIn(RETIRE_REFILL_SECONDS)
    assert launch == (Launch(RETIRE_BURST + 2),)
    assert launched.restarts == 0


def test_retiring_before_ready_is_a_crash():
    state, actions = walk(StartRequested(), RetiringAnnounced(1))
    after, _ = walk(exited(1, 137), state=state)

    assert actions == (Kill(1),)
    assert (after.restarts, after.retirements) == (1, 0)
    assert after.message == "retired before it was ready"


def test_exit_75_without_announcement_counts_as_retirement():
    state, actions = walk(exited(1, 75), state=a_ready_worker())

    assert (state.restarts, state.retirements, actions) == (0, 1, (Launch(2),))


def test_exit_75_before_ready_is_a_crash():
    state, _ = walk(StartRequested(), exited(1, 75))

    assert (state.restarts, state.retirements) == (1, 0)


def test_start_deadline_ends_only_what_never_became_ready():
    slow = EndDue(1, EndIntent(ExitReason.ERROR, "not ready in 60 s"), only_before_ready=True)

    assert walk(StartRequested(), slow)[1] == (Kill(1),)
    assert walk(slow, state=a_ready_worker())[1] == ()


def test_killed_for_liveness_says_so_in_the_termination():
    end = EndDue(1, EndIntent(ExitReason.ERROR, "liveness probe failed 3 times: no answer in 1 s"))

    state, _ = walk(end, exited(1, 137), state=a_ready_worker())

    assert state.last_termination.message == "liveness probe failed 3 times: no answer in 1 s"
    assert state.restarts == 1


def test_drain_terminates_all_live_instances_and_ends_stopped():
    retiring = walk(RetiringAnnounced(1), ready(2), state=a_ready_worker())[0]

    draining, actions = walk(StopRequested(30), state=retiring)
    half, _ = walk(exited(1), state=draining)
    stopped, _ = walk(exited(2), state=half)

    assert [type(action) for action in actions] == [Terminate, EndIn, Terminate, EndIn]
    assert (draining.phase, half.phase, stopped.phase) == (
        Phase.DRAINING,
        Phase.DRAINING,
        Phase.STOPPED,
    )
    assert stopped.last_termination.reason is ExitReason.STOPPED


def test_stop_without_grace_kills():
    _, actions = walk(StopRequested(0), state=a_ready_worker())

    assert actions == (Kill(1),)


@pytest.mark.parametrize(
    "state",
    [
        WorkerState(),
        walk(StartRequested(), exited(1, 3), exited(2, 3))[0],
        walk(StartRequested(), LoadFailed(1, "x"), exited(1, 65))[0],
    ],
    ids=["pending", "back-off", "failed"],
)
def test_stopping_what_has_no_instance_is_done_at_once(state):
    stopped, actions = walk(StopRequested(30), state=state)

    assert (stopped.phase, actions) == (Phase.STOPPED, ())


@pytest.mark.parametrize(
    "late",
    [LaunchDue(), ready(1), RetiringAnnounced(1), LoadFailed(1, "x"), StartRequested()],
    ids=lambda event: type(event).__name__,
)
def test_nothing_starts_or_revives_while_draining(late):
    draining, _ = walk(StopRequested(30), state=a_ready_worker())

    after, actions = walk(late, state=draining)

    assert after == draining
    assert actions == ()


@pytest.mark.parametrize(
    "stale",
    [
        ready(7),
        ReadinessChanged(7, ready=False),
        LoadFailed(7, "x"),
        RetiringAnnounced(7),
        EndDue(7, EndIntent(ExitReason.ERROR)),
        exited(7, 1),
        LaunchFailed(7, "x", AT, may_help_to_retry=True),
    ],
    ids=lambda event: type(event).__name__,
)
def test_word_about_an_unknown_instance_changes_nothing(stale):
    worker = a_ready_worker()

    assert walk(stale, state=worker) == (worker, ())


def test_failed_launch_while_draining_ends_stopped():
    state, _ = walk(
        StartRequested(),
        StopRequested(30),
        LaunchFailed(1, "x", AT, may_help_to_retry=True),
    )

    assert state.phase is Phase.STOPPED


def test_ten_healthy_minutes_forgive_earlier_crashes():
    crashed = walk(StartRequested(), exited(1, 3), exited(2, 3), LaunchDue(), ready(3), now=0.0)[0]

    state, actions = walk(exited(3, 3), state=crashed, now=600.0)

    assert actions == (Launch(4),)
    assert state.backoff.crashes == 1


def test_unknown_event_is_a_defect_not_a_silence():
    with pytest.raises(TypeError, match="no decision"):
        walk("nonsense")
