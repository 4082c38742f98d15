"""What a Pod template refers to by name, looked up among the applied objects.

The values go into the plan and nowhere else: not into a message, a log, or the template.
"""

from __future__ import annotations

from collections.abc import Iterator

from casemate.api.function import Function
from casemate.api.meta import FunctionRef
from casemate.api.workload import Container, EnvVar, KeySelector, PodTemplate, SecretVolume
from casemate.engine.objects import Objects
from casemate.errors import NotFound
from casemate.node.plan_inputs import FilesVolume, VolumeFile

_DEFAULT_MODE = 0o400
# Kyma's name for the Secret with a private registry's .npmrc or pip.conf.
REGISTRY_SECRET = "serverless-package-registry-config"  # noqa: S105  # a name, not a secret


class MissingReference(NotFound):
    """A Secret, ConfigMap or key that the manifest names does not exist."""

    code = "MissingReference"


def refers_to(function: Function, kind: str, name: str) -> bool:
    """Tell whether a Function's revision depends on this Secret or ConfigMap of its namespace."""
    spec = function.spec
    mounted = {mount.secret_name for mount in spec.secret_mounts or ()} | {REGISTRY_SECRET}
    if kind == "Secret" and name in mounted:
        return True
    for variable in spec.env or ():
        source = variable.value_from
        if source is None:
            continue
        selector = source.secret_key_ref if kind == "Secret" else source.config_map_key_ref
        if selector is not None and selector.name == name:
            return True
    return False


def resolved_environment(
    template: PodTemplate, ref: FunctionRef, objects: Objects
) -> dict[str, str]:
    """Return the value of every variable that comes from elsewhere; raises MissingReference."""
    return dict(
        pair
        for container in template.spec.containers
        for pair in _variables(container, ref, objects)
    )


def secret_volume(secret: SecretVolume, ref: FunctionRef, objects: Objects) -> FilesVolume | None:
    """Return a Secret's files, None for an optional one that is absent."""
    found = objects.secret(ref.namespace, secret.secret_name)
    if found is None:
        if secret.optional:
            return None
        raise MissingReference(
            f"secret {ref.namespace}/{secret.secret_name} does not exist",
            hint="put it into a manifest beside the Function",
        )
    mode = secret.default_mode if secret.default_mode is not None else _DEFAULT_MODE
    values = found.values()
    if secret.items is None:
        return FilesVolume(tuple(VolumeFile(key, values[key], mode) for key in sorted(values)))
    missing = [item.key for item in secret.items if item.key not in values]
    if missing:
        raise MissingReference(f"secret {secret.secret_name} has no key {', '.join(missing)}")
    return FilesVolume(
        tuple(VolumeFile(item.path, values[item.key], item.mode or mode) for item in secret.items)
    )


def _variables(
    container: Container, ref: FunctionRef, objects: Objects
) -> Iterator[tuple[str, str]]:
    for variable in container.env:
        if variable.value_from is not None:
            value = _value(variable, ref, objects)
            if value is not None:
                yield variable.name, value


def _value(variable: EnvVar, ref: FunctionRef, objects: Objects) -> str | None:
    source = variable.value_from
    if source is None:
        return variable.value
    if source.secret_key_ref is not None:
        secret = objects.secret(ref.namespace, source.secret_key_ref.name)
        values = secret.values() if secret else {}
        return _decoded(variable.name, source.secret_key_ref, "secret", values)
    if source.config_map_key_ref is not None:
        config = objects.config_map(ref.namespace, source.config_map_key_ref.name)
        texts = {key: text.encode() for key, text in ((config and config.data) or {}).items()}
        return _decoded(variable.name, source.config_map_key_ref, "configmap", texts)
    return _field(variable, ref)


def _decoded(name: str, selector: KeySelector, kind: str, values: dict[str, bytes]) -> str | None:
    if selector.key in values:
        try:
            return values[selector.key].decode()
        except UnicodeDecodeError:
            raise MissingReference(
                f"variable {name}: {kind} {selector.name} key {selector.key} is not UTF-8 text",
                hint="mount it as a file instead: secretMounts",
            ) from None
    if selector.optional:
        return None
    raise MissingReference(
        f"variable {name}: {kind} {selector.name} with key {selector.key} does not exist",
        hint="put it into a manifest beside the Function",
    )


def _field(variable: EnvVar, ref: FunctionRef) -> str:
    known = {"metadata.name": ref.name, "metadata.namespace": ref.namespace}
    path = (
        variable.value_from.field_ref.field_path
        if (variable.value_from and variable.value_from.field_ref)
        else ""
    )
    if path not in known:
        raise MissingReference(
            f"variable {variable.name}: field {path!r} is not known on this engine",
            hint=f"one of {', '.join(sorted(known))}",
        )
    return known[path]
