"""Recurrent networks over sequences: the cells' formulas and the loop over time.

In come sequences with one row for each entry (all first entries, then all second ones ...), and how many rows each time has; out go the outputs in the same order and the last
states. The one idea: a padded batch is a packed one whose times all have the same number of rows, so one loop serves both; the input's share of all gates
is one product for all times. Where a graph is captured for any length, the loop is a `scan`.

Formulas: Elman 1990; Hochreiter and Schmidhuber 1997 with forget gates; Cho et al. 2014, in the variant where the reset gate follows the product.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..control import scan
from ..ops.definition import OPS
from ..tensor import Tensor
from . import recurring
from .fused import fused, plain
from .layers import linear
from .pointwise import sigmoid, tanh
from .shape import chunk

State = tuple[Tensor, ...]
Weights = Sequence[Any]  # input weights, hidden weights, their biases, projection


def tanh_step(gates: Tensor, state: State, weights: Weights) -> State:
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh); `gates` is the input's share."""
    return (tanh(gates + linear(state[0], weights[1], weights[3])),)


def relu_step(gates: Tensor, state: State, weights: Weights) -> State:
    """h' = relu(W_ih x + b_ih + W_hh h + b_hh)."""
    return (OPS["relu"](gates + linear(state[0], weights[1], weights[3])),)


def lstm_step(gates: Tensor, state: State, weights: Weights) -> State:
    """c' = f c + i g and h' = o tanh(c') (times the projection), with the gates i, f, g, o in this order."""
    h, c = state
    i, f, g, o = chunk(gates + linear(h, weights[1], weights[3]), 4, 1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(c)
    return (h if weights[4] is None else linear(h, weights[4])), c


def gru_step(gates: Tensor, state: State, weights: Weights) -> State:
    """h' = (1 - z) n + z h with n = tanh(x_n + r h_n), from the gates r, z, n in this order."""
    h = state[0]
    x_reset, x_update, x_new = chunk(gates, 3, 1)
    h_reset, h_update, h_new = chunk(linear(h, weights[1], weights[3]), 3, 1)
    update = sigmoid(x_update + h_update)
    new = tanh(x_new + sigmoid(x_reset + h_reset) * h_new)
    return (new + update * (h - new),)


STEPS: dict[str, Callable[[Tensor, State, Weights], State]] = {
    "RNN_TANH": tanh_step, "RNN_RELU": relu_step, "LSTM": lstm_step, "GRU": gru_step,
}  # fmt: skip


def _rows(x: Tensor, start: Any, stop: Any) -> Tensor:
    return OPS["slice"](x, 0, start, stop, 1)


def run(mode: str, data: Tensor, sizes: Sequence[int], state: State, weights: Weights, reverse: bool) -> tuple[Tensor, State]:
    """One layer in one direction: `data` (rows of all times, features), `sizes` the rows of each time, never growing.

    Returns the outputs (rows of all times, hidden) and the last states, a row for each example.
    """
    return _walk(mode, linear(data, weights[0], weights[2]), sizes, state, weights, reverse)


def _walk(mode: str, gates: Tensor, sizes: Sequence[int], state: State, weights: Weights, reverse: bool) -> tuple[Tensor, State]:
    step = STEPS[mode]
    starts = [0]
    for size in sizes:
        starts.append(starts[-1] + size)
    outputs: list[Tensor] = []
    if reverse:
        now = tuple(_rows(s, 0, sizes[-1]) for s in state)
        for t in range(len(sizes) - 1, -1, -1):
            rows = now[0].shape[0]
            if sizes[t] > rows:  # examples that end here begin, backwards
                now = tuple(OPS["cat"]((n, _rows(s, rows, sizes[t])), 0) for n, s in zip(now, state))
            now = step(_rows(gates, starts[t], starts[t + 1]), now, weights)
            outputs.append(now[0])
        outputs.reverse()
        return OPS["cat"](tuple(outputs), 0), now
    now, finished = state, []
    for t, size in enumerate(sizes):
        if size < now[0].shape[0]:  # examples that ended
            finished.append(tuple(_rows(n, size, n.shape[0]) for n in now))
            now = tuple(_rows(n, 0, size) for n in now)
        now = step(_rows(gates, starts[t], starts[t + 1]), now, weights)
        outputs.append(now[0])
    if finished:
        now = tuple(OPS["cat"]((n, *(ended[i] for ended in reversed(finished))), 0) for i, n in enumerate(now))
    return OPS["cat"](tuple(outputs), 0), now


@fused(recurring.lstm, recurring.lstm_backward)
def _lstm(gates: Tensor, h: Tensor, c: Tensor, weight: Tensor, bias: Tensor | None, reverse: bool) -> Tensor:
    """The outputs (times, rows, hidden), and the last cells behind them."""
    length, batch, width = gates.shape
    out, (_, cells) = _walk("LSTM", OPS["view"](gates, (length * batch, width)), [batch] * length, (h, c), (None, weight, None, bias, None), reverse)
    return OPS["cat"]((OPS["view"](out, (length, *c.shape)), OPS["unsqueeze"](cells, 0)), 0)


@fused(recurring.gru, recurring.gru_backward)
def _gru(gates: Tensor, h: Tensor, weight: Tensor, bias: Tensor | None, reverse: bool) -> Tensor:
    """The outputs (times, rows, hidden)."""
    length, batch, width = gates.shape
    out, _ = _walk("GRU", OPS["view"](gates, (length * batch, width)), [batch] * length, (h,), (None, weight, None, bias, None), reverse)
    return OPS["view"](out, (length, *h.shape))


AT_ONCE: dict[str, Callable[..., Tensor]] = {"LSTM": _lstm, "GRU": _gru}  # eagerly, where nobody looks at each operator


def _at_once(mode: str, gates: Tensor, state: State, weights: Weights, reverse: bool) -> tuple[Tensor, State]:
    length, batch, size = gates.shape[0], *state[0].shape
    out = AT_ONCE[mode](gates, *state, weights[1], weights[3], reverse)
    last = OPS["select"](out, 0, 0 if reverse else length - 1)
    ended = (last, OPS["select"](out, 0, length)) if mode == "LSTM" else (last,)
    return OPS["view"](_rows(out, 0, length), (length * batch, size)), ended


def run_even(mode: str, data: Tensor, length: Any, batch: Any, state: State, weights: Weights, reverse: bool) -> tuple[Tensor, State]:
    """`run` with the same number of rows, `batch`, at each of `length` times."""
    gates = linear(data, weights[0], weights[2])
    if type(length) is int:
        if mode in AT_ONCE and weights[4] is None and plain((gates, *state, weights[1])) is not None:
            return _at_once(mode, OPS["view"](gates, (length, batch, gates.shape[1])), state, weights, reverse)
        return _walk(mode, gates, [batch] * length, state, weights, reverse)
    times = OPS["view"](gates, (length, batch, gates.shape[1]))

    def step(now: State, gates: Tensor) -> tuple[State, Tensor]:
        after = STEPS[mode](gates, now, weights)
        return after, after[0]

    ended, outputs = scan(step, state, times, reverse=reverse)
    return OPS["view"](outputs, (length * batch, outputs.shape[2])), ended
