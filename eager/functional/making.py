"""More ways to make and fill tensors: logarithmic ranges, permuted memory, draws in place.

In come sizes and parameters, out go tensors. The one idea: a draw of any distribution is its inverse distribution function of a uniform draw.
"""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..autograd.autocast import autocasts
from ..dtypes import as_dtype, get_default_dtype
from ..errors import error
from ..ops.definition import OPS
from ..tensor import Tensor
from .arguments import accepts_out, cast
from .creation import empty, linspace, rand, randn
from .products import added, matmul


@accepts_out
def logspace(start: Any, end: Any, steps: int, base: float = 10.0, *, dtype: Any = None, device: Any = None, layout: Any = None,
             requires_grad: bool = False) -> Tensor:  # fmt: skip
    """base ** `steps` evenly spaced numbers from `start` to `end`."""
    of = as_dtype(dtype) if dtype is not None else get_default_dtype()
    first, last = (v.item() if isinstance(v, Tensor) else v for v in (start, end))
    wide = of if of.is_complex else dtypes.float64
    exponents = linspace(float(first), float(last), steps, dtype=dtypes.float64)
    out = cast(OPS["pow"](OPS["full"]((), base, wide), cast(exponents, wide)), of)
    return out.requires_grad_() if requires_grad else out


def scalar_tensor(s: Any, *, dtype: Any = None, device: Any = None, layout: Any = None, requires_grad: bool = False) -> Tensor:
    """A 0-d tensor of the default dtype, or of `dtype`."""
    out = OPS["full"]((), s.item() if isinstance(s, Tensor) else s, as_dtype(dtype) if dtype is not None else get_default_dtype())
    return out.requires_grad_() if requires_grad else out


def empty_permuted(size: Any, physical_layout: Any, *, dtype: Any = None, device: Any = None, layout: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of `size` whose dimensions lie in memory in the order `physical_layout`, the outermost first."""
    order = tuple(physical_layout)
    if sorted(order) != list(range(len(size))):
        raise error(RuntimeError, f"empty_permuted(): physical_layout {list(order)} is no order of the {len(size)} dimensions")
    out = empty(tuple(size[d] for d in order), dtype=dtype, device=device)
    return OPS["permute"](out, tuple(sorted(range(len(order)), key=order.__getitem__))).requires_grad_(requires_grad)


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
    """beta * input + alpha * (outer product of vec1 and vec2)."""
    return added(input, OPS["unsqueeze"](vec1, 1) * OPS["unsqueeze"](vec2, 0), beta, alpha)


@autocasts
@accepts_out
def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * (the sum of the products of two batches of matrices)."""
    return added(input, OPS["sum"](matmul(batch1, batch2), (0,), False), beta, alpha)


# ---------------------------------------------------------------------------------------------------------------- draws in place


def _positive(self: Tensor, generator: Any) -> Tensor:
    """Uniform in (0, 1], in float32 at least."""
    wide = self.dtype if self.dtype in (dtypes.float32, dtypes.float64) else dtypes.float32
    return 1.0 - rand(tuple(self.shape), dtype=wide, generator=generator)


def exponential_(self: Tensor, lambd: float = 1, *, generator: Any = None) -> Tensor:
    """Fill with draws of density lambd * exp(-lambd * x)."""
    if lambd <= 0:
        raise error(RuntimeError, f"exponential_ expects lambda > 0.0, but found lambda={lambd}")
    return self._write("exponential", cast(OPS["log"](_positive(self, generator)) * (-1.0 / lambd), self.dtype))


def geometric_(self: Tensor, p: float, *, generator: Any = None) -> Tensor:
    """Fill with the number of trials up to the first success, each of probability `p`."""
    if not 0 < p < 1:
        raise error(RuntimeError, f"geometric_ expects p to be in (0, 1), but got p={p}")
    draws = OPS["clamp_min"](OPS["ceil"](OPS["log"](_positive(self, generator)) * (1.0 / math.log1p(-p))), 1.0)
    return self._write("geometric", cast(draws, self.dtype))


def cauchy_(self: Tensor, median: float = 0, sigma: float = 1, *, generator: Any = None) -> Tensor:
    """Fill with draws of a Cauchy distribution."""
    if sigma <= 0:
        raise error(RuntimeError, f"cauchy_ expects sigma > 0.0, but found sigma={sigma}")
    return self._write("cauchy", cast(OPS["tan"]((_positive(self, generator) - 0.5) * math.pi) * sigma + median, self.dtype))


def log_normal_(self: Tensor, mean: float = 1, std: float = 2, *, generator: Any = None) -> Tensor:
    """Fill with exp of draws of a normal distribution."""
    if std <= 0:
        raise error(RuntimeError, f"log_normal_ expects std > 0.0, but found std={std}")
    wide = self.dtype if self.dtype in (dtypes.float32, dtypes.float64) else dtypes.float32
    return self._write("log_normal", cast(OPS["exp"](randn(tuple(self.shape), dtype=wide, generator=generator) * std + mean), self.dtype))
