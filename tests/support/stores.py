"""Stores for tests: keys, objects and one-line lives of a store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from casemate.apiserver.resource import GroupResource
from casemate.apiserver.store.database import Store
from casemate.apiserver.store.objects import ObjectKey

SECRETS = GroupResource("", "secrets")
CONFIG_MAPS = GroupResource("", "configmaps")
ENCRYPTED = (SECRETS,)
Answer = TypeVar("Answer")


def a_key(name: str, of: GroupResource = CONFIG_MAPS, namespace: str = "default") -> ObjectKey:
    return ObjectKey(*of, namespace, name)


def an_object(key: ObjectKey, value: str = "", **metadata: Any) -> dict[str, Any]:
    named = {"name": key.name, "namespace": key.namespace, "uid": f"uid-{key.name}"}
    return {"kind": "Any", "metadata": named | metadata, "data": {"value": value}}


def with_store(
    path: Path | None,
    use: Callable[[Store], Awaitable[Answer]],
    encrypt: tuple[GroupResource, ...] = ENCRYPTED,
) -> Answer:
    """Open, use, close."""

    async def life() -> Answer:
        store = await Store.open(path, encrypt=encrypt)
        try:
            return await use(store)
        finally:
            await store.close()

    return asyncio.run(life())


def fill(path: Path, count: int = 3, of: GroupResource = CONFIG_MAPS, value: str = "") -> None:
    """Make a store with objects `n0`, `n1`, ..."""

    async def use(store: Store) -> None:
        keys = [a_key(f"n{number}", of) for number in range(count)]
        await asyncio.gather(*(store.create(key, an_object(key, value)) for key in keys))

    with_store(path, use)


def values(path: Path, of: GroupResource = CONFIG_MAPS) -> dict[str, str]:
    """Return what a store holds."""

    async def use(store: Store) -> dict[str, str]:
        return {one.key.name: one.tree()["data"]["value"] for one in store.list(of).items}

    return with_store(path, use)
