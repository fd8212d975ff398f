"""Packed sequences in a graph: which row of a packed batch is which entry, where perhaps only the run of the graph knows the lengths.

In come tensors of lengths, or of how many examples have a t-th entry, out go rows packed and padded. The one idea: entry t of example b is there where t < lengths[b]; that mask says
everything, so the sizes are two numbers that the run gives (the rows in all, and the longest length), and one graph holds for all lengths. Eager mode, which knows the lengths, slices
instead (nn/utils/rnn.py, recurrent.py).
"""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..autograd.mode import STATE
from ..control import scan
from ..errors import error
from ..ops.definition import OPS
from ..sizes import demand
from ..tensor import Tensor
from .creation import arange, tensor
from .layers import linear
from .pointwise import where
from .positions import none_of, positions, runtime_size
from .recurrent import STEPS, State, Weights
from .reduction import argsort
from .repeats import repeat_interleave


def lengths_of(lengths: Any) -> Tensor | None:
    """Lengths (or numbers of rows) as int64 tensor while a graph is traced; None in eager mode, which knows them."""
    if not STATE.tracers:
        return None
    return lengths.to(dtypes.int64) if isinstance(lengths, Tensor) else tensor(list(lengths), dtype=dtypes.int64)


def pack(padded: Tensor, lengths: Tensor, enforce_sorted: bool) -> tuple[Tensor, Tensor, Tensor | None]:
    """The rows of (T, N, *) that are there, all first ones, then all second ones ..., longest example first; how many examples have a t-th; and the order of the examples, or None.

    The run of the graph raises RuntimeError where eager mode does.
    """
    time, batch = padded.shape[:2]
    demand(lengths.shape[0], "==", batch, lambda: error(RuntimeError, f"Expected `len(lengths)` to be equal to batch_size ({batch})"))
    none_of(lengths <= 0, lambda: error(RuntimeError, "Length of all samples has to be greater than 0"))
    none_of(lengths > time, lambda: error(RuntimeError, f"Expected all lengths to be at most {time}, the size of the input in time"))
    order = None
    if enforce_sorted:
        none_of(lengths[:-1] < lengths[1:], lambda: error(RuntimeError, "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True"))
    else:
        order = argsort(lengths, descending=True, stable=True)
        padded, lengths = padded.index_select(1, order), lengths.index_select(0, order)
    inside = arange(time).unsqueeze(1) < lengths
    longest = runtime_size(OPS["select"](lengths, 0, 0), 1, time, "the longest length")
    data = padded.reshape(time * batch, *padded.shape[2:]).index_select(0, positions(inside.reshape(-1), 1).squeeze(1))
    counts = OPS["slice"](inside.sum(1), 0, 0, longest, 1)
    batch_of(counts, batch)
    return data, counts, order


def batch_of(counts: Tensor, said: Any = None) -> Any:
    """How many examples there are: all have a first entry. Where it is `said` already (by the first states), the run checks it: RuntimeError."""
    found = runtime_size(OPS["select"](counts, 0, 0), 1, 2**31, "the number of packed sequences")
    if said is not None:
        demand(found, "==", said, lambda: error(RuntimeError, f"Expected {said} packed sequences"))
    return found if said is None else said


def _padded(data: Tensor, counts: Tensor, batch: Any, value: Any) -> tuple[Tensor, Tensor]:
    """Packed rows as (T, N, *), with `value` where none is; and which entries are there, (T, N)."""
    none_of(counts.sum() != data.shape[0], lambda: error(RuntimeError, f"batch_sizes do not add up to the {data.shape[0]} rows of a packed sequence"))
    places = arange(batch)
    inside = places < counts.unsqueeze(1)
    index = where(inside, (counts.cumsum(0) - counts).unsqueeze(1) + places, 0)
    rest = data.shape[1:]
    rows = data.index_select(0, index.reshape(-1)).reshape(counts.shape[0], batch, *rest)
    return where(inside.reshape(counts.shape[0], batch, *(1 for _ in rest)), rows, value), inside


def pad(data: Tensor, counts: Tensor, value: float, total: Any) -> tuple[Tensor, Tensor]:
    """The padded tensor (T, N, *), whose T is `total` if given, and the lengths: the inverse of `pack`."""
    if total is not None:
        longest = counts.shape[0]
        demand(total, ">=", longest, lambda: error(ValueError, f"Expected total_length to be at least the length of the longest sequence in input, but got {total}"))
        counts = OPS["cat"]((counts, OPS["full"]((total - longest,), 0, dtypes.int64)), 0)
    padded, inside = _padded(data, counts, batch_of(counts), value)
    return padded, inside.sum(0)


def run_packed(mode: str, data: Tensor, counts: Tensor, batch: Any, state: State, weights: Weights, reverse: bool) -> tuple[Tensor, State]:
    """`recurrent.run` over packed rows: one scan over all times, in which the state of an example that has no entry stays as it is."""
    times, inside = _padded(linear(data, weights[0], weights[2]), counts, batch, 0)

    def step(now: State, slices: tuple[Tensor, Tensor]) -> tuple[State, Tensor]:
        gates, there = slices
        after = tuple(where(there.unsqueeze(1), new, old) for new, old in zip(STEPS[mode](gates, now, weights), now))
        return after, after[0]

    ended, outputs = scan(step, state, (times, inside), reverse=reverse)
    of_row = repeat_interleave(counts, output_size=data.shape[0])
    places = of_row * batch + arange(data.shape[0]) - (counts.cumsum(0) - counts).index_select(0, of_row)
    return outputs.reshape(counts.shape[0] * batch, outputs.shape[2]).index_select(0, places), ended


__all__: list[str] = ["batch_of", "lengths_of", "pack", "pad", "run_packed"]
