"""kill -9 at any moment: what was acknowledged is there, nothing is half there, in a loop.

The child is the real store on a real disk; it says over a pipe what was acknowledged to it, so
what the test knows is what a client knew.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from casemate.apiserver.store.database import Store
from support.stores import CONFIG_MAPS, SECRETS, with_store

ROUNDS = 30
WRITER = r"""
import asyncio, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from casemate.apiserver.store.database import Store
from support.stores import CONFIG_MAPS, ENCRYPTED, SECRETS, a_key, an_object

async def client(store, number, of):
    key = a_key(f"client-{number}", of)
    known = store.get(key)
    count = int(known.tree()["data"]["value"].split("-")[0]) if known else 0
    while True:
        count += 1
        os.write(1, f'["asked", "{of.plural}", "{key.name}", {count}, 0]\n'.encode())
        # A body of many pages: half of it would be seen.
        wanted = an_object(key, f"{count}-" + str(count % 10) * 9000)
        if known is None:
            known = await store.create(key, wanted)
        elif count % 7 == 0:
            await store.delete(key, expected=known.resource_version)
            known = await store.create(key, wanted)
        else:
            known = await store.replace(key, wanted, expected=known.resource_version)
        line = f'["stored", "{of.plural}", "{key.name}", {count}, {known.resource_version}]\n'
        os.write(1, line.encode())

async def main():
    store = await Store.open(Path(sys.argv[1]), encrypt=ENCRYPTED)
    await asyncio.gather(*(client(store, n, of) for n in range(4) for of in (CONFIG_MAPS, SECRETS)))

asyncio.run(main())
"""


def killed_after(path: Path, seconds: float) -> list[list]:
    """Let clients write, kill the engine, and return what it said."""
    support = str(Path(__file__).parents[1])
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), support], stdout=subprocess.PIPE
    ) as child:
        first = child.stdout.readline()
        time.sleep(seconds)
        os.kill(child.pid, signal.SIGKILL)
        rest = child.stdout.read()
    return [json.loads(line) for line in (first + rest).splitlines() if line.endswith(b"]")]


def state(path: Path) -> tuple[int, dict[tuple[str, str], tuple[int, int]]]:
    """Return the revision, and per object its count and resourceVersion; each body is whole."""

    async def use(store: Store):
        found = {}
        for of in (CONFIG_MAPS, SECRETS):
            for one in store.list(of).items:
                count, _, body = one.tree()["data"]["value"].partition("-")
                assert body == str(int(count) % 10) * 9000
                found[of.plural, one.key.name] = (int(count), one.resource_version)
        return store.revision, found

    return with_store(path, use)


@pytest.mark.timeout(60)
def test_kill_9_in_a_loop_loses_nothing_acknowledged_and_leaves_nothing_half(tmp_path):
    path = tmp_path / "store.sqlite"
    moments = random.Random(os.urandom(8))  # noqa: S311  # when to kill
    stored: dict[tuple[str, str], tuple[int, int]] = {}
    revision = 1
    acknowledged = 0
    began = time.monotonic()
    rounds = 0
    while rounds < ROUNDS and time.monotonic() - began < 15:
        said = killed_after(path, moments.uniform(0.0, 0.12))
        asked: dict[tuple[str, str], int] = {}
        revisions = []
        for word, plural, name, count, at in said:
            if word == "asked":
                asked[plural, name] = count
            else:
                stored[plural, name] = (count, at)
                revisions.append(at)
        assert all(at > revision for at in revisions), "a revision was used twice"
        assert len(set(revisions)) == len(revisions)
        acknowledged += len(revisions)

        revision_now, found = state(path)

        assert revision_now >= max([revision, *revisions])
        assert len({at for _, at in found.values()}) == len(found)
        for key, (count, at) in stored.items():
            # There as acknowledged; or the next write, in flight, came through: its delete may have.
            if key not in found:
                assert asked.get(key) == count + 1, f"{key} was lost"
                assert (count + 1) % 7 == 0, f"{key} was lost"
                continue
            assert found[key] == (count, at) or (
                found[key][0] == asked.get(key) == count + 1 and found[key][1] > at
            ), f"{key}: {found[key]} for {(count, at)}"
        for key in set(found) - set(stored):
            assert found[key][0] == asked.get(key)
        stored, revision = dict(found), revision_now
        rounds += 1

    assert rounds >= ROUNDS // 2
    assert acknowledged > ROUNDS
