"""Making tensors: from data, filled, counted, and drawn at random.

In come shapes and values, out go new tensors. The one idea: everything here is a `full`, an `arange`, or a random draw at the generator's next
call, so that a captured graph can make them too.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import dtypes
from ..cuda import ACCELERATED, exact, is_real
from ..dtypes import CPU, as_dtype, default_device, device, dtype, get_default_dtype, iinfo
from ..errors import DtypeError, ShapeError, error
from ..layouts import need_strided
from ..meta import meta_tensor
from ..ops.definition import OPS
from ..promotion import COMPLEX_OF, REAL_OF
from ..random import Generator, next_call
from ..sizes import BEYOND_SIZES, demand, is_symbolic
from ..tensor import FACTORY, Storage, Tensor, wrap
from ..transforms.levels import beside
from .arguments import accepts_out, as_number, as_shape, cast, fills_out, known_true
from .devices import make, on_device
from .positions import runtime_size


def _placed(out: Tensor, where: Any, requires_grad: bool) -> Tensor:
    """The new tensor on device `where`, as a leaf that may want a gradient."""
    where = default_device[0] if where is None else where
    if where is not None and where is not CPU:
        target = exact(device(where))
        if target.type == "meta":
            out = meta_tensor(out.shape, out.dtype)
        elif target != out.device:
            out = OPS["to_device"](out.detach(), out.device, target)
    return out.requires_grad_() if requires_grad else out


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:
    """A new leaf tensor with a copy of `data` (numbers, nested sequences, arrays, tensors).

    Python floats become the default dtype, ints int64, bools bool; arrays keep theirs. Raises TypeError or ValueError for what is not numeric or is
    ragged.

    >>> import segue
    >>> segue.tensor([[1, 2], [3, 4]]).dtype
    segue.int64
    """
    if isinstance(data, Tensor):
        out = OPS["clone"](data.detach())
        return _placed(cast(out, as_dtype(dtype)) if dtype is not None else out, device, requires_grad)
    if getattr(data, "segue_symbol", False):  # a size, while a graph is traced
        return _placed(OPS["full"]((), data, as_dtype(dtype) if dtype is not None else dtypes.int64), device, requires_grad)
    array = _array(data)
    target = as_dtype(dtype) if dtype is not None else _inferred(data, array)
    if array.dtype == object:
        return _placed(_of_sizes(array.tolist(), target), device, requires_grad)
    if array.dtype != target.numpy and array.dtype.kind in "uifc" and not isinstance(data, (np.ndarray, np.generic)):
        _check_numbers(array, target)
    out = wrap(np.array(array, dtype=target.numpy, order="C"))
    return _placed(out, device, requires_grad)


def _check_numbers(array: np.ndarray, target: dtype) -> None:
    """Raises RuntimeError for Python numbers that an integer dtype cannot hold, TypeError for complex ones that would become real."""
    if array.dtype.kind == "c" and not target.is_complex:
        raise error(TypeError, f"tensor(): a complex number does not go into {target}", "dtype=segue.complex64")
    if target.category == dtypes.INTEGER and array.size:
        low, high = array.min(), array.max()
        if not ((iinfo(target).min or -iinfo(target).max) <= low and high <= iinfo(target).max):
            raise error(DtypeError, f"tensor(): value cannot be converted to type {target} without overflow: {low if high == high and low < 0 else high}")


def _has_sizes(array: np.ndarray) -> bool:
    """Whether sizes stand among the numbers, while a graph is traced."""
    return array.dtype == object and all(isinstance(part, (int, float)) or hasattr(part, "segue_symbol") for part in array.flat)


def _of_sizes(data: Any, target: dtype) -> Tensor:
    if not isinstance(data, list):
        return OPS["full"]((), data, target)
    return OPS["cat"](tuple(OPS["unsqueeze"](_of_sizes(part, target), 0) for part in data), 0)


def _array(data: Any) -> np.ndarray:
    if isinstance(data, (list, tuple)) and _holds_tensors(data):
        data = _plain(data)
    try:
        array = np.asarray(data)
    except ValueError as problem:
        raise error(ValueError, f"tensor(): the nested sequences are ragged or not numeric ({problem})") from None
    if (array.dtype == object and not _has_sizes(array)) or array.dtype.kind in "SUMm":
        raise error(TypeError, f"tensor(): cannot make a tensor from {type(data).__name__} holding {array.dtype}")
    return array


def _holds_tensors(data: Any) -> bool:
    return isinstance(data, Tensor) or (isinstance(data, (list, tuple)) and bool(data) and any(_holds_tensors(part) for part in data))


def _plain(data: Any) -> Any:
    if isinstance(data, Tensor):
        return data.detach()._real("tensor()")
    return [_plain(part) for part in data] if isinstance(data, (list, tuple)) else data


def _inferred(data: Any, array: np.ndarray) -> dtype:
    if isinstance(data, (np.ndarray, np.generic)) or hasattr(data, "__array__"):
        return dtypes.from_numpy_dtype(array.dtype)
    if array.dtype == np.uint64:
        raise error(ValueError, "tensor(): an int beyond 2**63 - 1 does not go into int64", "dtype=segue.float64")
    if array.dtype == object:
        return get_default_dtype() if any(isinstance(part, float) for part in array.flat) else dtypes.int64
    if array.dtype.kind == "f":
        return get_default_dtype()
    if array.dtype.kind == "c":
        return dtypes.complex128 if get_default_dtype() is dtypes.float64 else dtypes.complex64
    return dtypes.from_numpy_dtype(array.dtype)


FACTORY[:] = [tensor]


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a tensor, sharing memory where it can (tensors and NumPy arrays of the right dtype)."""
    if isinstance(data, np.ndarray) or type(data) in ACCELERATED:
        data = from_numpy(data) if isinstance(data, np.ndarray) else stored(data)
        device = default_device[0] if device is None else device
    if isinstance(data, Tensor):
        out = cast(data, as_dtype(dtype)) if dtype is not None else data
        return out if device is None else on_device(out, device)
    return tensor(data, dtype=dtype, device=device)


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor that shares memory with a NumPy array. Raises TypeError for other objects and for types that tensors cannot hold.

    An array with negative strides cannot be shared and raises ValueError, as in PyTorch.

    >>> import numpy as np, segue
    >>> a = np.zeros(2); t = segue.from_numpy(a); a[0] = 5
    >>> t
    tensor([5., 0.], dtype=segue.float64)
    """
    if not isinstance(array, np.ndarray):
        raise error(TypeError, f"from_numpy(): expected np.ndarray (got {type(array).__name__})", "segue.tensor(data)")
    if any(stride < 0 for stride in array.strides):
        raise error(
            ValueError,
            "from_numpy(): at least one stride of the given array is negative, and tensors cannot share such memory",
            "segue.from_numpy(array.copy())",
        )
    return wrap(array)


@fills_out
def full(
    *sizes: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False, fill_value: Any = None,
) -> Tensor:  # fmt: skip
    """A tensor of `size` filled with `fill_value`: `full((2, 3), 1.5)`."""
    if fill_value is None and sizes:
        sizes, fill_value = sizes[:-1], sizes[-1]
    if fill_value is None or isinstance(fill_value, (tuple, list, str)) or not sizes and size is None:
        raise TypeError("full() takes a size and the number to fill with: full((2, 3), 1.5)")
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    if dtype is None:
        kind = type(fill_value)
        dtype = dtypes.bool if kind is bool else dtypes.int64 if kind is int or hasattr(fill_value, "segue_symbol") else dtypes.complex64 if kind is complex else get_default_dtype()
    return _filled(_shape_of(sizes, size), fill_value, as_dtype(dtype), device, requires_grad)


def _filled(shape: tuple, value: Any, of: dtype, where: Any, requires_grad: bool) -> Tensor:
    for size in shape:
        demand(size, ">=", 0, lambda size=size: error(ShapeError, f"Trying to create tensor with negative dimension {size}: {list(shape)}"))  # type: ignore[misc]
    return _placed(meta_tensor(shape, of) if _on_meta(where) else make("full", _place(where), shape, value, of), where, requires_grad)


def _place(where: Any) -> device | None:
    """A device as people name it: "cuda" for one."""
    return where if where is None or where is CPU else exact(device(where))


def _on_meta(where: Any) -> bool:
    """Whether a new tensor has no memory."""
    where = default_device[0] if where is None else where
    return where is not None and where is not CPU and device(where).type == "meta"


def _shape_of(sizes: tuple, size: Any) -> tuple:
    """The shape from sizes one by one, or from `size=`."""
    return as_shape(sizes if size is None else (*sizes, size))


@fills_out
def zeros(
    *sizes: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Zeros of the given shape."""
    return _filled(_shape_of(sizes, size), 0, as_dtype(dtype or get_default_dtype()), device, requires_grad)


@fills_out
def ones(
    *sizes: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Ones of the given shape."""
    return _filled(_shape_of(sizes, size), 1, as_dtype(dtype or get_default_dtype()), device, requires_grad)


@fills_out
def empty(
    *sizes: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """A tensor of the given shape. Its values are zeros: nothing depends on what was in memory before."""
    return _filled(_shape_of(sizes, size), 0, as_dtype(dtype or get_default_dtype()), device, requires_grad)


def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, memory_format: Any = None, layout: Any = None
) -> Tensor:  # fmt: skip
    """A tensor of `input`'s shape and dtype, filled with `fill_value`."""
    need_strided(layout)
    where = input.device if device is None else device
    return beside(_filled(tuple(input.shape), fill_value, as_dtype(dtype or input.dtype), where, requires_grad), input)


def zeros_like(input: Tensor, **options: Any) -> Tensor:
    """Zeros of `input`'s shape and dtype."""
    return full_like(input, 0, **options)


def ones_like(input: Tensor, **options: Any) -> Tensor:
    """Ones of `input`'s shape and dtype."""
    return full_like(input, 1, **options)


def empty_like(input: Tensor, **options: Any) -> Tensor:
    """A tensor of `input`'s shape and dtype; its values are zeros."""
    return full_like(input, 0, **options)


@fills_out
def arange(
    *bounds: Any, start: Any = None, end: Any = None, step: Any = 1, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Numbers from `start` (0) up to `end`, `end` itself left out: `arange(end)`, `arange(start, end)`, `arange(start, end, step)`."""
    values = [v for v in (start, *bounds, end) if v is not None]
    values = [number_of(v) for v in values]
    if len(values) == 3:
        first, last, step = values
    else:
        first, last = (0, values[0]) if len(values) == 1 else values
    if any(isinstance(v, float) and not is_symbolic(v) and not math.isfinite(v) for v in (first, last)):
        raise error(RuntimeError, f"arange(): unsupported range: {first} -> {last}")
    given = step
    if dtype is not None and as_dtype(dtype) is dtypes.int64:
        first, last, step = cut(first), cut(last), cut(step)
    if step == 0:
        raise error(ValueError if given else RuntimeError, f"arange(): step must be nonzero{', and is cut to an integer here' if given else ''}")
    demand((last - first) * (1 if step > 0 else -1), ">=", 0, lambda: error(
        RuntimeError, f"arange(): upper bound and lower bound inconsistent with step sign: {first}, {last}, {step}"))  # fmt: skip
    floating = any(isinstance(v, float) for v in (first, last, step))  # for int64 bounds and step were cut before they count
    of = as_dtype(dtype) if dtype is not None else get_default_dtype() if floating else dtypes.int64
    ends = [int(v) if type(v) is float and v.is_integer() else v for v in (first, last, step)]  # whole ones are counted exactly
    fraction = any(isinstance(v, float) for v in ends)
    count = math.ceil((last - first) / step) if fraction else -((ends[0] - ends[1]) // ends[2])
    if floating and of.category == dtypes.INTEGER:
        first, step = int(first), int(step)
    return _placed(make("arange", _place(device), first, step, count, of), device, requires_grad)


def cut(value: Any) -> Any:
    """A number cut to an integer; a size stays one."""
    return value if hasattr(value, "segue_symbol") else int(value)


def number_of(value: Any) -> Any:
    """The number in a tensor; a whole one as a size."""
    if not isinstance(value, Tensor):
        return value
    return runtime_size(value, -BEYOND_SIZES, BEYOND_SIZES, "a bound of a range") if value.dtype.category == dtypes.INTEGER else value.item()


def in_kind(value: Any, of: dtype) -> Any:
    """A bound of a range as a number that counts in `of`: cut to an integer for integer dtypes."""
    value = number_of(value)
    value = int(value) if isinstance(value, bool) else value
    return cut(value) if of.category == dtypes.INTEGER else value


def check_steps(name: str, start: Any, end: Any, steps: Any) -> None:
    """Raises TypeError for a number of steps that is no int, RuntimeError for a negative one and for bounds that are no 0-d tensors."""
    if isinstance(steps, (float, bool)):
        raise error(TypeError, f"{name}(): argument 'steps' must be int, not {type(steps).__name__}")
    demand(steps, ">=", 0, lambda: error(RuntimeError, f"{name}(): number of steps must be non-negative, not {steps}"))
    for value, argument in ((start, "start"), (end, "end")):
        if isinstance(value, Tensor) and value.ndim:
            raise error(RuntimeError, f"{name}() only supports 0-dimensional start and end tensors, but got {argument} of shape {tuple(value.shape)}")


@fills_out
def linspace(start: float, end: float, steps: int, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """`steps` evenly spaced numbers from `start` to `end`, both included; for an integer dtype these two are cut to integers first."""
    check_steps("linspace", start, end, steps)
    start, end = (v.item() if isinstance(v, Tensor) else v for v in (start, end))
    either = isinstance(start, complex) or isinstance(end, complex)
    of = as_dtype(dtype) if dtype is not None else COMPLEX_OF[get_default_dtype()] if either else get_default_dtype()
    start, end = in_kind(start, of), in_kind(end, of)
    finite = isinstance(end - start, complex) or is_symbolic(end - start) or math.isfinite(end - start)
    if (type(steps) is int or not finite) and steps == 1:
        return _filled((1,), start, of, device, requires_grad)
    counted = dtypes.float32 if of is dtypes.complex64 else of if of.is_floating_point else dtypes.float64  # integers are cut from double precision
    count = make("arange", _place(device), 0, 1, steps, counted)
    step, half = _strides_of(end - start, steps)
    out = OPS["where"](OPS["lt"](count, half), start + count * step, end - (steps - 1 - count) * step)
    return _placed(cast(out, of), device, requires_grad)


def quotient(a: Any, b: Any) -> Any:
    """`a / b`, or `a` where b is 0: a number, or where one is a size that varies a 0-d tensor in double precision."""
    if not is_symbolic(a) and not is_symbolic(b):
        return a / b if b else a
    above, below = (OPS["full"]((), v, dtypes.complex128 if isinstance(v, complex) else dtypes.float64) for v in (a, b))
    return OPS["div"](above, OPS["where"](OPS["eq"](below, 0.0), 1.0, below))


def _strides_of(width: Any, steps: Any) -> tuple[Any, Any]:
    """How far apart the numbers of `linspace` are, and how many are counted from the start. For a size that varies no question is asked: one step takes 0 / 1."""
    if type(steps) is int:
        return width / (steps - 1) if steps else 0, steps // 2
    return quotient(width, steps - 1), OPS["maximum"](OPS["full"]((), steps // 2, dtypes.int64), 1)


@fills_out
def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A matrix with ones on the diagonal. Raises RuntimeError for negative sizes."""
    for size, letter in ((n, "n"), (n if m is None else m, "m")):
        demand(size, ">=", 0, lambda size=size, letter=letter: error(ShapeError, f"eye(): {letter} must be greater or equal to 0, got {size}"))  # type: ignore[misc]
    rows = OPS["unsqueeze"](make("arange", _place(device), 0, 1, n, dtypes.int64), 1)
    columns = make("arange", _place(device), 0, 1, n if m is None else m, dtypes.int64)
    return _placed(cast(OPS["eq"](rows, columns), as_dtype(dtype or get_default_dtype())), device, requires_grad)


# ---------------------------------------------------------------------------------------------------------------- random


def _draw(shape: tuple, of: dtype, generator: Generator | None, where: Any = None) -> Tensor:
    if of.is_complex:
        return OPS["complex"](_draw(shape, REAL_OF[of], generator, where), _draw(shape, REAL_OF[of], generator, where))
    state, call = next_call(generator)
    return make("uniform", _place(where), state, call, shape, of)


@fills_out
def rand(
    *sizes: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False, generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Uniform in [0, 1), from the counter-based generator (Philox4x32-10; Salmon et al., SC 2011)."""
    shape, of = _shape_of(sizes, size), as_dtype(dtype or get_default_dtype())
    return _placed(meta_tensor(shape, of) if _on_meta(device) else _draw(shape, of, generator, device), device, requires_grad)


@fills_out
def randn(
    *sizes: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False, generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Standard normal, by the Box-Muller transform of two uniform draws (Box and Muller, 1958)."""
    shape, of = _shape_of(sizes, size), as_dtype(dtype or get_default_dtype())
    if _on_meta(device):
        return _placed(meta_tensor(shape, of), device, requires_grad)
    if of.is_complex:  # each part with half the variance
        parts = [randn(shape, dtype=REAL_OF[of], device=device, generator=generator) * math.sqrt(0.5) for _ in range(2)]
        return _placed(OPS["complex"](*parts), device, requires_grad)
    wide = of if of.itemsize >= 4 else dtypes.float32
    radius = OPS["sqrt"](OPS["log1p"](OPS["neg"](_draw(shape, wide, generator, device))) * -2.0)
    angle = _draw(shape, wide, generator, device) * (2.0 * math.pi)
    return _placed(cast(OPS["mul"](radius, OPS["cos"](angle)), of), device, requires_grad)


@fills_out
def randint(
    *bounds: Any,
    low: int | None = None,
    high: int | None = None,
    size: Any = None,
    dtype: Any = None,
    device: Any = None,
    generator: Generator | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Integers in [low, high): `randint(high, size)` or `randint(low, high, size)`. int64 unless `dtype` says otherwise."""
    values = list(bounds)
    if size is None:
        size = values.pop()
    if high is None:
        high = values.pop()
    if low is None:
        low = values.pop() if values else 0
    demand(low, "<", high, lambda: error(RuntimeError, f"randint(): expects 'from' to be less than 'to', but got from={low} >= to={high}"))
    state, call = next_call(generator)
    return _placed(make("randint", _place(device), state, call, low, high, as_shape((size,)), as_dtype(dtype or dtypes.int64)), device, requires_grad)


@fills_out
def randperm(n: int, *, dtype: Any = None, device: Any = None, generator: Generator | None = None, requires_grad: bool = False) -> Tensor:
    """A random permutation of 0 ... n-1: the order of n float64 draws. Raises RuntimeError for a negative n."""
    demand(n, ">=", 0, lambda: error(RuntimeError, f"randperm(): n must be non-negative, but got {n}"))
    order = OPS["argsort"](_draw((n,), dtypes.float64, generator, device), 0, False)
    return _placed(cast(order, as_dtype(dtype or dtypes.int64)), device, requires_grad)


def rand_like(input: Tensor, **options: Any) -> Tensor:
    """`rand` of `input`'s shape and dtype."""
    return _like(rand, input, **options)


def randn_like(input: Tensor, **options: Any) -> Tensor:
    """`randn` of `input`'s shape and dtype."""
    return _like(randn, input, **options)


def randint_like(input: Tensor, *bounds: int, low: int | None = None, high: int | None = None, **options: Any) -> Tensor:
    """`randint` of `input`'s shape and dtype: `randint_like(x, high)` or `randint_like(x, low, high)`."""
    named = {name: bound for name, bound in (("low", low), ("high", high)) if bound is not None}
    return _like(randint, input, *bounds, **named, **options)


def _like(maker: Any, input: Tensor, *bounds: Any, dtype: Any = None, device: Any = None, memory_format: Any = None, **options: Any) -> Tensor:
    return maker(*bounds, size=tuple(input.shape), dtype=dtype or input.dtype, device=device or input.device, **options)


@accepts_out
def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that `input` gives (or with `p`), else 0, in `input`'s shape and dtype. Raises RuntimeError for what is no probability."""
    if p is not None:
        p = as_number(p)
        if not 0 <= p <= 1:
            raise error(RuntimeError, f"bernoulli_ expects p to be in [0, 1], but got p={p}")
        return cast(OPS["lt"](_draw(tuple(input.shape), get_default_dtype(), generator, input.device), p), input.dtype)
    if not input.dtype.is_floating_point:
        raise error(DtypeError, f"bernoulli(): expects probabilities of a floating dtype, not {input.dtype}")
    if is_real(input._data) and not bool(((input._data >= 0) & (input._data <= 1)).all()):
        raise error(RuntimeError, "bernoulli(): expects probabilities, 0 <= p <= 1")
    return cast(OPS["lt"](_draw(tuple(input.shape), input.dtype, generator, input.device), input.detach()), input.dtype)


def _check_distributions(input: Tensor, count: Any, replacement: bool) -> None:
    """Raises RuntimeError for what `multinomial` cannot draw from; values are looked at where they are known."""
    if not input.dtype.is_floating_point or input.ndim not in (1, 2):
        raise error(RuntimeError, f"multinomial(): prob_dist must be 1 or 2 dim, of a floating dtype, not {input.dtype} of shape {tuple(input.shape)}")
    classes = input.shape[-1]
    demand(count, ">", 0, lambda: error(RuntimeError, f"multinomial(): cannot sample n_sample <= 0 samples: {count}"))
    if not replacement:
        demand(count, "<=", classes, lambda: error(
            RuntimeError, f"multinomial(): cannot sample n_sample > prob_dist.size(-1) samples without replacement: {count} > {classes}"))  # fmt: skip
    demand(classes, "<=", 2**24, lambda: error(RuntimeError, f"multinomial(): number of categories cannot exceed 2^24, got {classes}"))
    weights = input.detach()
    if not known_true(OPS["logical_and"](OPS["isfinite"](weights), OPS["ge"](weights, 0))):
        raise error(RuntimeError, "multinomial(): probability tensor contains either `inf`, `nan` or element < 0")
    if not known_true(OPS["gt"](OPS["sum"](weights, (input.ndim - 1,), False), 0)):
        raise error(RuntimeError, "multinomial(): invalid multinomial distribution (sum of probabilities <= 0)")


@accepts_out
def multinomial(input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None) -> Tensor:
    """Indices drawn with probabilities proportional to the rows of `input` (1-d or 2-d, non-negative).

    Raises RuntimeError for other shapes and dtypes, for a row that is no distribution, and for more draws than there are without replacement.
    """
    _check_distributions(input, num_samples, replacement)
    weights = input.detach()
    shape = (*weights.shape[:-1], num_samples)
    if replacement:
        total = weights.cumsum(-1)
        points = _draw(shape, weights.dtype, generator, weights.device) * total[..., -1:]
        return (total.unsqueeze(-2) <= points.unsqueeze(-1)).sum(-1).clamp_max(weights.shape[-1] - 1)
    # Without replacement: the largest of log(u)/w (Efraimidis and Spirakis, 2006).
    keys = OPS["log"](_draw(tuple(weights.shape), weights.dtype, generator, weights.device)) / weights
    return keys.argsort(-1, descending=True)[..., :num_samples]


def stored(array: Any) -> Tensor:
    """A tensor over an array of any kind, with a storage of its own."""
    return Tensor._wrap(array, Storage())
