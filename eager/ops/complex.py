"""Complex numbers: their parts as views, the conjugate, and a complex number put together.

In come complex tensors, or real ones that become a pair; out go rows. The one idea: a complex number in memory is two real ones side by side, so the
parts are views with twice the strides. The formulas here, as in all rows, are plain transposes: the tape conjugates around them (see tape.py), which
gives PyTorch's gradient dL/d(real) + i dL/d(imaginary).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import promotion
from ..dtypes import dtype
from ..errors import DtypeError, error
from . import batching
from .definition import Host, define
from .samples import Source, calls
from .shapes import broadcast, require, same_shape
from .views import as_strided

_HOST = Host("complex numbers have no native form yet")


def _real_of(name: str) -> Any:
    """The dtype of the parts of a complex operand. Raises DtypeError for others."""

    def facet(x: Any, *rest: Any) -> dtype:
        if not x.dtype.is_complex:
            raise error(DtypeError, f"{name}() is only supported for complex tensors, not {x.dtype}")
        return promotion.REAL_OF[x.dtype]

    facet.no_cast = True  # type: ignore[attr-defined]
    return facet


def _complex_of(name: str) -> Any:
    """The complex dtype whose parts are like the floating operand. Raises DtypeError for others."""

    def facet(x: Any, *rest: Any) -> dtype:
        if any(part.dtype not in promotion.REAL_OF.values() or part.dtype is not x.dtype for part in (x, *rest)):
            kinds = " and ".join(part.dtype.name for part in (x, *rest))
            raise error(DtypeError, f"{name}() is only supported for float32 and float64 tensors of one dtype, not {kinds}", "x.float()")
        return promotion.COMPLEX_OF[x.dtype]

    facet.no_cast = True  # type: ignore[attr-defined]
    return facet


def _samples() -> list:
    s = Source("complex")
    return calls((s.complexes((2, 3)),), (s.complexes(()),), (s.complexes((0, 2)),), (s.complexes((2, 3)).T,))


# --------------------------------------------------------------------------------------------------------------------
# The parts. The result is real, so the formulas get a real gradient.


def _doubled(x: Any) -> tuple:
    return tuple(stride * 2 for stride in x.stride())


for _name, _gradient, _inverse, _doc in (
    ("real", lambda F, g, x_dtype: F.cast(g, x_dtype), lambda F, base, new: F.complex(new, F.imag(base)), "The real parts, as a view."),
    ("imag", lambda F, g, x_dtype: F.cast(g, x_dtype) * 1j, lambda F, base, new: F.complex(F.real(base), new), "The imaginary parts, as a view."),
):
    define(
        _name, "x: Tensor", kind="view", dtype=_real_of(_name), shape=same_shape, kernel=lambda xp, x, part=_name: getattr(x, part), lower=_HOST,
        strides=_doubled, vjp={"x": _gradient}, jvp="linear", inverse=_inverse, batch=batching.shifted(_name, lambda x: ()), samples=_samples,
        doc=f"{_doc} Raises for a real operand.", tags="alias recompute",
    )  # fmt: skip


def _as_real_kernel(xp: Any, x: Any) -> Any:
    parts = x.real
    return as_strided(xp, parts, (*x.shape, 2), (*(stride // parts.itemsize for stride in x.strides), 1))


define(
    "view_as_real", "x: Tensor", kind="view", dtype=_real_of("view_as_real"), shape=lambda x: (*x.shape, 2), kernel=_as_real_kernel, lower=_HOST,
    strides=lambda x: (*_doubled(x), 1), vjp={"x": lambda F, g: F.view_as_complex(F.contiguous(g))}, jvp="linear",
    inverse=lambda F, base, new: F.view_as_complex(F.contiguous(new)), batch=batching.shifted("view_as_real", lambda x: ()), samples=_samples,
    doc="The same memory as pairs of real numbers, in a new last dimension of size 2. Raises for a real operand.", tags="alias recompute",
)  # fmt: skip


def _as_complex_shape(x: Any) -> tuple:
    shape = tuple(x.shape)
    require(len(shape) > 0 and shape[-1] == 2, lambda: f"view_as_complex(): Tensor must have a last dimension of size 2, not shape {shape}")
    return shape[:-1]


def _as_complex_strides(x: Any) -> tuple | None:
    *strides, last = x.stride()
    empty = any(type(size) is int and size == 0 for size in x.shape)
    return tuple(s // 2 for s in strides) if empty or (last == 1 and all(s % 2 == 0 for s in strides)) else None


def _as_complex_kernel(xp: Any, x: Any) -> Any:
    dense = x.strides[-1] == x.itemsize and not any(s % (2 * x.itemsize) for s in x.strides[:-1])
    require(dense or not x.size, lambda: "view_as_complex(): Tensor must have a last dimension with stride 1 and the others with even strides; use "
            "x.contiguous()")
    if not x.size:
        return xp.empty(x.shape[:-1], np.result_type(x.dtype, np.complex64))
    return x.view(np.result_type(x.dtype, np.complex64))[..., 0]


def _pair_samples() -> list:
    s = Source("view_as_complex")
    return calls((s.floats((3, 2)),), (s.floats((2,)),), (s.floats((2, 3, 2)),), (s.floats((4, 1, 2)),), (s.floats((0, 2)),))


define(
    "view_as_complex", "x: Tensor", kind="view", dtype=_complex_of("view_as_complex"), shape=_as_complex_shape, kernel=_as_complex_kernel, lower=_HOST,
    strides=_as_complex_strides, vjp={"x": lambda F, g: F.view_as_real(F.conj(g))}, jvp="linear",
    inverse=lambda F, base, new: F.view_as_real(F.contiguous(new)),
    batch=lambda F, size, in_dims, x: F.view_as_complex(F.contiguous(batching.to_front(F, x, in_dims[0]))), samples=_pair_samples,
    doc="The same memory as complex numbers: the pairs of the last dimension, of size 2. Raises for other sizes and strides that no pair has.",
    tags="alias recompute",
)  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# The conjugate, and a number from its parts


def _conjugate_samples() -> list:
    s = Source("conj")
    return [*_samples(), *calls((s.floats((2, 2)),), (s.integers((3,)),))]


define(
    "conj", "x: Tensor", kind="pointwise", dtype=promotion.promoted, shape=same_shape, kernel=lambda xp, x: xp.conjugate(x), lower=_HOST,
    vjp={"x": lambda F, g: F.conj(g)}, jvp="linear", batch=batching.broadcasting("conj"), samples=_conjugate_samples, tags="recompute",
    doc="The complex conjugate; a real number is its own.",
)  # fmt: skip


def _put_together(xp: Any, x: Any, y: Any) -> Any:
    out = xp.empty(np.broadcast_shapes(x.shape, y.shape), np.result_type(x.dtype, np.complex64))
    out.real, out.imag = x, y
    return out


def _parts_samples() -> list:
    s = Source("complex parts")
    return calls((s.floats((2, 3)), s.floats((2, 3))), (s.floats((2, 1)), s.floats((3,))), (s.floats(()), s.floats(())), (s.floats((0,)), s.floats((1,))))


define(
    "complex", "x: Tensor, y: Tensor", kind="pointwise", dtype=_complex_of("complex"), shape=broadcast("complex"), kernel=_put_together, lower=_HOST,
    vjp={"x": lambda g: g, "y": lambda g: g * 1j},
    jvp={"x": lambda F, t, y: F.complex(t, F.zeros_like(y)), "y": lambda F, t, x: F.complex(F.zeros_like(x), t)},
    batch=batching.broadcasting("complex"), samples=_parts_samples, tags="recompute",
    doc="x + iy. Raises unless both are float32 or both float64.",
)  # fmt: skip
