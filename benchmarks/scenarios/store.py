"""10,000 Functions in the store of the local API: apply, list, watch, memory and start.

The API is the real one, with its checks, on a disk with real fsync; HTTPS is spoken where a client
would. It runs in a process of its own, so that the memory is its own. The clients share the cores.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import resource
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.request import Request, urlopen

import yaml

from casemate.engine.api_service import ApiOptions, ApiService

FUNCTIONS = 10_000
APPLIES = 500
WATCHERS = 100
EVENTS = 100
LISTS = 5
_PAGE = 500
_AT_ONCE = 16
_PATH = "/apis/serverless.kyma-project.io/v1alpha2/namespaces/default/functions"


def measure() -> list[dict[str, object]]:
    """Return the rows, measured in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scenarios.store"],
        check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    rows: list[dict[str, object]] = json.loads(done.stdout.splitlines()[-1])
    return rows


async def _measured() -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory(prefix="casemate-bench-") as folder:
        data = Path(folder)
        async with _service(data) as service:
            rows = [await _fill(service)]
            rows += await _changes(service)
        began = time.perf_counter()
        async with _service(data) as service:
            await service.serve({})
            opened = (time.perf_counter() - began) * 1000
            rows.append(_row(f"API start with {FUNCTIONS} Functions in the store", [opened]))
            held = _memory()
            rows += await _lists(service)
            rows.append(await _fan_out(service))
        return [
            *rows,
            {"what": f"memory of the API with {FUNCTIONS} Functions: {held} MiB"},
            {"what": f"memory of the API, most in all of this: {_most_memory()} MiB"},
        ]


def _service(data: Path) -> ApiService:
    return ApiService(ApiOptions(data, data / "keys"))


def _function(number: int, line: str = "") -> dict[str, object]:
    source = f"def main(event, context):\n    return 'hello {number}'\n{line}"
    return {
        "apiVersion": "serverless.kyma-project.io/v1alpha2",
        "kind": "Function",
        "metadata": {"name": f"function-{number}", "namespace": "default"},
        "spec": {"runtime": "python312", "source": {"inline": {"source": source}}},
    }


async def _fill(service: ApiService) -> dict[str, object]:
    await service.ensure_namespace("default")
    began = time.perf_counter()
    times = await _at_once(
        range(FUNCTIONS), lambda number: service.apply(_function(number), "bench")
    )
    row = _row(f"apply of {FUNCTIONS} new Functions, {_AT_ONCE} at once", times)
    return row | {"ours_per_second": round(FUNCTIONS / (time.perf_counter() - began))}


async def _changes(service: ApiService) -> list[dict[str, object]]:
    async def change(number: int) -> object:
        return await service.apply(_function(number * 7, f"# {number}\n"), "bench")

    before = service.store.revision
    alone = await _at_once(range(APPLIES), change, width=1)
    together = await _at_once(range(APPLIES, 2 * APPLIES), change)
    assert service.store.revision == before + 2 * APPLIES, "each apply is one write"
    return [
        _row(f"apply of a change among {FUNCTIONS}, one at a time, fsync each", alone),
        _row(f"apply of a change among {FUNCTIONS}, {_AT_ONCE} at once", together),
    ]


async def _lists(service: ApiService) -> list[dict[str, object]]:
    get = _client(service)
    whole = [await asyncio.to_thread(_timed, get, _PATH) for _ in range(LISTS)]
    everything = json.loads(await asyncio.to_thread(get, _PATH))
    assert len(everything["items"]) == FUNCTIONS
    pages, count = [], 0
    token = ""
    while True:
        path = f"{_PATH}?limit={_PAGE}&continue={token}"
        pages.append(await asyncio.to_thread(_timed, get, path))
        page = json.loads(await asyncio.to_thread(get, path))
        count += len(page["items"])
        token = page["metadata"].get("continue", "")
        if not token:
            break
    assert count == FUNCTIONS
    return [
        _row(f"list of {FUNCTIONS} Functions over HTTPS", whole),
        _row(f"page of {_PAGE} of {FUNCTIONS} over HTTPS", pages),
    ]


async def _fan_out(service: ApiService) -> dict[str, object]:
    """Time from the start of an apply until the last of 100 watchers has its event."""
    watches = [service.watch("Function") for _ in range(WATCHERS)]
    times = []
    for number in range(EVENTS):
        began = time.perf_counter()
        waiting = [asyncio.ensure_future(watch.next(None)) for watch in watches]
        await service.apply(_function(number, "# changed\n"), "bench")
        await asyncio.gather(*waiting)
        times.append((time.perf_counter() - began) * 1000)
    for watch in watches:
        watch.close()
    return _row(f"apply until the last of {WATCHERS} watchers knows", times)


async def _at_once(
    numbers: range, act: Callable[[int], Awaitable[object]], width: int = _AT_ONCE
) -> list[float]:
    waiting = iter(numbers)
    times: list[float] = []

    async def client() -> None:
        for number in waiting:
            began = time.perf_counter()
            await act(number)
            times.append((time.perf_counter() - began) * 1000)

    await asyncio.gather(*(client() for _ in range(width)))
    return times


def _client(service: ApiService) -> Callable[[str], bytes]:
    """Return a reader with the administrator's certificate."""
    config = yaml.safe_load(service.kubeconfig())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(
        cadata=base64.b64decode(cluster["certificate-authority-data"]).decode()
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in ("client-certificate-data", "client-key-data"):
            place = Path(folder) / name
            place.touch(mode=0o600)
            place.write_bytes(base64.b64decode(user[name]))
        context.load_cert_chain(
            Path(folder) / "client-certificate-data", Path(folder) / "client-key-data"
        )

    def get(path: str) -> bytes:
        request = Request(service.url + path, headers={"accept": "application/json"})
        with urlopen(request, context=context, timeout=30) as reply:
            return bytes(reply.read())

    return get


def _timed(get: Callable[[str], bytes], path: str) -> float:
    began = time.perf_counter()
    get(path)
    return (time.perf_counter() - began) * 1000


def _row(what: str, times: list[float]) -> dict[str, object]:
    ordered = sorted(times)
    return {
        "what": what,
        "p50_ms": round(statistics.median(ordered), 2),
        "p99_ms": round(ordered[int(len(ordered) * 0.99) - (len(ordered) > 1)], 2),
        "max_ms": round(ordered[-1], 1),
        "errors": 0,
    }


def _memory() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024**2


def _most_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_measured())))
