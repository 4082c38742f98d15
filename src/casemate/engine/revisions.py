"""A manifest -> a revision that this machine can run: source, packages, template, plan.

Every part is named by its digest, so that equal manifests give the same revision and the second
making costs a few look-ups. What waits for the disk runs in a thread; what may wait for a registry
in one of a few of its own, so that it holds up nobody who needs no registry.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from casemate.api.effective import timeout_seconds
from casemate.api.function import Function, FunctionRevision
from casemate.api.meta import FunctionRef
from casemate.api.workload import PodTemplate
from casemate.controller.reconciler import MadeRevision, Progress
from casemate.engine.custom_images import CustomImages
from casemate.engine.host_users import HostUsers
from casemate.engine.objects import Objects
from casemate.engine.references import REGISTRY_SECRET, resolved_environment, secret_volume
from casemate.engine.rendering import render_policy, runtime_image
from casemate.errors import Internal
from casemate.node.instance import WorkerPlan
from casemate.node.interpreters import Interpreters
from casemate.node.launch import Launcher
from casemate.node.layers import Layer, Layers
from casemate.node.plan_inputs import PlanInputs, VolumeContent
from casemate.node.probes import ProbeRules
from casemate.node.registry_secret import RegistryConfig
from casemate.node.resolve import Resolver
from casemate.node.root_view import Interpreter, ReadOnlyMount, RootView
from casemate.node.runtime_server import ensure_runtime_server
from casemate.node.sandbox_plan import plan_sandbox
from casemate.node.sandbox_steps import HostPath
from casemate.node.source_trees import SourceTree, ensure_source_tree
from casemate.node.store import Store
from casemate.node.tools import PackageTools
from casemate.render.hardening import harden
from casemate.render.pod_template import render_pod_template
from casemate.render.volumes import PACKAGES_VOLUME, SOURCE_VOLUME
from casemate.settings import Settings
from casemate.sources.inline import folder_source, inline_source
from casemate.sources.lockfile import Dependencies, parse_dependencies

_NAME_DIGITS = 10
# Each may start a resolver and a build; two cores do not get faster by more.
_BUILDERS = 4
_READERS = 4
# A change of the machine's interpreters is noticed after this long, without a look for each make.
_BASIS_SECONDS = 30.0
# The one that serves, the one that is to follow, and one that drains.
_KEPT_TEMPLATES = 3


@dataclass(frozen=True, slots=True)
class _Basis:
    """What all Functions of one runtime share."""

    interpreter: Interpreter
    server: ReadOnlyMount
    base: Layer


@dataclass(frozen=True, slots=True)
class _Parts:
    """Everything of a revision that lies in the store."""

    source: SourceTree
    basis: _Basis
    layer: Layer | None

    @property
    def interpreter(self) -> Interpreter:
        """The interpreter that runs it."""
        return self.basis.interpreter


class LocalRevisions:
    """The local engine's RevisionMaker (see `casemate.controller.reconciler`)."""

    def __init__(
        self, settings: Settings, objects: Objects, launcher: Launcher, *, strict: bool
    ) -> None:
        self._objects = objects
        self._launcher = launcher
        self._strict = strict
        self._users = HostUsers()
        self._store = Store(settings.state_dir)
        self._interpreters = Interpreters(settings, self._store)
        self._images = CustomImages(self._store, objects)
        tools = PackageTools(settings.cache_dir, lambda: self._interpreters.ensure("nodejs24").root)
        self._resolver = Resolver(tools, settings.state_dir / "locks-resolved")
        self._layers = Layers(self._store, tools)
        self._bases: dict[str, tuple[float, _Basis]] = {}
        self._templates: dict[FunctionRef, dict[str, dict[str, Any]]] = {}
        self._builders = ThreadPoolExecutor(_BUILDERS, "build")
        self._readers = ThreadPoolExecutor(_READERS, "source")
        # Only names: what exists in /proc decides what must be covered.
        self._proc_entries = frozenset(path.name for path in Path("/proc").iterdir())

    def close(self) -> None:
        """Start nothing more; what is being built ends by itself."""
        for pool in (self._builders, self._readers):
            pool.shutdown(wait=False, cancel_futures=True)

    def template(self, ref: FunctionRef, revision: str) -> Mapping[str, Any]:
        """Return the Pod template of a revision that was made of late, or an empty one."""
        return self._templates.get(ref, {}).get(revision, {})

    def forget(self, ref: FunctionRef) -> None:
        """Drop what is remembered of a Function that is gone."""
        self._templates.pop(ref, None)

    async def make(self, function: Function, progress: Progress) -> MadeRevision:
        """Make the revision of this manifest; raises CasemateError with the reason."""
        loop = asyncio.get_running_loop()

        def say(step: str) -> None:
            loop.call_soon_threadsafe(progress, step)

        # Before anything is fetched: a manifest that may not run must not make this machine work.
        render_policy(function, serverless=self._objects.serverless())
        inline = function.spec.source.inline
        if inline is None:
            raise Internal("a source that is not inline was let through")
        folder = self._objects.folder(function.ref)
        basis = await self._basis(function, say)
        source = await loop.run_in_executor(self._readers, self._source, function, folder)
        dependencies = parse_dependencies(inline.dependencies, function.runtime.language)
        layer = None
        if dependencies is not None:
            registry = self._registry(function)
            build = partial(self._layer, dependencies, basis.interpreter, registry, say)
            layer = await loop.run_in_executor(self._builders, build)
        made = self._plan(function, _Parts(source, basis, layer))
        known = self._templates.setdefault(function.ref, {})
        known.pop(made.revision.name, None)
        known[made.revision.name] = made.template
        for oldest in list(known)[:-_KEPT_TEMPLATES]:
            del known[oldest]
        return made

    async def _basis(self, function: Function, say: Progress) -> _Basis:
        loop, image = asyncio.get_running_loop(), function.spec.runtime_image_override
        if image is not None:
            self._images.require_allowed(function, image)
        name = f"{function.spec.runtime} {image or ''}"
        known = self._bases.get(name)
        if known is not None and loop.time() < known[0]:
            return known[1]
        basis = await loop.run_in_executor(self._builders, self._ensure_basis, function, say)
        self._bases[name] = (loop.time() + _BASIS_SECONDS, basis)
        return basis

    def _ensure_basis(self, function: Function, say: Progress) -> _Basis:
        image = function.spec.runtime_image_override
        interpreter = (
            self._interpreters.ensure(function.spec.runtime, say)
            if image is None
            else self._images.interpreter(function, image)
        )
        base = self._layers.ensure_base_layer(interpreter)
        return _Basis(interpreter, ensure_runtime_server(self._store, interpreter), base)

    def _source(self, function: Function, folder: Path | None) -> SourceTree:
        runtime, inline = function.runtime, function.spec.source.inline
        if folder is not None:
            files = folder_source(folder, runtime=runtime)
        elif inline is not None:
            files = inline_source(inline.source, inline.dependencies, runtime=runtime)
        else:
            raise Internal("a source that is not inline was let through")
        return ensure_source_tree(self._store, files)

    def _registry(self, function: Function) -> RegistryConfig | None:
        secret = self._objects.secret(function.ref.namespace, REGISTRY_SECRET)
        content = RegistryConfig.from_secret(secret.values()) if secret else None
        return content.concerning(function.runtime.language) if content else None

    def _layer(
        self,
        dependencies: Dependencies,
        interpreter: Interpreter,
        registry: RegistryConfig | None,
        say: Progress,
    ) -> Layer:
        say("resolving dependencies")
        lock = self._resolver.resolve(dependencies, interpreter, registry=registry)
        say("building the dependency layer")
        return self._layers.ensure(lock, interpreter, registry=registry)

    def _plan(self, function: Function, parts: _Parts) -> MadeRevision:
        policy = render_policy(
            function,
            serverless=self._objects.serverless(),
            policies=self._objects.policies(),
            namespace_labels=self._objects.namespace_labels(function.ref.namespace),
        )
        policy = replace(
            policy,
            runtime_image=runtime_image(function.spec.runtime, parts.interpreter.digest),
            source_digest=parts.source.digest,
            source_files=parts.source.files,
            layer_digest=parts.layer.digest if parts.layer else None,
        )
        template = render_pod_template(function, policy)
        relaxed = harden(function, policy).relaxed_fields
        inputs = self._inputs(function, template, parts)
        # The template asks for it only because a policy let it through; the node checks both.
        unconfined = any("seccompProfile" in name for name in relaxed)
        sandbox = plan_sandbox(template, replace(inputs, allow_unconfined_seccomp=unconfined))
        # Whatever changes the sandbox, a Secret's value included, makes another revision; the host
        # user differs with each life of the engine and changes nothing that runs inside.
        inside = replace(sandbox, ids=replace(sandbox.ids, host_uid=None, host_gid=None))
        whole = hashlib.sha256(repr(_fingerprint(inside)).encode()).hexdigest()
        name = f"{function.ref.name}-{whole[:_NAME_DIGITS]}"
        revision = FunctionRevision(
            name=name,
            source_digest=parts.source.digest,
            lock_digest=parts.layer.lock.digest if parts.layer else None,
            runtime_image_digest=parts.interpreter.digest,
            template_digest=f"sha256:{_digest(template.wire())}",
        )
        plan = WorkerPlan(
            name,
            sandbox,
            ProbeRules.of(template.spec.containers[0]),
            timeout_seconds(function.spec, policy.timeout_seconds),
        )
        return MadeRevision(revision, plan, relaxed, template.wire())

    def _inputs(self, function: Function, template: PodTemplate, parts: _Parts) -> PlanInputs:
        ref, root = function.ref, parts.interpreter.root
        uid = self._users.uid(ref) if self._launcher.enforcement.separate_users else None
        return PlanInputs(
            function=str(ref),
            root=RootView(
                (*root.mounts, parts.basis.server, parts.basis.base.mount),
                root.symlinks,
                root.files,
            ),
            executable=parts.interpreter.executable,
            enforcement=self._launcher.enforcement,
            volumes=self._volumes(function, template, parts),
            resolved_environment=resolved_environment(template, ref, self._objects),
            host_uid=uid,
            host_gid=uid,
            proc_entries=self._proc_entries,
            strict=self._strict,
        )

    def _volumes(
        self, function: Function, template: PodTemplate, parts: _Parts
    ) -> Mapping[str, VolumeContent]:
        volumes: dict[str, VolumeContent] = {SOURCE_VOLUME: HostPath(str(parts.source.path))}
        if parts.layer is not None:
            volumes[PACKAGES_VOLUME] = HostPath(parts.layer.mount.source)
        for volume in template.spec.volumes:
            if volume.name not in volumes and volume.secret is not None:
                files = secret_volume(volume.secret, function.ref, self._objects)
                if files is not None:
                    volumes[volume.name] = files
        return volumes


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _fingerprint(sandbox: object) -> tuple[object, ...]:
    """Return every field's value, also those whose `repr` hides them."""
    names = getattr(sandbox, "__dataclass_fields__", None)
    if names is None:
        if isinstance(sandbox, tuple):
            return tuple(_fingerprint(each) for each in sandbox)
        return (sandbox,)
    return tuple((name, _fingerprint(getattr(sandbox, name))) for name in names)
