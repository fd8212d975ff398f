"""What a compiled function costs besides its work: a cached call (beside torch.compile's, where torch is installed), many guards, a capture.

In comes how often to repeat, out come medians and ratios. The one idea: the two take turns in one process, in short runs, and the ratio is of
neighbours in time, so that what else the machine does meets both alike. Capture is timed as the seconds that it counts itself, with the backend
that interprets.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import segue
from segue import nn
from segue.capture.frame import FrameView, Program
from segue.eager.lazy import LazyModule
from segue.eager.stats import stats

from ..demo import gpt

CALLS = 2000  # in one run
LAYERS = 75  # linear layers of the module whose guards are timed: 150 parameters
DEEP = 12  # layers of the GPT that is captured
torch: Any = LazyModule("torch")

Row = tuple[str, str, str]


def run(function: Callable, *args: Any) -> float:
    """Microseconds a call of one run."""
    start = time.perf_counter()
    for _ in range(CALLS):
        function(*args)
    return (time.perf_counter() - start) / CALLS * 1e6


def cached_call(repeat: int) -> list[Row]:
    """x + 1 on eight numbers, compiled: guards, launch and output are all that it costs."""
    ours, x = segue.compile(lambda x: x + 1), segue.rand(8)
    ours(x)
    if find_spec("torch") is None:
        mine = statistics.median(run(ours, x) for _ in range(repeat))
        return [("cached call of a tiny function", f"{mine:.2f} us", "(torch is not installed)")]
    theirs, y = torch.compile(lambda x: x + 1), torch.rand(8)
    theirs(y)
    pairs = [(run(ours, x), run(theirs, y)) for _ in range(repeat)]
    mine, other = (statistics.median(times) for times in zip(*pairs))
    ratio = statistics.median(a / b for a, b in pairs)
    return [("cached call of a tiny function", f"{mine:.2f} us", ""), ("  torch.compile", f"{other:.2f} us", f"ours / its: {ratio:.2f}")]


def guard_check(repeat: int) -> list[Row]:
    """The guards of a module with two parameters a layer, when nothing has changed since they held (beside torch.compile's)."""
    model = nn.Sequential(*[nn.Linear(4, 4) for _ in range(LAYERS)])

    def forward(x: Any) -> Any:
        return model(x)

    x = segue.rand(2, 4)
    guards = segue.explain(forward, backend="eager")(x).captured[0].guards
    program, view = Program(guards.description()), FrameView(forward, {"x": x})
    if not all(program.check(view) for _ in range(3)):
        raise RuntimeError("the guards of the module do not hold where they were made")
    what, seen = f"guards of a module of {2 * LAYERS} parameters", f"{program.memo['tensors'] + program.memo['tested']} of {len(guards)} guards tested"
    theirs = torch_guards()
    if theirs is None:
        return [(what, f"{statistics.median(run(program.check, view) for _ in range(repeat)):.2f} us", seen)]
    pairs = [(run(program.check, view), run(*theirs)) for _ in range(repeat)]
    mine, other = (statistics.median(times) for times in zip(*pairs))
    return [(what, f"{mine:.2f} us", seen), ("  torch.compile", f"{other:.2f} us", f"ours / its: {statistics.median(a / b for a, b in pairs):.2f}")]


def torch_guards() -> tuple[Callable, dict[str, Any]] | None:
    """What checks torch.compile's guards of the same module, and what it takes; None where torch is not installed or no longer has that entry."""
    if find_spec("torch") is None:
        return None
    model, x = torch.nn.Sequential(*[torch.nn.Linear(4, 4) for _ in range(LAYERS)]), torch.rand(2, 4)

    def forward(x: Any) -> Any:
        return model(x)

    torch.compile(forward, backend="eager")(x)
    entries: list[Any] = getattr(torch._C._dynamo.eval_frame, "_debug_get_cache_entry_list", lambda code: [])(forward.__code__)
    return (entries[0].guard_manager.check, {"x": x, "model": model}) if entries else None


def capture(repeat: int) -> list[Row]:
    """A deep GPT's forward, and its loss with the backward, captured anew each time."""
    model, job = gpt.GPT(len(gpt.CHARACTERS), layers=DEEP), gpt.Text(1)
    x, y = next(iter(job.batches()))

    def training(x: Any, y: Any) -> Any:
        loss = job.loss(model, x, y)
        loss.backward()
        return loss

    def seconds(function: Callable, *args: Any) -> float:
        model.zero_grad()
        before = stats.read()
        segue.compile(function, backend="eager")(*args)
        return stats.since(before)["compile_seconds"]

    ways: dict[str, tuple[Callable, tuple]] = {"forward": (lambda x: model(x), (x,)), "loss and backward": (training, (x, y))}
    found = {way: statistics.median(seconds(function, *args) for _ in range(repeat)) for way, (function, args) in ways.items()}
    return [(f"capture of a GPT of {DEEP} layers, {way}", f"{time:.3f} s", "") for way, time in found.items()]


def measure(repeat: int) -> list[Row]:
    """(what, median, what to compare it with)."""
    return [*cached_call(repeat), *guard_check(repeat), *capture(repeat)]
