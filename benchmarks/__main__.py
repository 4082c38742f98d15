"""Run every scenario in one go and write benchmarks/results: figures, machine, commit."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.harness.engine import RunningEngine
from benchmarks.scenarios import apply_storm, computing, reload, starts, store, warm_hello

RESULTS = Path(__file__).parent / "results"
COLUMNS = (
    "what", "baseline_per_second", "ours_per_second", "ratio", "baseline_p99_ms", "p50_ms",
    "p99_ms", "max_ms", "errors",
)  # fmt: skip


def main() -> None:
    """Measure, print, write."""
    with RunningEngine() as engine:
        rows = warm_hello.measure(engine)
        rows += [starts.sandbox_start(engine, name) for name in ("hello-python", "hello-node")]
        rows.append(starts.invoke(engine))
    rows.append(computing.measure())
    rows += [reload.measure(runtime) for runtime in ("python313", "nodejs24")]
    rows.append(apply_storm.measure())
    rows += store.measure()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    made = {
        "commit": commit,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),  # noqa: TID251  # not the product's time
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}",
        "rows": rows,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "latest.json").write_text(json.dumps(made, indent=1) + "\n")
    (RESULTS / "README.md").write_text(as_markdown(made, rows))
    print(as_markdown(made, rows))


def as_markdown(made: dict[str, object], rows: list[dict[str, object]]) -> str:
    """Write the table."""
    head = [
        "# Measured\n",
        f"`make bench` on {made['machine']} (shared), commit {made['commit']}, {made['date']}.",
        "The baselines are the peer's server designs alone, without sandbox, gateway or token;",
        "ours pays for all three. Load generator, gateway and Function share the cores.\n",
        "| " + " | ".join(COLUMNS) + " |",
        "| " + " | ".join("---" for _ in COLUMNS) + " |",
    ]
    body = ["| " + " | ".join(str(row.get(name, "")) for name in COLUMNS) + " |" for row in rows]
    return "\n".join([*head, *body, ""])


if __name__ == "__main__":
    main()
