"""Kernels of recurrent layers: all times of one layer in one direction, forward and backward over NumPy arrays (see fused.py).

In come the input's share of all gates (times, rows, gates), the first states and the hidden weights, out go the outputs of all times, and behind them the last cells of an LSTM.
The one idea: a time needs a product and some arithmetic on one array that holds all gates; the backward leaves the gradients of all gates, from which the weights' are one product.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops.native import filled


def _sigmoid_into(x: Any) -> None:
    np.negative(x, out=x)
    np.exp(x, out=x)
    x += 1.0
    np.divide(1.0, x, out=x)


def _times(length: int, reverse: bool) -> Any:
    return range(length - 1, -1, -1) if reverse else range(length)


def _before(out: Any, first: Any, reverse: bool) -> Any:
    """The states that each time began with."""
    return np.concatenate((out[1:], first[None]) if reverse else (first[None], out[:-1]))


def _of_weights(slopes: Any, before: Any, bias: Any, wanted: tuple) -> list:
    flat = slopes.reshape(-1, slopes.shape[-1])
    of_weight = flat.T @ before.reshape(-1, before.shape[-1]) if wanted[0] else None
    return [of_weight, np.add.reduce(flat, axis=0) if bias is not None and wanted[1] else None]


def lstm(gates: Any, h: Any, c: Any, weight: Any, bias: Any, reverse: bool) -> Any:
    """c' = f c + i g and h' = o tanh(c') at all times, the gates i, f, g, o."""
    length = len(gates)
    rows, size = h.shape
    out, cells, acts = np.empty((length + 1, rows, size), h.dtype), np.empty((length, rows, size), h.dtype), np.empty(gates.shape, h.dtype)
    now, turned = (h, c), weight.T
    for t in _times(length, reverse):
        act = np.matmul(now[0], turned, out=acts[t])
        if filled("lstm_time", (act, cells[t], out[t]), (gates[t], bias, now[1]), h.shape):
            now = out[t], cells[t]
            continue
        if bias is not None:
            act += bias
        act += gates[t]
        np.tanh(act[:, 2 * size : 3 * size], out=act[:, 2 * size : 3 * size])
        _sigmoid_into(act[:, : 2 * size])
        _sigmoid_into(act[:, 3 * size :])
        i, f, g, o = np.split(act, 4, 1)
        cell = np.multiply(f, now[1], out=cells[t])
        cell += i * g
        now = np.multiply(o, np.tanh(cell), out=out[t]), cell
    out[length] = now[1]
    return out, (_before(out[:length], h, reverse), c, weight, bias, reverse, cells, acts), ()


def lstm_backward(gradient: Any, saved: tuple, wanted: tuple) -> list:
    """The chain rule from the last time to the first."""
    before, c, weight, bias, reverse, cells, acts = saved
    length, size = len(cells), c.shape[1]
    slopes, of_h, of_c = np.empty(acts.shape, c.dtype), np.zeros(c.shape, c.dtype), np.array(gradient[length])
    earlier = _before(cells, c, reverse)
    for t in _times(length, not reverse):
        if filled("lstm_slope_time", (slopes[t], of_c), (acts[t], cells[t], earlier[t], gradient[t], of_h), c.shape):
            of_h = slopes[t] @ weight
            continue
        of_h += gradient[t]
        i, f, g, o = np.split(acts[t], 4, 1)
        squashed = np.tanh(cells[t])
        of_o = of_h * squashed
        of_c += of_h * o * (1 - squashed * squashed)
        slope = slopes[t]
        np.multiply(of_c, g, out=slope[:, :size])
        np.multiply(of_c, earlier[t], out=slope[:, size : 2 * size])
        np.multiply(of_c, i, out=slope[:, 2 * size : 3 * size])
        slope[:, 3 * size :] = of_o
        bend = acts[t] * (1 - acts[t])
        np.subtract(1, g * g, out=bend[:, 2 * size : 3 * size])
        slope *= bend
        of_c *= f
        of_h = slope @ weight
    return [slopes, of_h, of_c, *_of_weights(slopes, before, bias, wanted[3:5]), None]


def gru(gates: Any, h: Any, weight: Any, bias: Any, reverse: bool) -> Any:
    """h' = n + z (h - n) with n = tanh(x_n + r h_n) at all times, the gates r, z, n."""
    length = len(gates)
    rows, size = h.shape
    out, acts = np.empty((length, rows, size), h.dtype), np.empty((length, rows, 4 * size), h.dtype)  # r, z, h_n, n
    now, turned = h, weight.T
    for t in _times(length, reverse):
        act = acts[t]
        share = now @ turned
        if filled("gru_time", (act, out[t]), (share, gates[t], bias, now), h.shape):
            now = out[t]
            continue
        if bias is not None:
            share += bias
        act[:, : 3 * size] = share
        act[:, : 2 * size] += gates[t, :, : 2 * size]
        _sigmoid_into(act[:, : 2 * size])
        r, z, share, new = np.split(act, 4, 1)
        np.multiply(r, share, out=new)
        new += gates[t, :, 2 * size :]
        np.tanh(new, out=new)
        following = np.subtract(now, new, out=out[t])
        following *= z
        following += new
        now = following
    return out, (_before(out, h, reverse), weight, bias, reverse, acts), ()


def gru_backward(gradient: Any, saved: tuple, wanted: tuple) -> list:
    """The chain rule from the last time to the first."""
    earlier, weight, bias, reverse, acts = saved
    length, rows, size = earlier.shape
    of_gates, of_shares = np.empty((length, rows, 3 * size), acts.dtype), np.empty((length, rows, 3 * size), acts.dtype)
    of_h = np.zeros((rows, size), acts.dtype)
    for t in _times(length, not reverse):
        if filled("gru_slope_time", (of_gates[t], of_shares[t], of_h), (acts[t], earlier[t], gradient[t]), (rows, size)):
            of_h += of_shares[t] @ weight
            continue
        of_h += gradient[t]
        r, z, share, new = np.split(acts[t], 4, 1)
        of_new = of_h * (1 - z) * (1 - new * new)
        slope = of_shares[t]
        slope[:, :size] = of_new * share * r * (1 - r)
        slope[:, size : 2 * size] = of_h * (earlier[t] - new) * z * (1 - z)
        of_gates[t] = slope
        of_gates[t, :, 2 * size :] = of_new
        np.multiply(of_new, r, out=slope[:, 2 * size :])
        of_gates[t, :, : 2 * size] = slope[:, : 2 * size]
        of_h = of_h * z + slope @ weight
    return [of_gates, of_h, *_of_weights(of_shares, earlier, bias, wanted[2:4]), None]
