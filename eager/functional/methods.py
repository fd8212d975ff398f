"""The tensor's methods and operators: the public functions, attached by a table.

In come the functions of this package, out goes a `Tensor` class with PyTorch's methods, Python's operators and the in-place variants. The one idea: a
method is its function with the tensor first; nothing is written twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import dtypes, printing
from .._dispatch import Operator
from ..autograd.mode import STATE
from ..errors import AutogradError, InplaceError, error
from ..ops.definition import OPS
from ..ops.shapes import numel
from ..tensor import Storage, Tensor
from ..transforms.levels import beside
from . import complex_numbers, creation, elementary, exchange, indexing, making, pointwise, products, shape, storage
from .arguments import Number, as_number, as_operand, as_shape, cast, fitting, inplace
from .devices import make
from .kinds import STRICT
from .overlaps import need_apart
from .words import OF

# The public functions that are also methods, by theme. A new function becomes a method by one more word here.
METHODS = {
    "elementary": (
        "abs absolute add addcdiv addcmul positive neg negative sub subtract mul multiply div divide true_divide floor_divide remainder fmod pow sign "
        "reciprocal sqrt rsqrt square exp exp2 expm1 log log2 log1p sin cos tan asin acos atan arcsin arccos arctan atan2 arctan2 sinh cosh tanh sigmoid relu "
        "erf floor ceil trunc fix round clamp clamp_min clamp_max clip maximum minimum lerp masked_fill logaddexp logaddexp2 nan_to_num "
        "acosh asinh atanh arccosh arcsinh arctanh log10 erfc erfinv digamma lgamma i0 signbit copysign hypot fmax fmin nextafter gcd lcm xlogy frac "
        "float_power frexp ldexp heaviside logit sinc deg2rad rad2deg igamma igammac polygamma mvlgamma"
    ),
    "complex numbers": "adjoint conj conj_physical resolve_conj resolve_neg angle sgn is_conj is_neg",
    "comparison and logic": (
        "eq ne lt le gt ge greater less greater_equal less_equal not_equal equal isclose allclose isnan isinf isfinite logical_and logical_or "
        "logical_xor logical_not bitwise_and bitwise_or bitwise_xor bitwise_not bitwise_left_shift bitwise_right_shift isposinf isneginf isreal is_nonzero"
    ),
    "reduction": (
        "sum mean prod var std var_mean amax amin argmax argmin max min any all count_nonzero logsumexp softmax log_softmax cumsum sort argsort topk "
        "cummax cummin cumprod logcumsumexp diff msort unique unique_consecutive nansum nanmean aminmax kthvalue median nanmedian mode quantile "
        "nanquantile renorm cov corrcoef bincount histc histogram"
    ),
    "shape": (
        "view view_as reshape reshape_as flatten unflatten ravel permute transpose swapaxes swapdims t movedim moveaxis squeeze unsqueeze expand expand_as "
        "broadcast_to sum_to_size contiguous clone detach narrow select unbind chunk repeat tile repeat_interleave flip roll diagonal diag tril "
        "triu unfold to tensor_split hsplit vsplit dsplit split_with_sizes unsafe_split unsafe_split_with_sizes unsafe_chunk fliplr flipud rot90 diag_embed diagflat trace "
        "narrow_copy as_strided storage_offset as_strided_scatter diagonal_scatter select_scatter slice_scatter kron dist"
    ),
    "indexing": (
        "nonzero gather take_along_dim index_select masked_select scatter scatter_add index_add index_copy index_fill index_put "
        "take put argwhere nonzero_static masked_scatter scatter_reduce index_reduce"
    ),
    "products": "matmul mm bmm mv dot outer ger addmm baddbmm addmv addr addbmm",
    "linear algebra": (
        "inner vdot cholesky cholesky_inverse "
        "cholesky_solve cross det geqrf inverse logdet lu lu_solve matrix_exp matrix_power norm orgqr ormqr pinverse qr slogdet "
        "svd triangular_solve"
    ),
    "signals": "stft istft",
    "networks": "hardshrink prelu",
    "random": "bernoulli multinomial",
}
# The methods that have an in-place variant.
INPLACE = {
    "elementary": (
        "add sub subtract mul multiply div divide true_divide floor_divide remainder fmod pow neg negative abs absolute sign reciprocal "
        "sqrt rsqrt square exp exp2 expm1 log log2 log1p sin cos tan asin acos atan arcsin arccos arctan atan2 arctan2 sinh cosh tanh sigmoid relu erf floor "
        "ceil trunc fix round clamp clip clamp_min clamp_max lerp addcmul addcdiv masked_fill nan_to_num "
        "acosh asinh atanh arccosh arcsinh arctanh log10 erfc erfinv digamma lgamma i0 copysign hypot nextafter gcd lcm xlogy frac float_power ldexp "
        "heaviside logit sinc deg2rad rad2deg igamma igammac polygamma mvlgamma conj_physical sgn"
    ),
    "comparison and logic": (
        "eq ne lt le gt ge greater less greater_equal less_equal not_equal logical_not logical_and logical_or logical_xor bitwise_and bitwise_or "
        "bitwise_xor bitwise_not bitwise_left_shift bitwise_right_shift"
    ),
    "others": (
        "scatter scatter_add index_add index_copy index_fill index_put tril triu cumsum cumprod put masked_scatter scatter_reduce index_reduce renorm addmv addr "
        "addbmm addmm baddbmm"
    ),
}
CASTS = {
    "float": dtypes.float32,
    "double": dtypes.float64,
    "half": dtypes.float16,
    "bfloat16": dtypes.bfloat16,
    "int": dtypes.int32,
    "long": dtypes.int64,
    "short": dtypes.int16,
    "char": dtypes.int8,
    "byte": dtypes.uint8,
    "bool": dtypes.bool,
    "cfloat": dtypes.complex64,
    "cdouble": dtypes.complex128,
}


def _named(table: dict[str, str]) -> list[str]:
    return [name for names in table.values() for name in names.split()]


# ---------------------------------------------------------------------------------------------------------------- operators


def _is_operand(other: Any) -> bool:
    """What may stand beside a tensor: a tensor, a number, an array, and a size while a graph is traced."""
    return isinstance(other, (Tensor, *Number, np.ndarray)) or hasattr(other, "segue_symbol")


def _operator(function: Callable, reverse: bool = False) -> Callable:
    """A Python operator of a public function; where that is no more than its row, of the row."""

    def method(self: Tensor, other: Any) -> Any:
        if type(other) is not Tensor:
            if not _is_operand(other):
                return NotImplemented
            other = as_operand(other, function.__name__)
        return function(other, self) if reverse else function(self, other)

    method.__name__ = function.__name__
    return Operator(OPS[function.__name__], method, reverse) if function.__name__ in ROWS else method


def _inplace_operator(method: Callable) -> Callable:
    def operator(self: Tensor, other: Any) -> Any:
        if not _is_operand(other):
            return NotImplemented
        return method(self, as_operand(other, method.__name__))

    return operator


ARITHMETIC = {
    "add": "add",
    "sub": "sub",
    "mul": "mul",
    "truediv": "div",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "pow": "pow",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift",
}
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
ROWS = frozenset((*ARITHMETIC.values(), *COMPARISONS)) - {"pow"}  # whose functions do nothing else to a tensor and a number


def _attach_operators(methods: dict[str, Callable]) -> None:
    for python, name in ARITHMETIC.items():
        function = methods[name]
        setattr(Tensor, f"__{python}__", _operator(function))
        setattr(Tensor, f"__r{python}__", _operator(function, reverse=True))
        setattr(Tensor, f"__i{python}__", _inplace_operator(getattr(Tensor, name + "_")))
    for name in COMPARISONS:
        setattr(Tensor, f"__{name}__", _operator(methods[name]))
    special: dict[str, Callable[..., Any]] = {
        "__rdiv__": Tensor.__rtruediv__,
        "__matmul__": _operator(products.matmul),
        "__rmatmul__": _operator(products.matmul, reverse=True),
        "__neg__": methods["neg"],
        "__abs__": methods["abs"],
        "__pos__": methods["positive"],
        "__invert__": methods["bitwise_not"],
        "__getitem__": indexing.getitem,
        "__setitem__": indexing.setitem,
        "__iter__": _iterate,
        "__reversed__": _turned,
        "__repr__": printing.text,
        "__str__": printing.text,
    }
    for name, function in special.items():
        setattr(Tensor, name, function)


def _iterate(self: Tensor) -> Any:
    if not self.ndim:
        raise TypeError("iteration over a 0-d tensor")
    return iter(shape.unbind(self))


def _turned(self: Tensor) -> Tensor:
    return self.flip(0) if self.ndim else self


# ---------------------------------------------------------------------------------------------------------------- methods that are not functions


def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Fill with the values of `src`, broadcast and cast to this tensor's shape and dtype."""
    source = src if isinstance(src, Tensor) else creation.as_tensor(src)
    need_apart(self, "copy", (source,))
    return _filled(self, source)


def _filled(self: Tensor, source: Tensor) -> Tensor:
    return self._write("copy", indexing._fit(cast(source, self.dtype), tuple(self.shape)))


def fill_(self: Tensor, value: Any) -> Tensor:
    """Fill with one value."""
    if isinstance(value, Tensor):
        if value.ndim:
            raise error(RuntimeError, f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions.")
        return _filled(self, value)  # a number that is read first, so it may lie in this tensor
    if value is None or isinstance(value, (str, list, tuple, dtypes.dtype)):
        raise error(TypeError, f"fill_(): argument 'value' must be a number or a 0-d tensor, not {type(value).__name__}")
    return self._write("fill", make("full", self.device, tuple(self.shape), value, self.dtype))


def zero_(self: Tensor) -> Tensor:
    """Fill with zeros."""
    return fill_(self, 0)


def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Tensor:
    """Fill with draws from a normal distribution. Raises RuntimeError for a negative `std`."""
    making.need_continuous("normal_", self)
    mean, std = as_number(mean), as_number(std)
    if std < 0:
        raise error(RuntimeError, f"normal_ expects std >= 0.0, but found std {std}")
    if self.is_meta:
        return self
    return self._write("normal", creation.randn(tuple(self.shape), dtype=self.dtype, generator=generator, device=self.device) * std + mean)


def uniform_(self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Any = None) -> Tensor:
    """Fill with draws uniform in [from_, to). Raises RuntimeError for an empty range."""
    making.need_continuous("uniform_", self)
    from_, to = as_number(from_), as_number(to)
    if from_ > to:
        raise error(RuntimeError, f"uniform_ expects to return a [from, to) range, but found from={from_} > to={to}")
    if self.is_meta:
        return self
    return self._write("uniform", creation.rand(tuple(self.shape), dtype=self.dtype, generator=generator, device=self.device) * (to - from_) + from_)


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Fill with 1 with probability `p` (a number or a tensor of them), else 0. Raises RuntimeError for a number that is no probability."""
    if not isinstance(p, Tensor) and not 0 <= p <= 1:
        raise error(RuntimeError, f"bernoulli_ expects p to be in [0, 1], but got p={p}")
    draws = creation.rand(tuple(self.shape), generator=generator, device=self.device)
    return self._write("bernoulli", cast(draws < p, self.dtype))


_WHOLE = {dtypes.float16: 2**11, dtypes.bfloat16: 2**8, dtypes.float32: 2**24, dtypes.float64: 2**53, dtypes.bool: 1}  # the largest that all below fit too


def random_(self: Tensor, from_: int | None = None, to: int | None = None, *, generator: Any = None) -> Tensor:
    """Fill with integers in [from_, to), or in [0, from_) with one bound; without any, with all that the dtype holds exactly."""
    if from_ is None:
        from_, to = 0, (_WHOLE[self.dtype] if self.dtype in _WHOLE else dtypes.iinfo(self.dtype).max) + (0 if self.dtype is dtypes.int64 else 1)
    bounds = (0, from_) if to is None else (from_, to)
    return self._write("random", creation.randint(*bounds, tuple(self.shape), dtype=self.dtype, generator=generator, device=self.device))


def _new(function: Callable) -> Callable:
    def method(self: Tensor, *sizes: Any, dtype: Any = None, **options: Any) -> Tensor:
        options["device"] = options.get("device") or self.device
        return beside(function(*sizes, dtype=dtype or self.dtype, **options), self)

    return method


def new_tensor(self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A new tensor of this one's dtype, on its device."""
    return creation.tensor(data, dtype=dtype or self.dtype, requires_grad=requires_grad, device=device or self.device)


def where(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """This tensor's element where `condition` (bool) holds, else `other`'s."""
    return pointwise.where(condition, self, other)


def split(self: Tensor, split_size: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of `split_size` elements each along `dim`, or of the given sizes."""
    return shape.split(self, split_size, dim)


def polygamma(self: Tensor, n: int) -> Tensor:
    """The n-th derivative of digamma of the elements."""
    return elementary.polygamma(n, self)


def to_dense(self: Tensor, dtype: Any = None, *, masked_grad: bool | None = None) -> Tensor:
    """The tensor, which is dense, in `dtype`. Raises TypeError for what is no dtype."""
    return self if dtype is None else cast(self, dtypes.as_dtype(dtype))


def type_as(self: Tensor, other: Tensor) -> Tensor:
    """In `other`'s dtype."""
    return cast(self, other.dtype)


def type_(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """In another dtype; without one, the name of this tensor's type. Raises ValueError for a name that is none."""
    if isinstance(dtype, str) and not dtype.endswith("Tensor"):
        raise ValueError(f"invalid type: {dtype!r}; a dtype is meant, or an older name such as 'torch.FloatTensor'")
    return f"segue.{dtypes._LEGACY_NAMES.get(self.dtype, self.dtype.name)}" if dtype is None else cast(self, dtypes.as_dtype(dtype))


def cpu(self: Tensor, memory_format: Any = None) -> Tensor:
    """On the CPU: the tensor itself when it is there."""
    return shape.to(self, "cpu")


def cuda(self: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> Tensor:
    """On a GPU. Raises RuntimeError where there is none."""
    return shape.to(self, "cuda" if device is None else f"cuda:{device}" if isinstance(device, int) else device)


def _take_over(self: Tensor, out: Tensor) -> Tensor:
    """The tensor becomes `out`: its array, its storage, its place on the tape."""
    for part in ("_data", "_storage", "_edge", "_requires_grad", "_base", "_chain", "_epoch"):
        setattr(self, part, getattr(out, part))
    return self


def resize_(self: Tensor, *sizes: Any, size: Any = None, memory_format: Any = None) -> Tensor:
    """Another size in place: the elements keep their order, those that are new are zeros.

    A tensor that grows takes new memory; views that were made of it keep the old one. Raises RuntimeError for a tensor that requires a gradient.
    """
    if self.requires_grad:
        raise error(AutogradError, "cannot resize variables that require grad", "x.detach().resize_(...)")
    wanted = as_shape(sizes if size is None else (size,))
    flat = shape.reshape(self.detach(), (-1,))
    missing = numel(wanted) - flat.shape[0]
    if missing > 0:
        flat = OPS["cat"]((flat, make("full", self.device, (missing,), 0, self.dtype)), 0)
    return _take_over(self, shape.reshape(OPS["slice"](flat, 0, 0, numel(wanted), 1), wanted))


def resize_as_(self: Tensor, the_template: Tensor, *, memory_format: Any = None) -> Tensor:
    """`resize_` to another tensor's size."""
    return resize_(self, tuple(the_template.shape))


def reshape_in_place(name: str, function: Callable) -> Callable:
    """`t_`, `squeeze_` ...: the tensor takes over the view's array, and becomes a view of what it was. Raises RuntimeError for leaves that require grad."""

    def method(self: Tensor, *args: Any, **named: Any) -> Tensor:
        if STATE.enabled and self.requires_grad and self.is_leaf:
            raise error(InplaceError, f"a leaf Variable that requires grad is being used in an in-place operation ({name})", "use no_grad()")
        out = function(self, *args, **named)
        if STATE.enabled:
            before = self._base
            if before is None:
                before = Tensor._wrap(self._data, self._storage)
                before._edge, before._requires_grad, before._epoch = self._edge, self._requires_grad, self._epoch
            self._edge, self._requires_grad, self._base, self._chain, self._epoch = out._edge, out._requires_grad, before, out._chain, out._epoch
        self._data = out._data
        return self

    method.__name__ = name
    return method


def from_parts(array: Any, storage: Storage, edge: Any) -> Tensor:
    """A result put together again from what the tape kept of it."""
    out = Tensor._wrap(array, storage)
    out._edge, out._requires_grad = edge, True
    return out


FILLS = (
    copy_, fill_, zero_, normal_, uniform_, bernoulli_, random_, making.exponential_, making.geometric_, making.cauchy_, making.log_normal_,
)  # fmt: skip


def _cast_method(of: dtypes.dtype) -> Callable:
    return lambda self, *, memory_format=None: cast(self, of)


def _matrix(name: str, x: Tensor) -> Tensor:
    """The last two dimensions exchanged; a number is itself. Raises RuntimeError for a vector, and of `H` for more than two dimensions."""
    if x.ndim == 1 or name == "H" and x.ndim > 2:
        raise error(RuntimeError, f"tensor.{name} is only supported on matrices{'' if name == 'H' else ' or batches of matrices'}. Got {x.ndim}-D tensor.")
    return shape.transpose(x, -2, -1) if x.ndim else x


PROPERTIES: dict[str, Callable] = {
    "retains_grad": lambda self: self._edge is not None and self._retains is not None,
    "is_cpu": lambda self: self.device.type == "cpu",
    **dict.fromkeys(("is_xpu", "is_mps", "is_sparse", "is_quantized", "is_mkldnn", "is_nested", "is_sparse_csr", "is_vulkan", "is_mtia", "is_xla", "is_ipu"), lambda self: False),
    "T": lambda self: OPS["permute"](self, tuple(reversed(range(self.ndim)))),
    "mT": lambda self: _matrix("mT", self),
    "real": complex_numbers.real,
    "imag": complex_numbers.imag,
    "mH": lambda self: complex_numbers.conj(_matrix("mH", self)),
    "H": lambda self: complex_numbers.conj(_matrix("H", self)),
}


def in_place_functions() -> dict[str, Callable]:
    """The in-place methods that are functions of the top level too: `segue.relu_(x)`."""
    names = (
        "abs acos acosh addmv as_strided arccos arccosh arcsin arcsinh arctan arctanh asin asinh atan atanh ceil clamp clamp_max clamp_min clip conj_physical cos cosh "
        "deg2rad detach erf erfc exp exp2 expm1 fill fix floor frac gcd i0 index_put lcm ldexp log log10 log1p log2 logit nan_to_num neg negative rad2deg "
        "reciprocal resize_as round rsqrt sigmoid sin sinc sinh sqrt square tan tanh trunc xlogy zero"
    )
    found = {f"{name}_": getattr(Tensor, f"{name}_") for name in names.split()}
    return found | {name: fitting(found[name], {"input": "self"}) for name in ("detach_", "fill_", "resize_as_", "zero_")}  # which are methods first


def _new_full(self: Tensor, size: Any, fill_value: Any, **options: Any) -> Tensor:
    return _new(creation.full)(self, size, fill_value, **options)


def attach(namespace: dict[str, Any]) -> None:
    """Give `Tensor` its methods: those of the public functions in `namespace` that METHODS names. Called once, when the package is imported."""
    methods = {name: getattr(namespace[name], "method", namespace[name]) for name in _named(METHODS)} | {"polygamma": polygamma}
    for name, function in methods.items():
        setattr(Tensor, name, function)
    for name in _named(INPLACE):
        setattr(Tensor, name + "_", inplace(methods[name]))
    for name, of in CASTS.items():
        setattr(Tensor, name, _cast_method(of))
    for function in (*FILLS, resize_, resize_as_, new_tensor, type_as, cpu, cuda, where, split, to_dense):
        name, words = function.__name__, OF.get(function.__name__)
        setattr(Tensor, name, fitting(function, words, name in STRICT) if len(function.__annotations__) > 2 else function)
    for maker in (creation.zeros, creation.ones, creation.empty, making.empty_strided):
        setattr(Tensor, f"new_{maker.__name__}", _new(maker))
    setattr(Tensor, "new_full", _new_full)  # noqa: B010
    setattr(Tensor, "type", type_)  # noqa: B010  (an attribute that type checkers do not know)
    for name in ("t", "transpose", "squeeze", "unsqueeze", "swapaxes", "swapdims", "as_strided"):
        setattr(Tensor, name + "_", reshape_in_place(name + "_", methods[name]))
    for name, function in exchange.PROTOCOLS.items():
        setattr(Tensor, name, function)
    for name, function in storage.METHODS.items():
        setattr(Tensor, name, fitting(function, strict=name in STRICT))
    for name, getter in PROPERTIES.items():
        setattr(Tensor, name, property(getter))
    _attach_operators(methods)
