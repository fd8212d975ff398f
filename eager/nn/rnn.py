"""Recurrent layers and cells: RNN, LSTM, GRU.

In come sizes, out go modules whose parameters have PyTorch's names, shapes and start (uniform within 1/sqrt(hidden)). The one idea: all three are one base class, which walks over layers
and directions; what differs is how many gates there are, what the state is, and the step in functional/recurrent.py.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

from ..autograd.mode import STATE
from ..functional import packing
from ..functional.creation import empty, zeros
from ..functional.recurrent import STEPS, run, run_even
from ..functional.shape import cat, stack
from ..tensor import Tensor
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter
from .utils.rnn import PackedSequence

GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}


class RNNBase(Module):
    """`num_layers` layers of one kind, in one direction or both, over (T, N, input_size), (N, T, input_size) with `batch_first`, without N, or packed.

    Between layers elements are dropped with probability `dropout` in training. Raises ValueError and TypeError for settings that do not fit.
    """

    def __init__(
        self, mode: str, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        _check_kinds(bool, bias=bias, batch_first=batch_first)
        _check_kinds(int, input_size=input_size, hidden_size=hidden_size)
        _check_settings(mode, input_size, hidden_size, num_layers, dropout, proj_size)
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        place = {"device": device, "dtype": dtype}
        gates, real = GATES[mode] * hidden_size, proj_size or hidden_size
        directions = 2 if bidirectional else 1
        self._names: list[list[str]] = []
        for layer in range(num_layers):
            width = input_size if layer == 0 else real * directions
            for direction in range(directions):
                suffix = f"_l{layer}" + ("_reverse" if direction else "")
                shapes: dict[str, tuple[int, ...]] = {"weight_ih": (gates, width), "weight_hh": (gates, real)}
                if bias:
                    shapes.update(bias_ih=(gates,), bias_hh=(gates,))
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                for name, shape in shapes.items():
                    self.register_parameter(name + suffix, Parameter(empty(*shape, **place)))
                self._names.append([name + suffix for name in shapes])
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew: uniform within 1/sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def flatten_parameters(self) -> None:
        """Nothing to do: weights are used where they are."""

    @property
    def _flat_weights_names(self) -> list[str]:  # PyTorch's name, which weight dropping of recurrent networks goes by
        return [name for names in self._names for name in names]

    @property
    def _flat_weights(self) -> list[Parameter]:
        return [weight for weights in self.all_weights for weight in weights]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._names]

    def _weights(self, number: int) -> list[Tensor | None]:
        """The parameters of one layer and direction as the steps take them, None for what is not there."""
        found: list[Tensor | None] = [getattr(self, name) for name in self._names[number]]
        if not self.bias:
            found[2:2] = [None, None]
        return found if self.proj_size else [*found, None]

    def _state_sizes(self) -> tuple[int, ...]:
        return (self.proj_size or self.hidden_size, self.hidden_size) if self.mode == "LSTM" else (self.hidden_size,)

    def _first_states(self, hx: Any, batch: Any, single: bool, like: Tensor) -> tuple[Tensor, ...]:
        """The states (layers * directions, N, size), zeros where none are given. Raises RuntimeError for other shapes."""
        count = self.num_layers * (2 if self.bidirectional else 1)
        if hx is None:
            return tuple(zeros(count, batch, size, dtype=like.dtype, device=like.device) for size in self._state_sizes())
        given = tuple(hx) if self.mode == "LSTM" else (hx,)
        found = []
        for name, state, size in zip(("hidden[0]", "hidden[1]") if len(given) > 1 else ("hidden",), given, self._state_sizes()):
            wanted = (count, size) if single else (count, batch, size)
            if tuple(state.shape) != wanted:
                raise RuntimeError(f"{type(self).__name__}: Expected {name} size {wanted}, got {list(state.shape)}")
            found.append(state.unsqueeze(1) if single else state)
        return tuple(found)

    def _layers(self, data: Tensor, walk: Callable, sizes: tuple, states: tuple[Tensor, ...]) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
        """All layers over rows in time's order (`walk` is `run`, `run_even` or `run_packed`, which take `sizes`): the outputs, and the last states of each layer and direction."""
        last = []
        directions = 2 if self.bidirectional else 1
        for layer in range(self.num_layers):
            outputs = []
            for direction in range(directions):
                number = layer * directions + direction
                state = tuple(s[number] for s in states)
                out, ended = walk(self.mode, data, *sizes, state, self._weights(number), direction == 1)
                outputs.append(out)
                last.append(ended)
            data = outputs[0] if directions == 1 else cat(outputs, 1)
            if self.dropout and layer < self.num_layers - 1:
                data = F.dropout(data, self.dropout, self.training)
        return data, last

    def forward(self, input: Any, hx: Any = None) -> Any:
        given, wanted = (input.data if isinstance(input, PackedSequence) else input).dtype, self._flat_weights[0].dtype
        if given is not wanted and STATE.autocast is None:
            raise ValueError(f"RNN input dtype ({given}) does not match weight dtype ({wanted}). Convert input: input.to({wanted})")
        if isinstance(input, PackedSequence):
            return self._packed(input, hx)
        if input.ndim not in (2, 3):
            raise ValueError(f"{type(self).__name__}: Expected input to be 2D or 3D, got {input.ndim}D instead")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.shape[-1]}")
        single = input.ndim == 2
        x = input.unsqueeze(1) if single else input.transpose(0, 1) if self.batch_first else input
        length, batch = x.shape[0], x.shape[1]
        if length == 0:
            raise RuntimeError(f"{type(self).__name__}: Expected sequence length to be larger than 0")
        states = self._first_states(hx, batch, single, x)
        data, last = self._layers(x.reshape(length * batch, x.shape[2]), run_even, (length, batch), states)
        out = data.reshape(length, batch, data.shape[1])
        ended = self._stacked(last)
        if single:
            return out.squeeze(1), self._result(tuple(s.squeeze(1) for s in ended))
        return (out.transpose(0, 1) if self.batch_first else out), self._result(ended)

    def _packed(self, input: PackedSequence, hx: Any) -> Any:
        varying = packing.lengths_of(input.batch_sizes)
        sizes: Any = input.batch_sizes.tolist() if varying is None else ()
        first = hx[0] if isinstance(hx, (tuple, list)) else hx
        batch = sizes[0] if varying is None else packing.batch_of(varying, first.shape[1] if first is not None and first.ndim == 3 else None)
        if input.data.shape[-1] != self.input_size:
            raise RuntimeError(f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.data.shape[-1]}")
        states = self._first_states(hx, batch, False, input.data)
        if input.sorted_indices is not None and hx is not None:
            states = tuple(s.index_select(1, input.sorted_indices) for s in states)
        walk, given = (run, (sizes,)) if varying is None else (packing.run_packed, (varying, batch))
        data, last = self._layers(input.data, walk, given, states)
        ended = self._stacked(last)
        if input.unsorted_indices is not None:
            ended = tuple(s.index_select(1, input.unsorted_indices) for s in ended)
        return PackedSequence(data, input.batch_sizes, input.sorted_indices, input.unsorted_indices), self._result(ended)

    def _stacked(self, last: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        return tuple(stack([ended[i] for ended in last], 0) for i in range(len(last[0])))

    def _result(self, states: tuple[Tensor, ...]) -> Any:
        return states if self.mode == "LSTM" else states[0]

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        usual = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}
        return text + "".join(f", {name}={getattr(self, name)}" for name, value in usual.items() if getattr(self, name) != value)


def _check_kinds(kind: type, **settings: Any) -> None:
    for name, value in settings.items():
        if not isinstance(value, kind):
            raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")


def _check_settings(mode: str, input_size: int, hidden_size: int, num_layers: int, dropout: float, proj_size: int) -> None:
    if mode not in GATES:
        raise ValueError(f"Unrecognized RNN mode: {mode}")
    if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout <= 1:
        raise ValueError("dropout should be a number in range [0, 1] representing the probability of an element being zeroed")
    for name, size in (("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)):
        if size <= 0:
            raise ValueError(f"{name} must be greater than zero, got {size}")
    if proj_size < 0 or proj_size >= hidden_size:
        raise ValueError(f"proj_size should be a positive integer smaller than hidden_size, or zero to disable projections; got {proj_size}")
    if proj_size and mode != "LSTM":
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
    if dropout > 0 and num_layers == 1:
        warnings.warn("dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects num_layers greater than 1, but got "
            f"dropout={dropout} and num_layers={num_layers}", stacklevel=4)  # fmt: skip


class RNN(RNNBase):
    """Elman network: h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu with `nonlinearity="relu"`: (output, h_n).

    >>> from segue import nn, ones
    >>> out, h = nn.RNN(3, 5, num_layers=2, bidirectional=True)(ones(7, 2, 3))
    >>> out.shape, h.shape
    (segue.Size([7, 2, 10]), segue.Size([4, 2, 5]))
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh", bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, device: Any = None, dtype: Any = None, *, proj_size: int = 0,
    ) -> None:  # fmt: skip
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        self.__dict__["nonlinearity"] = nonlinearity
        mode = f"RNN_{nonlinearity.upper()}"
        super().__init__(mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size, device, dtype)


class LSTM(RNNBase):
    """Long short-term memory with gates i, f, g, o: (output, (h_n, c_n)); with `proj_size` h is projected to it."""

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False, dropout: float = 0.0,
        bidirectional: bool = False, proj_size: int = 0, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__("LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size, device, dtype)


class GRU(RNNBase):
    """Gated recurrent units with gates r, z, n: (output, h_n)."""

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False, dropout: float = 0.0,
        bidirectional: bool = False, device: Any = None, dtype: Any = None, *, proj_size: int = 0,
    ) -> None:  # fmt: skip
        super().__init__("GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size, device, dtype)


# ---------------------------------------------------------------------------------------------------------------- cells


class RNNCellBase(Module):
    """One step of a recurrent network over (N, input_size) or (input_size)."""

    mode = "RNN_TANH"

    def __init__(self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        place = {"device": device, "dtype": dtype}
        self.weight_ih = Parameter(empty(num_chunks * hidden_size, input_size, **place))
        self.weight_hh = Parameter(empty(num_chunks * hidden_size, hidden_size, **place))
        self.register_parameter("bias_ih", Parameter(empty(num_chunks * hidden_size, **place)) if bias else None)
        self.register_parameter("bias_hh", Parameter(empty(num_chunks * hidden_size, **place)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew: uniform within 1/sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _step(self, input: Tensor, states: tuple[Tensor, ...] | None, count: int) -> tuple[Tensor, ...]:
        name = type(self).__name__
        if input.ndim not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.ndim}D instead")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(f"{name}: input has inconsistent input_size: got {input.shape[-1]} expected {self.input_size}")
        single = input.ndim == 1
        x = input.unsqueeze(0) if single else input
        if states is None:
            states = (zeros(x.shape[0], self.hidden_size, dtype=x.dtype, device=x.device),) * count
        else:
            for state in states:
                if state.ndim not in (1, 2):
                    raise ValueError(f"{name}: Expected hidden to be 1D or 2D, got {state.ndim}D instead")
                if tuple(state.shape) != (*input.shape[:-1], self.hidden_size):
                    raise RuntimeError(f"{name}: hidden {tuple(state.shape)} does not fit input {tuple(input.shape)} and hidden_size {self.hidden_size}")
            states = tuple(s.unsqueeze(0) for s in states) if single else states
        weights = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh, None)
        states = STEPS[self.mode](F.linear(x, self.weight_ih, self.bias_ih), states, weights)
        return tuple(s.squeeze(0) for s in states) if single else states

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else f", bias={self.bias}")
        return text + (", nonlinearity=relu" if self.mode == "RNN_RELU" else "")


class RNNCell(RNNCellBase):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu with `nonlinearity="relu"`."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", device: Any = None, dtype: Any = None
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {nonlinearity}")
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity
        self.mode = f"RNN_{nonlinearity.upper()}"

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step(input, None if hx is None else (hx,), 1)[0]


class LSTMCell(RNNCellBase):
    """(h', c') of long short-term memory."""

    mode = "LSTM"

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, ...]:
        return self._step(input, hx, 2)


class GRUCell(RNNCellBase):
    """h' of gated recurrent units."""

    mode = "GRU"

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step(input, None if hx is None else (hx,), 1)[0]
