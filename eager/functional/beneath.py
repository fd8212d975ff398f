"""The functions beneath PyTorch's layers that stand at its top level: cells, the general convolution, the CTC loss by a number, dropout in place.

In come tensors in the order that PyTorch's layers hand them down, out go tensors. The one idea: each is the function of its theme with its arguments laid out anew.
"""

from __future__ import annotations

from typing import Any

from ..errors import error
from ..tensor import Tensor
from . import convolutions, ctc, dropouts, grid
from .arguments import accept_numpy_names, accepts_out, fitting, inplace
from .layers import linear
from .linalg import matrix_norm, vector_norm
from .numbered import by_number
from .recurrent import STEPS
from .shape import permute

__all__ = [
    "affine_grid_generator", "alpha_dropout_", "conv_tbc", "convolution", "ctc_loss", "dropout_", "feature_alpha_dropout_", "feature_dropout_", "frobenius_norm", "gru_cell",
    "is_distributed", "lstm_cell", "nuclear_norm", "rnn_relu_cell", "rnn_tanh_cell",
]  # fmt: skip

dropout_, alpha_dropout_, feature_dropout_, feature_alpha_dropout_ = (
    fitting(inplace(function), {"train": "training"})
    for function in (dropouts.dropout, dropouts.alpha_dropout, dropouts.feature_dropout, dropouts.feature_alpha_dropout)
)


def _cell(mode: str, input: Tensor, states: tuple[Tensor, ...], w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None) -> tuple[Tensor, ...]:
    return STEPS[mode](linear(input, w_ih, b_ih), states, (w_ih, w_hh, b_ih, b_hh, None))


def lstm_cell(input: Tensor, hx: Any, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None) -> tuple[Tensor, ...]:
    """One step of an LSTM: the states (h, c) behind it."""
    return _cell("LSTM", input, tuple(hx), w_ih, w_hh, b_ih, b_hh)


def gru_cell(input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None) -> Tensor:
    """One step of a GRU."""
    return _cell("GRU", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


def rnn_tanh_cell(input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None) -> Tensor:
    """One step of an Elman network with tanh."""
    return _cell("RNN_TANH", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


def rnn_relu_cell(input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None) -> Tensor:
    """One step of an Elman network with relu."""
    return _cell("RNN_RELU", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


def convolution(
    input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any, transposed: bool, output_padding: Any, groups: int,
) -> Tensor:  # fmt: skip
    """The convolution, or its transpose, of as many dimensions as `weight` has behind its first two. Raises RuntimeError for more than three."""
    rank = weight.ndim - 2
    function = getattr(convolutions, f"conv{'_transpose' if transposed else ''}{rank}d", None)
    if function is None:
        raise error(RuntimeError, f"convolution(): a weight of shape {list(weight.shape)} is of {rank} dimensions, of 1 to 3 there are convolutions")
    if transposed:
        return function(input, weight, bias, stride, padding, output_padding, groups, dilation)
    return function(input, weight, bias, stride, padding, dilation, groups)


def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """`conv1d` of (T, N, C) with a weight (k, C, O): (T', N, O)."""
    return permute(convolutions.conv1d(permute(input, (1, 2, 0)), permute(weight, (2, 1, 0)), bias, padding=pad), (2, 0, 1))


def ctc_loss(
    log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any, blank: int = 0, reduction: int = 1, zero_infinity: bool = False,
) -> Tensor:  # fmt: skip
    """`nn.functional.ctc_loss` with a number for the reduction."""
    return ctc.ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, by_number("ctc_loss", reduction), zero_infinity)


def affine_grid_generator(theta: Tensor, size: Any, align_corners: bool) -> Tensor:
    """`nn.functional.affine_grid`."""
    return grid.affine_grid(theta, size, align_corners)


@accepts_out
def frobenius_norm(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """The root of the sum of squares over `dim` (all where it is empty)."""
    return vector_norm(input, 2, dim or None, keepdim)


@accepts_out
def nuclear_norm(input: Tensor, dim: Any = (-2, -1), keepdim: bool = False) -> Tensor:
    """The sum of the singular values."""
    flag = isinstance(dim, bool)  # nuclear_norm(x, True)
    return matrix_norm(input, "nuc", (-2, -1) if flag else dim, dim if flag else keepdim)


def is_distributed(input: Tensor) -> bool:
    """False: there are no process groups."""
    return False


accept_numpy_names(globals())
