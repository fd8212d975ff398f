"""More ways to make and fill tensors: logarithmic ranges, permuted memory, draws in place.

In come sizes and parameters, out go tensors. The one idea: a draw of any distribution is its inverse distribution function of a uniform draw.
"""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..autograd.autocast import autocasts
from ..dtypes import as_dtype, get_default_dtype
from ..errors import UnsupportedDtypeError, error
from ..ops.definition import OPS
from ..promotion import result_type
from ..tensor import Tensor
from .arguments import accepts_out, as_number, as_shape, cast, fills_out, need_kind
from .creation import check_steps, empty, full, in_kind, linspace, rand, randn
from .products import added, matmul
from .shape import broadcast_shapes


@fills_out
def logspace(start: Any, end: Any, steps: int, base: float = 10.0, *, dtype: Any = None, device: Any = None,
             requires_grad: bool = False) -> Tensor:  # fmt: skip
    """base ** `steps` evenly spaced numbers from `start` to `end`; for an integer dtype these two are cut to integers first."""
    check_steps("logspace", start, end, steps)
    of = as_dtype(dtype) if dtype is not None else get_default_dtype()
    first, last = (v if steps == 1 else in_kind(v, of) for v in (start, end))  # one number is base ** start, not cut before
    wide = dtypes.complex128 if of.is_complex else dtypes.float64
    exponents = linspace(first, last, steps, dtype=wide, device=device)
    out = cast(OPS["pow"](OPS["full"]((), base, wide), exponents), of)
    return out.requires_grad_() if requires_grad else out


def scalar_tensor(s: Any, *, dtype: Any = None, device: Any = None, layout: Any = None, requires_grad: bool = False) -> Tensor:
    """A 0-d tensor of the default dtype, or of `dtype`."""
    out = full((), s.item() if isinstance(s, Tensor) else s, dtype=as_dtype(dtype) if dtype is not None else get_default_dtype(), device=device)
    return out.requires_grad_() if requires_grad else out


def empty_permuted(size: Any, physical_layout: Any, *, dtype: Any = None, device: Any = None, layout: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of `size` whose dimensions lie in memory in the order `physical_layout`, the outermost first."""
    order = tuple(physical_layout)
    if sorted(order) != list(range(len(size))):
        raise error(RuntimeError, f"empty_permuted(): physical_layout {list(order)} is no order of the {len(size)} dimensions")
    out = empty(tuple(size[d] for d in order), dtype=dtype, device=device)
    return OPS["permute"](out, tuple(sorted(range(len(order)), key=order.__getitem__))).requires_grad_(requires_grad)


def empty_strided(size: Any, stride: Any, *, dtype: Any = None, device: Any = None, layout: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of `size` whose elements lie `stride` apart in memory. Its values are zeros. Raises RuntimeError for lists of two lengths."""
    size, stride = tuple(size), tuple(stride)
    if len(size) != len(stride):
        raise error(RuntimeError, f"empty_strided(): size {list(size)} and stride {list(stride)} must have one length")
    memory = 1 + sum((s - 1) * t for s, t in zip(size, stride)) if all(size) else 0
    return OPS["as_strided"](empty(memory, dtype=dtype, device=device), size, stride, 0).requires_grad_(requires_grad)


@accepts_out
def normal(mean: Any, std: Any = 1.0, size: Any = None, *, generator: Any = None, dtype: Any = None, device: Any = None, layout: Any = None,
           requires_grad: bool = False, pin_memory: Any = None) -> Tensor:  # fmt: skip
    """Draws of normal distributions: one for each element of `mean` and `std` (tensors that broadcast, or numbers), or `size` of one.

    Raises RuntimeError for a negative `std`, TypeError for numbers without a `size`.

    >>> import segue
    >>> segue.normal(0.0, 1.0, (2, 3)).shape
    segue.Size([2, 3])
    """
    known = [v for v in (mean, std) if isinstance(v, Tensor)]
    if (size is None) == (not known):
        raise error(TypeError, "normal(): either `mean` or `std` is a tensor, or there is a `size`")
    if isinstance(std, complex) or isinstance(std, Tensor) and std.dtype.is_complex:
        raise error(RuntimeError, "normal(): normal expects standard deviation to be non-complex")
    below = OPS["lt"](std, 0) if isinstance(std, Tensor) and std.dtype.is_floating_point else not isinstance(std, Tensor) and std < 0
    if OPS["any"](below, tuple(range(below.ndim)), False).item() if isinstance(below, Tensor) else below:
        raise error(RuntimeError, f"normal expects all elements of std >= 0.0, but found std={std}")
    shape = broadcast_shapes(*(v.shape for v in known)) if known else as_shape((size,))
    of = as_dtype(dtype) if dtype is not None else known[0].dtype if known else None
    if of is not None and of.category <= dtypes.INTEGER:
        raise error(NotImplementedError, f"normal() draws no {of.name}", "mean.float()")
    mean, std = (cast(v.detach(), of if of is not None else v.dtype) if isinstance(v, Tensor) else v for v in (mean, std))
    out = randn(tuple(shape), dtype=of, device=device, generator=generator) * std + mean
    return out.requires_grad_(requires_grad)


@accepts_out
def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor of `input`'s shape and dtype, filled with one value (a number or a 0-d tensor, which gets the gradient)."""
    if isinstance(value, Tensor):
        if value.ndim:
            raise error(RuntimeError, f"fill only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions.")
        return OPS["clone"](OPS["expand"](cast(value, input.dtype), tuple(input.shape)))
    whole = OPS["full"](tuple(input.shape), value, input.dtype)
    return OPS["where"](OPS["full"]((), True, dtypes.bool), whole, input) if input.requires_grad else whole


# ---------------------------------------------------------------------------------------------------------------- sums of products


@accepts_out
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * (mat @ vec)."""
    return added(input, matmul(mat, vec), beta, alpha)


@accepts_out
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * (outer product of vec1 and vec2), in the dtype of all three.

    Raises RuntimeError for arguments that are no vectors, and for a beta or alpha that the dtype has no room for.
    """
    for name, vector in (("vec1", vec1), ("vec2", vec2)):
        if vector.ndim != 1:
            raise error(RuntimeError, f"addr: Expected 1-D argument {name}, but got {vector.ndim}-D")
    of = result_type(input, vec1, vec2)
    for name, number in (("beta", beta), ("alpha", alpha)):
        need_kind("addr", name, number, of)
    input, vec1, vec2 = (cast(t, of) for t in (input, vec1, vec2))
    return added(input, OPS["unsqueeze"](vec1, 1) * OPS["unsqueeze"](vec2, 0), beta, alpha)


@autocasts
@accepts_out
def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * (the sum of the products of two batches of matrices)."""
    products = matmul(batch1, batch2)
    return added(input, cast(OPS["sum"](products, (0,), False), products.dtype), beta, alpha)


# ---------------------------------------------------------------------------------------------------------------- draws in place


def _positive(self: Tensor, generator: Any) -> Tensor:
    """Uniform in (0, 1], in float32 at least."""
    wide = self.dtype if self.dtype in (dtypes.float32, dtypes.float64) else dtypes.float32
    return 1.0 - rand(tuple(self.shape), dtype=wide, generator=generator)


def need_continuous(name: str, x: Tensor) -> None:
    if x.dtype.category < dtypes.FLOAT:
        raise error(UnsupportedDtypeError, f"{name}(): the distribution is continuous, and the dtype {x.dtype.name} holds integers", "x.float()")


def exponential_(self: Tensor, lambd: float = 1, *, generator: Any = None) -> Tensor:
    """Fill with draws of density lambd * exp(-lambd * x)."""
    need_continuous("exponential_", self)
    lambd = as_number(lambd)
    if not lambd > 0:
        raise error(RuntimeError, f"exponential_ expects lambda > 0.0, but found lambda={lambd}")
    return self._write("exponential", cast(OPS["log"](_positive(self, generator)) * (-1.0 / lambd), self.dtype))


def geometric_(self: Tensor, p: float, *, generator: Any = None) -> Tensor:
    """Fill with the number of trials up to the first success, each of probability `p`."""
    p = as_number(p)
    if not 0 < p < 1:
        raise error(RuntimeError, f"geometric_ expects p to be in (0, 1), but got p={p}")
    draws = OPS["clamp_min"](OPS["ceil"](OPS["log"](_positive(self, generator)) * (1.0 / math.log1p(-p))), 1.0)
    return self._write("geometric", cast(draws, self.dtype))


def cauchy_(self: Tensor, median: float = 0, sigma: float = 1, *, generator: Any = None) -> Tensor:
    """Fill with draws of a Cauchy distribution."""
    need_continuous("cauchy_", self)
    median, sigma = as_number(median), as_number(sigma)
    if sigma <= 0:
        raise error(RuntimeError, f"cauchy_ expects sigma > 0.0, but found sigma={sigma}")
    return self._write("cauchy", cast(OPS["tan"]((_positive(self, generator) - 0.5) * math.pi) * sigma + median, self.dtype))


def log_normal_(self: Tensor, mean: float = 1, std: float = 2, *, generator: Any = None) -> Tensor:
    """Fill with exp of draws of a normal distribution."""
    need_continuous("log_normal_", self)
    mean, std = as_number(mean), as_number(std)
    if std <= 0:
        raise error(RuntimeError, f"log_normal_ expects std > 0.0, but found std={std}")
    wide = self.dtype if self.dtype in (dtypes.float32, dtypes.float64) else dtypes.float32
    return self._write("log_normal", cast(OPS["exp"](randn(tuple(self.shape), dtype=wide, generator=generator) * std + mean), self.dtype))
