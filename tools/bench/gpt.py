"""Milliseconds a training step of the demo's GPT: eager, `model.compile()`, and the whole step compiled.

In comes how many steps, out come the medians and how much faster each way is than eager. The one idea: the ways take turns in short runs, and a ratio
is of neighbours in time; the first steps of a run, which compile, are left out (see tools/demo/ways.py).
"""

from __future__ import annotations

import statistics

from ..demo import gpt
from ..demo.ways import WARM_UP, WAYS, train


def measure(steps: int, repeat: int) -> list[tuple[str, float, float]]:
    """(way, median milliseconds, median of eager's milliseconds over its own) over `repeat` rounds of `steps` timed steps each."""
    rounds = []
    for _ in range(repeat):
        rounds.append({way: train(gpt.Text(steps + WARM_UP), way, steps + WARM_UP, lambda loss: None).milliseconds for way in WAYS})
    return [(way, statistics.median(one[way] for one in rounds), statistics.median(one["eager"] / one[way] for one in rounds)) for way in WAYS]
