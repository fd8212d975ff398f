"""What a fresh process pays before the first compiled step of the demo's GPT: import, then the first call, cold (an empty cache) and warm.

In comes how often to repeat, out come the medians. The one idea: every figure is of a process of its own, cold and warm in turn, so that what else the
machine does meets both alike; what matters is their ratio.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile

PROGRAM = """
import json, time
start = time.perf_counter()
import segue
imported = time.perf_counter() - start
from segue.tools.demo import gpt
segue.manual_seed(0)
job = gpt.Text(1)
model, optimizer = job.build()

@segue.compile
def step(x, y):
    optimizer.zero_grad()
    loss = job.loss(model, x, y)
    loss.backward()
    optimizer.step()
    return loss

batch = next(iter(job.batches()))
start = time.perf_counter()
step(*batch).item()
print(json.dumps({"import": imported, "first call": time.perf_counter() - start, **segue.compiler.stats()}))
"""


def fresh(folder: str) -> dict[str, float]:
    """The figures and counters of one process with this cache folder. Raises CalledProcessError where it fails."""
    environment = {**os.environ, "SEGUE_CACHE_DIR": folder, "SEGUE_CACHE": "1"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(repeat: int) -> list[tuple[str, float]]:
    """(what, median seconds) of `repeat` cold and warm processes in turn, and the ratio of their first calls."""
    cold, warm = [], []
    for _ in range(repeat):
        with tempfile.TemporaryDirectory(prefix="segue-bench-") as folder:
            cold.append(fresh(folder))
            warm.append(fresh(folder))

    def median(runs: list[dict[str, float]], name: str) -> float:
        return statistics.median(run[name] for run in runs)

    rows = [("import segue", median(cold + warm, "import")), ("first call, cold", median(cold, "first call"))]
    rows += [("  of it in the C++ compiler", median(cold, "build_seconds")), ("first call, warm", median(warm, "first call"))]
    ratio = statistics.median(b["first call"] / a["first call"] for a, b in zip(cold, warm))
    return [*rows, ("warm / cold (ratio)", ratio)]
