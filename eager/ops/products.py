"""Products: batched matrix product, two-dimensional convolution and its two gradients.

In come tensors whose memory may have strides, out go rows that call the library of the array module (in a compiled graph, the native run time). The
one idea: a convolution and its two gradients are three rows that are each other's derivatives, so every order of derivative is there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import promotion
from . import batching
from .definition import Extern, define
from .samples import Source, calls
from .shapes import broadcast_shapes, numel, require
from .views import as_strided

# --------------------------------------------------------------------------------------------------------------------
# matmul


def _matmul_shape(x: Any, y: Any) -> tuple:
    a, b = tuple(x.shape), tuple(y.shape)
    require(len(a) >= 2 and len(b) >= 2, lambda: f"matmul(): the row takes tensors of at least 2 dimensions, not {a} and {b}")
    require(a[-1] is b[-2] or a[-1] == b[-2], lambda: f"matmul(): mat1 and mat2 shapes cannot be multiplied ({a} and {b})")
    return (*broadcast_shapes("matmul", a[:-2], b[:-2]), a[-2], b[-1])


def _dense(xp: Any, x: Any) -> Any:
    """The operand as BLAS can read it: rows or columns that lie dense and do not overlap; anything else is copied (NumPy would loop without BLAS)."""
    rows, columns = x.strides[-2:]
    width = x.itemsize
    if (columns == width and rows >= width * x.shape[-1]) or (rows == width and columns >= width * x.shape[-2]):
        return x
    return xp.ascontiguousarray(x)


def _matmul_kernel(xp: Any, x: Any, y: Any) -> Any:
    if x.dtype.itemsize == 2 and x.dtype.kind not in "iu":
        return _matmul_kernel(xp, x.astype(np.float32), y.astype(np.float32)).astype(x.dtype)
    if x.dtype.kind != "f" and x.dtype.kind != "c":
        return xp.matmul(x, y)
    if y.ndim == 2 and x.ndim > 2 and x.flags.c_contiguous:  # one product in place of many
        return xp.matmul(x.reshape(-1, x.shape[-1]), _dense(xp, y)).reshape(*x.shape[:-1], y.shape[-1])
    return xp.matmul(_dense(xp, x), _dense(xp, y))


def _turned(F: Any, x: Any) -> Any:
    """The last two dimensions exchanged."""
    return F.permute(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _flattened(F: Any, x: Any) -> Any:
    return F.reshape(x, (numel(x.shape[:-1]), x.shape[-1]))


def _left_gradient(F: Any, g: Any, y: Any) -> Any:
    return F.matmul(g, _turned(F, y))


def _right_gradient(F: Any, g: Any, x: Any, y_shape: Any) -> Any:
    """A matrix that multiplied a batch gets the batch's sum from one product."""
    if len(y_shape) == 2 and x.ndim > 2:
        return F.matmul(_turned(F, _flattened(F, x)), _flattened(F, g))
    return F.matmul(_turned(F, x), g)


def _matmul_batch(F: Any, size: Any, in_dims: Any, x: Any, y: Any) -> Any:
    rank = max(x.ndim - (in_dims[0] is not None), y.ndim - (in_dims[1] is not None))
    moved = []
    for operand, dim in zip((x, y), in_dims):
        if dim is not None:
            operand = batching.to_front(F, operand, dim)
            for _ in range(rank - (operand.ndim - 1)):
                operand = F.unsqueeze(operand, 1)
        moved.append(operand)
    return F.matmul(*moved)


def _matmul_samples() -> list:
    s = Source("matmul")
    return calls(
        (s.floats((2, 3)), s.floats((3, 4))), (s.floats((2, 2, 3)), s.floats((3, 2))), (s.floats((2, 1, 2, 3)), s.floats((2, 3, 2))),
        (s.floats((0, 3)), s.floats((3, 2))), (s.floats((2, 0)), s.floats((0, 2))), (s.floats((3, 2)).T, s.floats((2, 3)).T),
        (s.integers((2, 2)), s.integers((2, 2))),
    )  # fmt: skip


define(
    "matmul", "x: Tensor, y: Tensor", kind="extern", dtype=promotion.same("matmul"), shape=_matmul_shape, kernel=_matmul_kernel,
    lower=Extern("matmul"),
    vjp={"x": _left_gradient, "y": _right_gradient}, jvp="linear", batch=_matmul_batch, samples=_matmul_samples,
    doc="The matrix product of the last two dimensions, (..., m, k) by (..., k, n); others broadcast. Raises for inner sizes or dtypes that differ.",
)  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# Convolution. x is (N, C, H, W), weight (O, C/groups, h, w), the result (N, O, H', W'); stride, padding and dilation are pairs.


def window_count(size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """How many windows fit: floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def _conv_shape(x: Any, weight: Any, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> tuple:
    a, b = tuple(x.shape), tuple(weight.shape)
    require(len(a) == 4 and len(b) == 4, lambda: f"conv2d(): expected x of shape (N, C, H, W) and weight (O, C/groups, h, w), got {a} and {b}")
    require(a[1] == b[1] * groups,
        lambda: f"conv2d(): given groups={groups} and weight of size {b}, expected input{a} to have {b[1] * groups} channels, but got {a[1]}")
    require(b[0] % groups == 0, lambda: f"conv2d(): the {b[0]} output channels of weight {b} must be a multiple of groups={groups}")
    sizes = [window_count(a[2 + i], b[2 + i], stride[i], padding[i], dilation[i]) for i in (0, 1)]
    fits = not any(type(size) is int and size < 1 for size in sizes)
    require(fits, lambda: f"conv2d(): the kernel of {b} is larger than the padded input of {a} (padding {padding}, dilation {dilation})")
    return (a[0], b[0], *sizes)


def windows(xp: Any, x: Any, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, count: tuple, fill: Any = 0) -> Any:
    """A view (N, C, h, w, H', W') of the padded image: what each kernel element meets at each place."""
    if padding[0] or padding[1]:
        padded = xp.full((*x.shape[:2], x.shape[2] + 2 * padding[0], x.shape[3] + 2 * padding[1]), fill, x.dtype)
        padded[:, :, padding[0] : padding[0] + x.shape[2], padding[1] : padding[1] + x.shape[3]] = x
        x = padded
    n, c, h, w = (s // x.itemsize for s in x.strides)
    return as_strided(xp, x, (*x.shape[:2], *kernel, *count), (n, c, h * dilation[0], w * dilation[1], h * stride[0], w * stride[1]))


def _in_float32(xp: Any, kernel: Any, first: Any, second: Any, *rest: Any) -> Any:
    """Half precision computes in float32 and is rounded once."""
    if first.dtype.itemsize == 2:
        return kernel(xp, first.astype(np.float32), second.astype(np.float32), *rest).astype(first.dtype)
    return kernel(xp, first, second, *rest)


def _columns(xp: Any, x: Any, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, groups: int, count: tuple) -> Any:
    """(N, groups, C/groups h w, H' W')."""
    view = windows(xp, x, kernel, stride, padding, dilation, count)
    return view.reshape(x.shape[0], groups, x.shape[1] // groups * kernel[0] * kernel[1], count[0] * count[1])


def _conv(xp: Any, x: Any, weight: Any, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> Any:
    n, o, height, width = _conv_shape(x, weight, stride, padding, dilation, groups)
    columns = _columns(xp, x, weight.shape[2:], stride, padding, dilation, groups, (height, width))
    filters = weight.reshape(groups, o // groups, columns.shape[2])
    return xp.matmul(filters, columns).reshape(n, o, height, width)


def _conv_input(xp: Any, g: Any, weight: Any, input_shape: tuple, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> Any:
    """Each kernel element adds its share of the gradient to a strided slice of the (padded) image."""
    n, c, height, width = input_shape
    o, inner, kh, kw = weight.shape
    gh, gw = g.shape[2:]
    filters = weight.reshape(groups, o // groups, inner * kh * kw).transpose(0, 2, 1)
    shares = xp.matmul(filters, g.reshape(n, groups, o // groups, gh * gw)).reshape(n, c, kh, kw, gh, gw)
    image = xp.zeros((n, c, height + 2 * padding[0], width + 2 * padding[1]), shares.dtype)
    for i in range(kh):
        rows = slice(i * dilation[0], i * dilation[0] + stride[0] * (gh - 1) + 1, stride[0])
        for j in range(kw):
            image[:, :, rows, j * dilation[1] : j * dilation[1] + stride[1] * (gw - 1) + 1 : stride[1]] += shares[:, :, i, j]
    return image[:, :, padding[0] : padding[0] + height, padding[1] : padding[1] + width]


def _conv_weight(xp: Any, g: Any, x: Any, weight_shape: tuple, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> Any:
    """The gradient by the columns, images and places summed in one product."""
    n, o, height, width = g.shape
    columns = _columns(xp, x, tuple(weight_shape[2:]), stride, padding, dilation, groups, (height, width))
    places = n * height * width
    left = g.reshape(n, groups, o // groups, height * width).transpose(1, 2, 0, 3).reshape(groups, o // groups, places)
    right = columns.transpose(1, 2, 0, 3).reshape(groups, columns.shape[2], places)
    return xp.matmul(left, right.transpose(0, 2, 1)).reshape(weight_shape)


def _options(stride: Any, padding: Any, dilation: Any, groups: Any) -> dict:
    """By keyword, since the public conv2d has its bias before them."""
    return {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


def _forward(F: Any, x: Any, weight: Any, *options: Any) -> Any:
    return F.conv2d(x, weight, **_options(*options))


def _conv_batch(name: str) -> Any:
    """A batch of images joins the images; a batch of anything else takes one call for each example."""
    alone = batching.looped(name)

    def rule(F: Any, size: Any, in_dims: Any, first: Any, second: Any, *rest: Any) -> Any:
        if in_dims[0] is None or in_dims[1] is not None or name == "conv2d_weight_gradient":
            return alone(F, size, in_dims, first, second, *rest)
        images = batching.to_front(F, first, in_dims[0])
        flat = F.reshape(images, (size * images.shape[1], *images.shape[2:]))
        if name == "conv2d":
            out = _forward(F, flat, second, *rest)
        else:
            shape, *options = rest
            out = F.conv2d_input_gradient(flat, second, (size * shape[0], *shape[1:]), *options)
        return F.reshape(out, (size, images.shape[1], *out.shape[1:]))

    return rule


def _conv_samples() -> list:
    s = Source("conv2d")
    return calls(
        (s.floats((2, 2, 5, 4)), s.floats((3, 2, 3, 2)), (1, 1), (0, 0), (1, 1), 1),
        (s.floats((1, 4, 6, 6)), s.floats((2, 2, 3, 3)), (2, 1), (1, 2), (1, 1), 2),
        (s.floats((2, 2, 5, 6)), s.floats((2, 2, 2, 2)), (2, 2), (1, 0), (2, 1), 1),
        (s.floats((1, 3, 4, 4)), s.floats((3, 1, 1, 1)), (1, 1), (0, 0), (1, 1), 3),
        (s.floats((0, 2, 3, 3)), s.floats((2, 2, 2, 2)), (1, 1), (0, 0), (1, 1), 1),
    )  # fmt: skip


def _gradient_samples(of_weight: bool) -> Any:
    """The same convolutions, with a gradient for the result, and the image or the weight."""

    def samples() -> list:
        found = []
        s = Source("conv2d gradients")
        for (x, weight, *options), _ in _conv_samples():
            g = s.floats(_conv_shape(x, weight, *options))
            found.append((g, x, weight.shape, *options) if of_weight else (g, weight, x.shape, *options))
        return calls(*found)

    return samples


define(
    "conv2d", "x: Tensor, weight: Tensor, stride, padding, dilation, groups", kind="extern", dtype=promotion.same("conv2d"), shape=_conv_shape,
    kernel=lambda xp, *args: _in_float32(xp, _conv, *args), lower=Extern("conv2d"),
    vjp={
        "x": lambda F, g, weight, x_shape, stride, padding, dilation, groups: F.conv2d_input_gradient(
            g, weight, tuple(x_shape), stride, padding, dilation, groups),
        "weight": lambda F, g, x, weight_shape, stride, padding, dilation, groups: F.conv2d_weight_gradient(
            g, x, tuple(weight_shape), stride, padding, dilation, groups),
    },
    jvp="linear", batch=_conv_batch("conv2d"), samples=_conv_samples,
    doc="The cross-correlation of images x (N, C, H, W) with weight (O, C/groups, h, w): (N, O, H', W') with "
    "H' = (H + 2 padding - dilation (h - 1) - 1) // stride + 1. Pairs for stride, padding and dilation. "
    "Raises for channels that do not fit and kernels larger than the image.",
)  # fmt: skip

define(
    "conv2d_input_gradient", "gradient: Tensor, weight: Tensor, input_shape, stride, padding, dilation, groups", kind="extern",
    dtype=promotion.same("conv2d_input_gradient"), shape=lambda gradient, weight, input_shape, *options: tuple(input_shape),
    kernel=lambda xp, *args: _in_float32(xp, _conv_input, *args), lower=Extern("conv2d_input_gradient"),
    vjp={
        "gradient": lambda F, g, weight, stride, padding, dilation, groups: _forward(F, g, weight, stride, padding, dilation, groups),
        "weight": lambda F, g, gradient, weight_shape, stride, padding, dilation, groups: F.conv2d_weight_gradient(
            gradient, g, tuple(weight_shape), stride, padding, dilation, groups),
    },
    jvp="linear", batch=_conv_batch("conv2d_input_gradient"), samples=_gradient_samples(False),
    doc="The gradient of conv2d for its images, of shape `input_shape`, from the gradient of its result and the weight.",
)  # fmt: skip

define(
    "conv2d_weight_gradient", "gradient: Tensor, x: Tensor, weight_shape, stride, padding, dilation, groups", kind="extern",
    dtype=promotion.same("conv2d_weight_gradient"), shape=lambda gradient, x, weight_shape, *options: tuple(weight_shape),
    kernel=lambda xp, *args: _in_float32(xp, _conv_weight, *args), lower=Extern("conv2d_weight_gradient"),
    vjp={
        "gradient": lambda F, g, x, stride, padding, dilation, groups: _forward(F, x, g, stride, padding, dilation, groups),
        "x": lambda F, g, gradient, x_shape, stride, padding, dilation, groups: F.conv2d_input_gradient(
            gradient, g, tuple(x_shape), stride, padding, dilation, groups),
    },
    jvp="linear", batch=_conv_batch("conv2d_weight_gradient"), samples=_gradient_samples(True),
    doc="The gradient of conv2d for its weight, of shape `weight_shape`, from the gradient of its result and the images x.",
)  # fmt: skip
