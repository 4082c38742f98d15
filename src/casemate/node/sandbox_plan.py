"""Pod template -> sandbox plan: a pure function, and the only reader of the template on this node.

Everything that the template says is in the plan or is refused, with all reasons at once; nothing is
left out silently, because the same template on Kubernetes would have it. Nothing is opened, looked
up or run here: `PlanInputs` brings what the node found out before.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from casemate.errors import InvalidInput, Unsupported
from casemate.node.limits import limits_of
from casemate.node.plan_mounts import VolumePlan, kernel_steps, root_steps
from casemate.node.pod_refusals import (
    container_refusals,
    identity_refusals,
    pod_refusals,
    run_as,
    seccomp_choice,
)
from casemate.node.sandbox_steps import Descriptor, SandboxIds, SandboxPlan, SealTree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casemate.api.workload import Container, PodTemplate
    from casemate.node.plan_inputs import PlanInputs

# What an image would bring along; a template's own value wins.
BASE_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp",  # noqa: S108  # inside the sandbox
    "LANG": "C.UTF-8",
}
# The node's word is last: a manifest cannot point the runtime at other descriptors.
NODE_ENVIRONMENT = {
    "CASEMATE_LISTEN_FD": str(int(Descriptor.REQUESTS)),
    "CASEMATE_METRICS_FD": str(int(Descriptor.METRICS)),
    "CASEMATE_CONTROL_FD": str(int(Descriptor.CONTROL)),
}
_REFERENCE = re.compile(r"\$(?:(\$)|\(([A-Za-z_.-][A-Za-z0-9_.-]*)\))")
_GRACE_SECONDS = 30
_FIRST = "spec.containers[0]"


class PlanRefused(InvalidInput):
    """The template asks for what a sandbox does not give; `reasons` holds every one."""

    code = "PlanRefused"

    def __init__(self, function: str, reasons: tuple[str, ...]) -> None:
        self.reasons = reasons
        lines = "\n".join(f"- {reason}" for reason in reasons)
        super().__init__(f"function {function} cannot run in a sandbox here\n{lines}")


class EnforcementMissing(Unsupported):
    """`strict` is on and this machine cannot enforce everything."""

    code = "EnforcementMissing"


def plan_sandbox(template: PodTemplate, inputs: PlanInputs) -> SandboxPlan:
    """Plan the one sandbox of this Pod; pure. Raises PlanRefused or EnforcementMissing.

    Equal arguments give equal plans, so that a changed plan means a changed template or machine.
    """
    gaps = inputs.enforcement.gaps()
    if inputs.strict and gaps:
        raise EnforcementMissing(
            "strict mode: this machine cannot enforce "
            + ", ".join(gap.resource.value for gap in gaps),
            hint=gaps[0].remedy,
        )
    spec = template.spec
    reasons = list(pod_refusals(spec))
    if not spec.containers:
        raise PlanRefused(inputs.function, tuple(reasons))
    container = spec.containers[0]
    volumes = VolumePlan(spec, inputs)
    volumes.add_all(container.volume_mounts)
    seccomp, against_seccomp = seccomp_choice(spec, container, inputs)
    limits, against_limits = limits_of(
        container.resources,
        inputs.ceilings,
        largest_file_bytes=max(volumes.scratch_bytes.values(), default=0),
    )
    environment, against_environment = _environment(container, inputs)
    argv = _argv(container, inputs, environment)
    reasons += [
        *container_refusals(container, _FIRST),
        *identity_refusals(spec, container),
        *against_seccomp,
        *against_limits,
        *against_environment,
        *volumes.reasons,
    ]
    if not argv:
        reasons.append(f"{_FIRST}.command: names no program and the image has none")
    uid, gid = run_as(spec, container)
    if reasons or limits is None or uid is None or gid is None:
        raise PlanRefused(inputs.function, tuple(reasons))
    grace = spec.termination_grace_period_seconds
    return SandboxPlan(
        name=inputs.function,
        ids=SandboxIds(uid, gid, inputs.host_uid, inputs.host_gid),
        hostname=inputs.function.rpartition("/")[2][:63],
        mounts=(
            *root_steps(inputs.root),
            *kernel_steps(inputs.proc_entries, has_scratch=volumes.has_tmp),
            *volumes.steps,
            SealTree("/"),
        ),
        environment=tuple(environment.items()),
        argv=argv,
        cwd=container.working_dir or "/",
        limits=limits,
        seccomp_profile=seccomp,
        grace_seconds=_GRACE_SECONDS if grace is None else grace,
        gaps=gaps,
    )


def _environment(
    container: Container, inputs: PlanInputs
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the variables in order, later ones able to refer to earlier ones."""
    known = dict(BASE_ENVIRONMENT)
    reasons: list[str] = []
    for variable in container.env:
        name, value = variable.name, variable.value or ""
        if not name or "=" in name or "\0" in name + value:
            reasons.append(f"{_FIRST}.env: {name!r} is no name or value of a variable")
        elif variable.value_from is None:
            known[name] = expanded(value, known)
        elif name in inputs.resolved_environment:
            known[name] = inputs.resolved_environment[name]
        else:
            source = variable.value_from
            selector = source.secret_key_ref or source.config_map_key_ref
            if selector is None or not selector.optional:
                reasons.append(f"{_FIRST}.env: the value of {name} was not found")
    known.update(NODE_ENVIRONMENT)
    if any("\0" in value for value in known.values()):
        reasons.append(f"{_FIRST}.env: a value holds a NUL byte")
    return known, tuple(reasons)


def _argv(
    container: Container, inputs: PlanInputs, environment: Mapping[str, str]
) -> tuple[str, ...]:
    if container.command:
        words = (*container.command, *(container.args or ()))
    else:
        words = (*inputs.default_command, *(container.args or ()))
    if not words:
        return ()
    program, *arguments = (expanded(word, environment) for word in words)
    # `python` names what the image calls its interpreter; here it is the one that was resolved.
    return (program if "/" in program else inputs.executable, *arguments)


def expanded(text: str, known: Mapping[str, str]) -> str:
    """Replace `$(NAME)` as Kubernetes does: `$$` is a plain `$`, an unknown name stays."""

    def value_of(match: re.Match[str]) -> str:
        escaped, name = match.groups()
        return "$" if escaped else known.get(name, match[0])

    return _REFERENCE.sub(value_of, text)
