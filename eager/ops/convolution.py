"""Convolution over one to three dimensions of space, and its two gradients.

In come images (N, C, *space) and weights (O, C/groups, *window), out go rows that call the native run time, or the library of the array module. The one idea: a convolution and its two gradients are three rows that are each other's derivatives, so every order of derivative is
there; a transposed convolution is the gradient for the images. Stride, padding and dilation are tuples, one number for each dimension of space.
"""

from __future__ import annotations

from itertools import product
from typing import Any

from .. import promotion
from . import batching
from .definition import Extern, define
from .native import native
from .samples import Source, calls
from .shapes import numel, require, require_size
from .views import as_strided


def window_count(size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """How many windows fit: floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def _shape(x: Any, weight: Any, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> tuple:
    a, b = tuple(x.shape), tuple(weight.shape)
    rank = len(stride)
    require(len(a) == len(b) == rank + 2 and rank <= 3,
        lambda: f"convolution(): expected x (N, C, *space) and weight (O, C/groups, *window) with {rank} dimensions of space, got {a} and {b}")
    require(a[1] == b[1] * groups, lambda: f"convolution(): Given groups={groups}, weight of size {list(b)}, expected input{list(a)} to have "
        f"{b[1] * groups} channels, but got {a[1]} channels instead")
    require(b[0] % groups == 0, lambda: f"convolution(): the {b[0]} output channels of weight {list(b)} must be a multiple of groups={groups}")
    sizes = [window_count(*numbers) for numbers in zip(a[2:], b[2:], stride, padding, dilation)]
    for size in sizes:
        require_size(size, ">=", 1, lambda: f"convolution(): Kernel size can't be greater than actual input size: the kernel of {list(b)} is larger than the padded "
            f"input of {list(a)} (padding {padding}, dilation {dilation})")
    return (a[0], b[0], *sizes)


def windows(xp: Any, x: Any, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, count: tuple, fill: Any = 0) -> Any:
    """A view (N, C, *kernel, *count) of the padded image: what each kernel element meets at each place."""
    if any(padding):
        padded = xp.full((*x.shape[:2], *(size + 2 * p for size, p in zip(x.shape[2:], padding))), fill, x.dtype)
        padded[(slice(None), slice(None), *(slice(p, p + size) for size, p in zip(x.shape[2:], padding)))] = x
        x = padded
    n, c, *space = (s // x.itemsize for s in x.strides)
    strides = (n, c, *(s * d for s, d in zip(space, dilation)), *(s * step for s, step in zip(space, stride)))
    return as_strided(xp, x, (*x.shape[:2], *kernel, *count), strides)


def taps(kernel: tuple, stride: tuple, dilation: tuple, count: tuple) -> list[tuple[tuple, tuple]]:
    """For each kernel element its place, and the part of the padded image that it meets, as slices."""
    places = product(*(range(k) for k in kernel))
    return [(place, tuple(slice(i * d, i * d + s * (n - 1) + 1, s) for i, d, s, n in zip(place, dilation, stride, count))) for place in places]


def _columns(xp: Any, x: Any, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, groups: int, count: tuple) -> Any:
    """(N, groups, C/groups * elements of the kernel, places)."""
    view = windows(xp, x, kernel, stride, padding, dilation, count)
    return view.reshape(x.shape[0], groups, x.shape[1] // groups * numel(kernel), numel(count))


def _convolve(xp: Any, x: Any, weight: Any, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> Any:
    """One product of the weights with the unfolded image; with a single channel in each group, a sum over the kernel's elements."""
    n, o, *count = _shape(x, weight, stride, padding, dilation, groups)
    kernel = weight.shape[2:]
    if weight.shape[1] == 1 and o == groups > 1:
        view = windows(xp, x, kernel, stride, padding, dilation, tuple(count))
        out = xp.zeros((n, o, *count), x.dtype)
        for place in product(*(range(k) for k in kernel)):
            out += view[(slice(None), slice(None), *place)] * weight[(slice(None), 0, *place)].reshape(-1, *(1,) * len(count))
        return out
    columns = _columns(xp, x, kernel, stride, padding, dilation, groups, tuple(count))
    return xp.matmul(weight.reshape(groups, o // groups, columns.shape[2]), columns).reshape(n, o, *count)


def _input_gradient(xp: Any, g: Any, weight: Any, input_shape: tuple, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> Any:
    """Each kernel element adds its share of the gradient to a strided part of the (padded) image."""
    n, c, *space = input_shape
    o, inner, *kernel = weight.shape
    count = g.shape[2:]
    filters = weight.reshape(groups, o // groups, inner * numel(kernel)).transpose(0, 2, 1)
    shares = xp.matmul(filters, g.reshape(n, groups, o // groups, numel(count))).reshape(n, c, *kernel, *count)
    image = xp.zeros((n, c, *(size + 2 * p for size, p in zip(space, padding))), shares.dtype)
    for place, part in taps(tuple(kernel), stride, dilation, count):
        image[(slice(None), slice(None), *part)] += shares[(slice(None), slice(None), *place)]
    return image[(slice(None), slice(None), *(slice(p, p + size) for size, p in zip(space, padding)))]


def _weight_gradient(xp: Any, g: Any, x: Any, weight_shape: tuple, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> Any:
    """The gradient by the columns, images and places summed in one product."""
    n, o, *count = g.shape
    columns = _columns(xp, x, tuple(weight_shape[2:]), stride, padding, dilation, groups, tuple(count))
    places = n * numel(count)
    left = g.reshape(n, groups, o // groups, numel(count)).transpose(1, 2, 0, 3).reshape(groups, o // groups, places)
    right = columns.transpose(1, 2, 0, 3).reshape(groups, columns.shape[2], places)
    return xp.matmul(left, right.transpose(0, 2, 1)).reshape(weight_shape)


def _batch(name: str) -> Any:
    """A batch of images joins the images; a batch of anything else takes one call for each example."""
    alone = batching.looped(name)

    def rule(F: Any, size: Any, in_dims: Any, first: Any, second: Any, *rest: Any) -> Any:
        if in_dims[0] is None or in_dims[1] is not None or name == "convolution_weight_gradient":
            return alone(F, size, in_dims, first, second, *rest)
        images = batching.to_front(F, first, in_dims[0])
        flat = F.reshape(images, (size * images.shape[1], *images.shape[2:]))
        if name == "convolution":
            out = F.convolution(flat, second, *rest)
        else:
            shape, *options = rest
            out = F.convolution_input_gradient(flat, second, (size * shape[0], *shape[1:]), *options)
        return F.reshape(out, (size, images.shape[1], *out.shape[1:]))

    return rule


def _samples() -> list:
    s = Source("convolution")
    return calls(
        (s.floats((2, 2, 5, 4)), s.floats((3, 2, 3, 2)), (1, 1), (0, 0), (1, 1), 1),
        (s.floats((1, 4, 6, 6)), s.floats((2, 2, 3, 3)), (2, 1), (1, 2), (1, 1), 2),
        (s.floats((2, 2, 5, 6)), s.floats((2, 2, 2, 2)), (2, 2), (1, 0), (2, 1), 1),
        (s.floats((1, 3, 4, 4)), s.floats((3, 1, 2, 1)), (1, 1), (0, 0), (1, 1), 3),
        (s.floats((0, 2, 3, 3)), s.floats((2, 2, 2, 2)), (1, 1), (0, 0), (1, 1), 1),
        (s.floats((2, 2, 7)), s.floats((4, 1, 3)), (2,), (1,), (2,), 2),
        (s.floats((1, 2, 3, 4, 3)), s.floats((2, 2, 2, 2, 3)), (1, 2, 1), (1, 0, 1), (1, 1, 1), 1),
    )  # fmt: skip


def _gradient_samples(of_weight: bool) -> Any:
    """The same convolutions, with a gradient for the result, and the image or the weight."""

    def samples() -> list:
        found = []
        s = Source("convolution gradients")
        for (x, weight, *options), _ in _samples():
            g = s.floats(_shape(x, weight, *options))
            found.append((g, x, weight.shape, *options) if of_weight else (g, weight, x.shape, *options))
        return calls(*found)

    return samples


define(
    "convolution", "x: Tensor, weight: Tensor, stride, padding, dilation, groups", kind="extern", dtype=promotion.same("convolution"), shape=_shape,
    kernel=native("convolution", _convolve, 2), lower=Extern("convolution"),
    vjp={
        "x": lambda F, g, weight, x_shape, stride, padding, dilation, groups: F.convolution_input_gradient(
            g, weight, tuple(x_shape), stride, padding, dilation, groups),
        "weight": lambda F, g, x, weight_shape, stride, padding, dilation, groups: F.convolution_weight_gradient(
            g, x, tuple(weight_shape), stride, padding, dilation, groups),
    },
    jvp="linear", batch=_batch("convolution"), samples=_samples,
    doc="The cross-correlation of images x (N, C, *space) with weight (O, C/groups, *window): (N, O, *places) with "
    "places = (size + 2 padding - dilation (window - 1) - 1) // stride + 1, in one to three dimensions of space. "
    "Raises for channels that do not fit and kernels larger than the image.",
)  # fmt: skip

define(
    "convolution_input_gradient", "gradient: Tensor, weight: Tensor, input_shape, stride, padding, dilation, groups", kind="extern",
    dtype=promotion.same("convolution_input_gradient"), shape=lambda gradient, weight, input_shape, *options: tuple(input_shape),
    kernel=native("convolution_input_gradient", _input_gradient, 2), lower=Extern("convolution_input_gradient"),
    vjp={
        "gradient": lambda F, g, weight, stride, padding, dilation, groups: F.convolution(g, weight, stride, padding, dilation, groups),
        "weight": lambda F, g, gradient, weight_shape, stride, padding, dilation, groups: F.convolution_weight_gradient(
            gradient, g, tuple(weight_shape), stride, padding, dilation, groups),
    },
    jvp="linear", batch=_batch("convolution_input_gradient"), samples=_gradient_samples(False),
    doc="The gradient of a convolution for its images, of shape `input_shape`, from the gradient of its result and the weight.",
)  # fmt: skip

define(
    "convolution_weight_gradient", "gradient: Tensor, x: Tensor, weight_shape, stride, padding, dilation, groups", kind="extern",
    dtype=promotion.same("convolution_weight_gradient"), shape=lambda gradient, x, weight_shape, *options: tuple(weight_shape),
    kernel=native("convolution_weight_gradient", _weight_gradient, 2), lower=Extern("convolution_weight_gradient"),
    vjp={
        "gradient": lambda F, g, x, stride, padding, dilation, groups: F.convolution(x, g, stride, padding, dilation, groups),
        "x": lambda F, g, gradient, x_shape, stride, padding, dilation, groups: F.convolution_input_gradient(
            gradient, g, tuple(x_shape), stride, padding, dilation, groups),
    },
    jvp="linear", batch=_batch("convolution_weight_gradient"), samples=_gradient_samples(True),
    doc="The gradient of a convolution for its weight, of shape `weight_shape`, from the gradient of its result and the images x.",
)  # fmt: skip
