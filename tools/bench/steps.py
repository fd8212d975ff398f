"""Training steps beside PyTorch's and JAX's: a physics-informed network, a GPT, a convolutional network, and an optimiser alone; one thread.

In comes how many rounds and steps, out come the processor time of a step by each way and the ratios to ours. The one idea: each way lives in a process
of its own, so that threads, memory and caches do not mix, and waits between its turns; the ways take turns in short runs, and a ratio is of neighbours
in time, so that what else the machine does meets all alike. A library that is not installed makes a row that says so.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .workloads import WORKLOADS, Step, burgers_in_jax

WARM_UP = 3  # steps before the first that is timed: compiling, filling caches
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
ONE_THREAD["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
OURS = "segue, whole step compiled"


@dataclass(frozen=True)
class Peer:
    """A way to run a workload that ours is compared with, and the most that ours may take of its time."""

    way: str
    library: str
    most: float


TORCH, TORCH_COMPILE, JAX = "PyTorch eager", "torch.compile", "jax.jit"
PEERS: dict[str, tuple[Peer, ...]] = {
    "Burgers PINN": (Peer(TORCH, "torch", 1 / 2), Peer(JAX, "jax", 1 / 2)),
    "GPT": (Peer(TORCH, "torch", 1.0), Peer(TORCH_COMPILE, "torch", 1.0)),
    "small CNN": (Peer(TORCH, "torch", 1.0), Peer(TORCH_COMPILE, "torch", 1.0)),
    "AdamW, 150 tensors": (Peer(TORCH, "torch", 1 / 3),),
}
Row = tuple[str, str, str, str]


# --------------------------------------------------------------------------------------------------------------------
# The process of one way


def build(workload: str, way: str, small: bool = False) -> Step:
    """The step of a workload by a way."""
    if way == JAX:
        return burgers_in_jax()
    library: Any = importlib.import_module("segue" if way == OURS else "torch")
    if library.__name__ == "torch":
        library.set_num_threads(1)
    library.manual_seed(0)
    step = WORKLOADS[workload](library, small)
    return step if way == TORCH else library.compile(step)


def timed(step: Step, count: int) -> list[float]:
    """Milliseconds of processor time of each of `count` steps."""
    found = []
    for _ in range(count):
        start = time.process_time()
        step().item()
        found.append(1000 * (time.process_time() - start))
    return found


def serve(workload: str, way: str) -> None:
    """Answer each line of the standard input, a number of steps, with the times of as many steps."""
    step = build(workload, way)
    timed(step, WARM_UP)
    print("[]", flush=True)
    for line in iter(sys.stdin.readline, ""):
        print(json.dumps(timed(step, int(line))), flush=True)


class Process:
    """A way at work in a process of its own."""

    def __init__(self, workload: str, way: str, folder: str) -> None:
        environment = {**os.environ, **ONE_THREAD}
        environment.setdefault("TORCHINDUCTOR_CACHE_DIR", str(Path(folder, "torch")))
        command = [sys.executable, "-m", __name__, workload, way]
        self.way = way
        self.said = Path(folder, f"{way}.txt")  # a pipe that nobody reads would stop it when full
        with self.said.open("w") as said:
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True)
        self.answer()

    def answer(self) -> list[float]:
        """The times that it reports. Raises RuntimeError with the end of what it said, where it failed."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("["):
                return json.loads(line)
        self.close()
        raise RuntimeError(f"{self.way}: {self.said.read_text().strip().rpartition(chr(10))[2]}")

    def run(self, count: int) -> float:
        """Median milliseconds of `count` steps."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        return statistics.median(self.answer())

    def close(self) -> None:
        """End it."""
        self.process.communicate()


# --------------------------------------------------------------------------------------------------------------------
# The table


def compare(workload: str, rounds: int, steps: int) -> list[Row]:
    """Our row of a workload, and one for each peer."""
    there = [peer for peer in PEERS[workload] if importlib.util.find_spec(peer.library) is not None]
    with tempfile.TemporaryDirectory(prefix="segue-bench-") as folder:
        processes = {way: Process(workload, way, folder) for way in (OURS, *(peer.way for peer in there))}
        try:
            found = [{way: process.run(steps) for way, process in processes.items()} for _ in range(rounds)]
        finally:
            for process in processes.values():
                process.close()
    rows: list[Row] = [(workload, OURS, f"{statistics.median(one[OURS] for one in found):.1f}", "")]
    for peer in PEERS[workload]:
        if peer not in there:
            rows.append(("", peer.way, "", f"({peer.library} is not installed)"))
            continue
        ratio = statistics.median(one[OURS] / one[peer.way] for one in found)
        verdict = "met" if ratio <= peer.most else "missed"
        rows.append(("", peer.way, f"{statistics.median(one[peer.way] for one in found):.1f}", f"{ratio:.2f} (at most {peer.most:.2f}: {verdict})"))
    return rows


def measure(rounds: int, steps: int, workloads: Sequence[str] = tuple(WORKLOADS)) -> list[Row]:
    """(workload, way, milliseconds of processor time a step, our time over its)."""
    return [row for workload in workloads for row in compare(workload, rounds, steps)]


if __name__ == "__main__":
    serve(*sys.argv[1:])
