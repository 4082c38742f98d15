"""What the Pod template says, field by field, and what is refused."""

from __future__ import annotations

import pytest

from casemate.render.errors import Unrenderable
from casemate.render.hardening import harden
from casemate.render.pod_template import render_pod_template
from casemate.render.resources import profile_name
from casemate.render.volumes import layer_reference, source_key, source_secret_name
from casemate.render.workload import render_autoscaler, render_disruption_budget
from support.functions import DIGEST, OTHER_DIGEST, a_function, a_policy


def environment(function, policy=None) -> dict[str, str | None]:
    (container,) = render_pod_template(function, policy or a_policy()).spec.containers
    names = [variable.name for variable in container.env]
    assert len(names) == len(set(names))
    return {variable.name: variable.value for variable in container.env}


@pytest.mark.parametrize(
    ("runtime", "command"),
    [
        ("python312", ("python3", "-I", "-S", "/opt/casemate/runtime/server.py")),
        (
            "nodejs24",
            (
                "node",
                "--max-semi-space-size=4",
                "--disable-sigusr1",
                "--max-old-space-size=665",
                "/opt/casemate/runtime/server.mjs",
            ),
        ),
    ],
)
def test_the_command_is_the_runtime_server(runtime, command):
    (container,) = render_pod_template(a_function(runtime=runtime), a_policy()).spec.containers

    assert container.command == command


def test_the_environment_has_kymas_names_and_the_manifests_values_win():
    own = [{"name": "FUNC_NAME", "value": "mine"}, {"name": "EMPTY"}]

    variables = environment(a_function(env=own, timeoutSeconds=9))

    assert variables["FUNC_NAME"] == "mine"
    assert variables["EMPTY"] == ""
    assert variables["FUNC_TIMEOUT"] == "9"
    assert variables["SERVICE_NAMESPACE"] == "default"
    assert variables["PYTHONUNBUFFERED"] == "TRUE"
    assert "PUBLISHER_PROXY_ADDRESS" not in variables


def test_endpoints_are_told_when_the_installation_has_them():
    variables = environment(a_function(runtime="nodejs24"), a_policy(eventing_endpoint="http://e"))

    assert variables["PUBLISHER_PROXY_ADDRESS"] == "http://e"
    assert "PYTHONUNBUFFERED" not in variables


@pytest.mark.parametrize(
    ("runtime", "path"), [("python312", "/app/packages"), ("nodejs24", "/app/node_modules")]
)
def test_packages_are_an_image_volume_by_digest(runtime, path):
    template = render_pod_template(a_function(runtime=runtime), a_policy(layer_digest=OTHER_DIGEST))

    volume = next(volume for volume in template.spec.volumes if volume.name == "packages")
    assert volume.image.reference == f"casemate.local/layers/{runtime}@{OTHER_DIGEST}"
    mounts = {mount.name: mount for mount in template.spec.containers[0].volume_mounts}
    assert (mounts["packages"].mount_path, mounts["packages"].read_only) == (path, True)
    assert {name for name, mount in mounts.items() if not mount.read_only} == {"tmp"}


def test_scratch_space_is_no_larger_than_the_storage_limit():
    limits = {"cpu": 1, "memory": "1Gi", "ephemeral-storage": "10Mi"}
    function = a_function(resourceConfiguration={"function": {"resources": {"limits": limits}}})

    volumes = {
        volume.name: volume for volume in render_pod_template(function, a_policy()).spec.volumes
    }

    assert volumes["tmp"].empty_dir.size_limit == "10Mi"


def test_secrets_are_readable_by_the_function_only():
    mounts = [{"secretName": "a.b", "mountPath": "//secrets//a/"}]

    template = render_pod_template(a_function(secretMounts=mounts), a_policy())

    volumes = {volume.name: volume for volume in template.spec.volumes}
    assert volumes["secret-0"].secret.default_mode == 0o400
    assert volumes["source"].secret.default_mode == 0o440
    assert template.spec.containers[0].volume_mounts[-1].mount_path == "/secrets/a"


def test_file_names_that_are_no_keys_get_one():
    assert source_key("handler.py") == "handler.py"
    assert source_key("lib/a.js") != source_key("lib/b.js")
    assert source_key("lib/a.js").startswith("file.")
    assert source_secret_name("f", DIGEST) == "f-source-0123456789ab"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source_digest": "sha256:x"}, "a digest is not sha256 and 64 hex digits"),
        ({"layer_digest": "latest"}, "a digest is not sha256 and 64 hex digits"),
        ({"source_files": ()}, "the source holds no file"),
        ({"default_preset": "XXL"}, 'resource preset "XXL" does not exist'),
    ],
)
def test_what_cannot_be_written_is_refused(changes, message):
    with pytest.raises(Unrenderable) as caught:
        render_pod_template(a_function(), a_policy(**changes))

    assert caught.value.message == message


def test_a_layer_is_named_by_digest_only():
    with pytest.raises(Unrenderable):
        layer_reference("python312", "sha256:" + "A" * 64)


LOOSER = {"podSecurityContext": {"seccompProfile": {"type": "Unconfined"}}}


def test_a_loosening_is_refused_with_its_field():
    with pytest.raises(Unrenderable, match="seccompProfile is looser"):
        render_pod_template(a_function(**LOOSER), a_policy())


@pytest.mark.parametrize(
    "changes",
    [
        {"allowed_relaxations": frozenset({"podSecurityContext.seccompProfile"})},
        {"allow_every_relaxation": True},
    ],
)
def test_a_loosening_that_a_policy_allows_is_named(changes):
    hardened = harden(a_function(**LOOSER), a_policy(**changes))

    assert hardened.pod.seccomp_profile.type == "Unconfined"
    assert hardened.relaxed_fields == ("podSecurityContext.seccompProfile",)


def test_no_policy_makes_a_local_sandbox_privileged():
    with pytest.raises(Unrenderable):
        harden(
            a_function(containerSecurityContext={"privileged": True}),
            a_policy(allow_every_relaxation=True),
        )


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ({}, "L"),
        ({"function": {"profile": "XS"}}, "XS"),
        ({"function": {"resources": {}}}, "custom"),
        ({"build": {"profile": "fast"}}, "L"),
    ],
)
def test_the_profile_is_named(wanted, name):
    function = a_function(resourceConfiguration=wanted)

    assert profile_name(function.spec, a_policy()) == name


@pytest.mark.parametrize(
    ("spec", "bounds", "has_budget"),
    [
        ({}, None, False),
        ({"replicas": 3}, None, True),
        ({"scaling": {"min": 0, "max": 1}}, None, False),
        ({"scaling": {"min": 0, "max": 4}}, (1, 4), False),
        ({"scaleConfig": {"minReplicas": 2, "maxReplicas": 3}}, (2, 3), True),
    ],
)
def test_autoscaler_and_budget_exist_where_scaling_asks(spec, bounds, has_budget):
    function = a_function(**spec)
    scaler = render_autoscaler(function)

    found = (scaler.spec.min_replicas, scaler.spec.max_replicas) if scaler else None
    assert found == bounds
    assert (render_disruption_budget(function) is not None) is has_budget
