"""Convolutions and transposed convolutions of one to three dimensions, under the names of torch.nn.functional.

In come images (N, C, *space), or (C, *space) for one image, and weights; out go images. The one idea: the six functions are one, which brings its
arguments to the tuples of the row `convolution`; a transposed convolution is that row's derivative, so it has no code of its own.
"""

from __future__ import annotations

from typing import Any

from ..autograd.autocast import autocasts
from ..errors import DtypeError, ShapeError, error
from ..ops.definition import OPS
from ..tensor import Tensor
from .arguments import need_tensor
from .shape import reshape


def spread(value: Any, count: int, name: str, argument: str) -> tuple:
    """`count` numbers from one number or from a sequence of one or `count`. Raises RuntimeError for another length.

    >>> spread(2, 3, "conv3d", "stride"), spread((1, 2), 2, "conv2d", "stride")
    ((2, 2, 2), (1, 2))
    """
    if not isinstance(value, (tuple, list)):
        return (value,) * count
    if len(value) == 1:
        return tuple(value) * count
    if len(value) != count:
        raise error(RuntimeError, f"{name}(): expected {argument} to be a single number or a list of {count} numbers, got {list(value)}")
    return tuple(value)


def batched(input: Tensor, rank: int, name: str) -> tuple[Tensor, bool]:
    """The input with a batch in front, and whether it had none. Raises RuntimeError for another number of dimensions."""
    need_tensor(input, name)
    if input.ndim not in (rank + 1, rank + 2):
        raise error(
            ShapeError,
            f"{name}(): Expected {rank + 1}D (unbatched) or {rank + 2}D (batched) input to {name}, but got input of size: {list(input.shape)}",
        )
    single = input.ndim == rank + 1
    return (OPS["unsqueeze"](input, 0) if single else input), single


def _positive(values: tuple, name: str, argument: str, least: int = 1) -> tuple:
    if any(type(value) is int and value < least for value in values):
        kind = "non-positive" if least else "negative"
        raise error(RuntimeError, f"{name}(): {kind} {argument} is not supported: {list(values)}")
    return values


def _finished(out: Tensor, bias: Tensor | None, rank: int, single: bool) -> Tensor:
    if bias is not None:
        out = out + reshape(bias, (1, -1, *(1,) * rank))
    return OPS["squeeze"](out, (0,)) if single else out


def _edges(x: Tensor, weight: Tensor, padding: Any, steps: tuple, spacing: tuple, name: str) -> tuple[Tensor, tuple]:
    """The padding as numbers; what cannot be the same on both sides is padded here."""
    rank = len(steps)
    if not isinstance(padding, str):
        return x, _positive(spread(padding, rank, name, "padding"), name, "padding", 0)
    if padding not in ("valid", "same"):
        raise error(RuntimeError, f"{name}(): Invalid padding string: '{padding}'; write 'valid', 'same' or numbers")
    if padding == "valid":
        return x, (0,) * rank
    if any(step != 1 for step in steps):
        raise error(RuntimeError, f"{name}(): padding='same' is not supported for strided convolutions")
    totals = [d * (k - 1) for d, k in zip(spacing, weight.shape[2:])]
    if all(total % 2 == 0 for total in totals):
        return x, tuple(total // 2 for total in totals)
    widths = tuple(width for total in reversed(totals) for width in (total // 2, total - total // 2))
    return OPS["pad"](x, widths, 0), (0,) * rank


def _fixed(groups: Any) -> Any:
    """The number of groups: one graph has one, also where modules that differ in it share their code."""
    return int(groups) if hasattr(groups, "segue_symbol") else groups


def _check_weight(x: Tensor, weight: Tensor, bias: Tensor | None, groups: int, rank: int, name: str, inputs: int, outputs: int) -> None:
    """`inputs` and `outputs`: the channels that the weight stands for, in all groups together."""
    if not isinstance(groups, int) or groups < 1:
        raise error(RuntimeError, f"{name}(): non-positive groups is not supported: {groups}")
    if weight.ndim != rank + 2:
        raise error(ShapeError, f"{name}(): expected {rank + 2}-dimensional weight for input of size {list(x.shape)}, but got {list(weight.shape)}")
    if x.shape[1] != inputs:
        raise error(
            ShapeError,
            f"{name}(): Given groups={groups}, weight of size {list(weight.shape)}, expected input{list(x.shape)} to have {inputs} channels, "
            f"but got {x.shape[1]} channels instead",
        )
    if bias is not None and bias.dtype is not x.dtype:
        raise error(DtypeError, f"{name}(): input type {x.dtype} and bias type {bias.dtype} should be the same", "bias.to(input.dtype)")
    if bias is not None and (bias.ndim != 1 or bias.shape[0] != outputs):
        raise error(
            ShapeError,
            f"{name}(): Given weight of size {list(weight.shape)}, expected bias to be 1-dimensional with {outputs} elements, "
            f"but got bias of size {list(bias.shape)} instead",
        )


def _convolve(
    rank: int, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any, groups: int
) -> Tensor:
    name, groups = f"conv{rank}d", _fixed(groups)
    x, single = batched(input, rank, name)
    need_tensor(weight, name, "weight")
    _check_weight(x, weight, bias, groups, rank, name, weight.shape[1] * groups if weight.ndim > 1 else 0, weight.shape[0] if weight.ndim else 0)
    steps = _positive(spread(stride, rank, name, "stride"), name, "stride")
    spacing = _positive(spread(dilation, rank, name, "dilation"), name, "dilation")
    x, edges = _edges(x, weight, padding, steps, spacing, name)
    return _finished(OPS["convolution"](x, weight, steps, edges, spacing, groups), bias, rank, single)


@autocasts
def conv1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Tensor:
    """Cross-correlation of (N, C, L) or (C, L) with `weight` (O, C/groups, k), plus `bias` (O).

    Stride, padding and dilation as in `conv2d`; L' = (L + 2 padding - dilation (k - 1) - 1) // stride + 1. Raises RuntimeError when channels do not fit.

    >>> import segue
    >>> conv1d(segue.ones(1, 2, 5), segue.ones(3, 2, 2)).shape
    segue.Size([1, 3, 4])
    """
    return _convolve(1, input, weight, bias, stride, padding, dilation, groups)


@autocasts
def conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Tensor:
    """Cross-correlation of (N, C, H, W) or (C, H, W) with `weight` (O, C/groups, kh, kw), plus `bias` (O).

    Stride, padding and dilation are a number or one for each dimension; `padding` may be "valid" or "same" (stride 1 only). Each size becomes
    (size + 2 padding - dilation (k - 1) - 1) // stride + 1. Raises RuntimeError when channels do not fit or the kernel is larger than the image.

    >>> import segue
    >>> conv2d(segue.ones(1, 4, 8, 8), segue.ones(6, 2, 3, 3), stride=2, padding=1, groups=2).shape
    segue.Size([1, 6, 4, 4])
    """
    return _convolve(2, input, weight, bias, stride, padding, dilation, groups)


@autocasts
def conv3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Tensor:
    """Cross-correlation of (N, C, D, H, W) or (C, D, H, W) with `weight` (O, C/groups, kd, kh, kw), plus `bias` (O); arguments as in `conv2d`."""
    return _convolve(3, input, weight, bias, stride, padding, dilation, groups)


def _transpose(
    rank: int, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, output_padding: Any, groups: int, dilation: Any
) -> Tensor:
    """The convolution's gradient for its images. Where `output_padding` is as large as the stride, zeros are put behind the input instead."""
    name, groups = f"conv_transpose{rank}d", _fixed(groups)
    x, single = batched(input, rank, name)
    need_tensor(weight, name, "weight")
    _check_weight(x, weight, bias, groups, rank, name, weight.shape[0] if weight.ndim else 0, weight.shape[1] * groups if weight.ndim > 1 else 0)
    if weight.shape[0] % groups:
        raise error(ShapeError, f"{name}(): the {weight.shape[0]} input channels of weight {list(weight.shape)} must be a multiple of groups={groups}")
    steps = _positive(spread(stride, rank, name, "stride"), name, "stride")
    spacing = _positive(spread(dilation, rank, name, "dilation"), name, "dilation")
    edges = _positive(spread(padding, rank, name, "padding"), name, "padding", 0)
    extra = _positive(spread(output_padding, rank, name, "output_padding"), name, "output_padding", 0)
    if any(e >= s and e >= d for e, s, d in zip(extra, steps, spacing)):
        raise error(
            RuntimeError,
            f"{name}(): output padding must be smaller than either stride or dilation, but got output_padding {extra}, stride {steps}, dilation {spacing}"
        )  # fmt: skip
    behind = [e // s for e, s in zip(extra, steps)]
    sizes = tuple(
        (size - 1) * s - 2 * p + d * (k - 1) + e + 1
        for size, s, p, d, k, e in zip(x.shape[2:], steps, edges, spacing, weight.shape[2:], extra)
    )
    if any(size < 1 for size in sizes):
        raise error(ShapeError, f"{name}(): the output of size {list(sizes)} for the input {list(x.shape)} is too small (padding {edges})")
    if any(behind):
        x = OPS["pad"](x, tuple(width for count in reversed(behind) for width in (0, count)), 0)
    shape = (x.shape[0], weight.shape[1] * groups, *sizes)
    return _finished(OPS["convolution_input_gradient"](x, weight, shape, steps, edges, spacing, groups), bias, rank, single)


@autocasts
def conv_transpose1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: int = 1,
    dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """The transpose of `conv1d`: (N, C, L) with `weight` (C, O/groups, k) -> (N, O, L'); arguments as in `conv_transpose2d`."""
    return _transpose(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


@autocasts
def conv_transpose2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: int = 1,
    dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """The transpose of `conv2d`: (N, C, H, W) with `weight` (C, O/groups, kh, kw) -> (N, O, H', W'), plus `bias` (O).

    Each size becomes (size - 1) stride - 2 padding + dilation (k - 1) + output_padding + 1. Raises RuntimeError when channels do not fit, or for an
    output padding that is smaller than neither stride nor dilation.

    >>> import segue
    >>> conv_transpose2d(segue.ones(1, 4, 5, 5), segue.ones(4, 3, 2, 2), stride=2).shape
    segue.Size([1, 3, 10, 10])
    """
    return _transpose(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


@autocasts
def conv_transpose3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: int = 1,
    dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """The transpose of `conv3d`: `weight` is (C, O/groups, kd, kh, kw); arguments as in `conv_transpose2d`."""
    return _transpose(3, input, weight, bias, stride, padding, output_padding, groups, dilation)
