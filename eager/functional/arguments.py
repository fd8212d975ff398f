"""What the public operators share: turning arguments into the normal form that rows take.

In come dimensions, shapes and operands as people write them; out go non-negative dimensions, tuples and tensors. The one idea: rows see only
normal forms, so each is checked once, here. Sizes may be symbolic throughout.
"""

from __future__ import annotations

import functools
import inspect
import math
import warnings
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

import numpy as np

from ..autograd.mode import STATE, no_grad
from ..cuda import is_real
from ..dtypes import BOOL, INTEGER, bfloat16, dtype, finfo, float16, float32, float64, from_numpy_dtype, iinfo, int8, int16, int32, int64, uint8
from ..errors import CaptureError, DimensionError, DtypeError, ShapeError, error
from ..layouts import need_strided
from ..ops.definition import OPS
from ..promotion import result_type
from ..sizes import BEYOND_SIZES, demand
from ..tensor import Tensor, wrap
from .devices import make
from .kinds import FAILURES, STRICT, is_whole, open_places, refuse_misfit
from .overlaps import need_apart, read_while_writing
from .positions import runtime_size
from .words import table_of

Number = (bool, int, float, complex, np.number, np.bool_)


def dimension(dim: Any, ndim: int) -> int:
    """A dimension counted from the front. Raises IndexError as PyTorch words it.

    >>> dimension(-1, 3)
    2
    """
    if type(dim) is int and 0 <= dim < ndim:
        return dim
    limit = max(ndim, 1)
    if not isinstance(dim, int) or isinstance(dim, bool):
        dim = _index(dim)
    if -limit <= dim < limit:
        return dim + limit if dim < 0 else dim
    raise error(DimensionError, f"Dimension out of range (expected to be in range of [{-limit}, {limit - 1}], but got {dim})")


def _index(value: Any) -> int:
    if is_whole(value):
        return value.__index__()
    raise error(TypeError, f"a dimension must be an int, not {type(value).__name__}")


_EVERY = [tuple(range(ndim)) for ndim in range(65)]  # all dimensions of arrays, which have at most 64


def dimensions(dim: Any, ndim: int) -> tuple[int, ...]:
    """A tuple of dimensions from None (all), an int, or a sequence. Raises on a dimension named twice."""
    if dim is None:
        return _EVERY[ndim]
    if type(dim) is int and -ndim <= dim < ndim:
        return (dim + ndim if dim < 0 else dim,)
    if isinstance(dim, (tuple, list)):
        found = tuple(dimension(d, ndim) for d in dim) if ndim else tuple(0 for d in dim if dimension(d, 0) == 0)
        if len(set(found)) != len(found):
            raise error(RuntimeError, f"dim {dim} appears multiple times in the list of dims")
        return tuple(range(ndim)) if not found else (found if ndim else ())
    found_one = dimension(dim, ndim)
    return (found_one,) if ndim else ()


def as_shape(sizes: tuple) -> tuple:
    """A shape from `f(2, 3)`, `f((2, 3))` or `f([2, 3])`; sizes may be 0-d integer tensors or symbolic."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = tuple(sizes[0])
    for size in sizes:
        if type(size) is not int:
            break
    else:
        return sizes
    return tuple(_size(s) for s in sizes)


def _size(size: Any) -> Any:
    if isinstance(size, Tensor) and size.ndim == 0 and size.dtype.category == INTEGER:
        return runtime_size(size, -BEYOND_SIZES, BEYOND_SIZES, "a size")
    if isinstance(size, np.integer):
        return size.__index__()
    if not isinstance(size, int) and not hasattr(size, "segue_symbol"):
        raise error(TypeError, f"sizes must be ints, not {type(size).__name__}")
    return size


def spelled(name: str, given: tuple, named: dict[str, Any], *words: str) -> tuple:
    """The sizes of a function that takes them one by one, or under one of `words`: `x.expand(size=(2, 3))`. Raises TypeError for other keywords, and both."""
    if not named:
        return given
    (word, value), *rest = named.items()
    if rest or given or word not in words:
        raise error(TypeError, f"{name}() got an unexpected keyword argument '{rest[0][0] if rest else word}'", f"{name}(input, {words[0]}=...)")
    return (value,)


def fill_one(shape: tuple, count: Any, name: str) -> tuple:
    """Replace a single -1 in `shape` by what makes `count` elements. Raises RuntimeError when none fits."""
    unknown = []
    for i, s in enumerate(shape):
        if isinstance(s, int) and s == -1:
            unknown.append(i)
    if not unknown:
        return shape
    if len(unknown) > 1:
        raise error(ShapeError, f"{name}(): only one dimension can be inferred, not {shape}")
    known: Any = 1
    for s in shape:
        if not (isinstance(s, int) and s == -1):
            known = known * s

    def ambiguous() -> Exception:
        return error(ShapeError, f"{name}(): cannot reshape tensor of {count} elements into shape {list(shape)}: the size -1 could be any value")

    demand(known, "!=", 0, ambiguous)
    demand(count % known, "==", 0, lambda: error(ShapeError, f"{name}(): shape '{list(shape)}' is invalid for input of size {count}"))
    return (*shape[: unknown[0]], count // known, *shape[unknown[0] + 1 :])


def quotient(a: Any, b: Any, like: Tensor) -> Any:
    """a / b of two sizes as an operand beside `like`: a number, or where one is symbolic a tensor of its dtype, rounded as the number would be."""
    if type(a) is int and type(b) is int:
        return a / b
    return cast(OPS["div"](OPS["full"]((), a, float64), OPS["full"]((), b, float64)), like.dtype)


def as_operand(value: Any, name: str) -> Any:
    """A tensor or a Python number, from what may stand beside a tensor in an operator."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (np.number, np.bool_)):  # first, as NumPy's float64 is a float too
        return value.item()
    if isinstance(value, (bool, int, float, complex)):
        return value
    if isinstance(value, np.ndarray):
        return wrap(value)
    if hasattr(value, "segue_symbol"):  # a symbolic size
        return value
    raise error(TypeError, f"{name}(): argument must be a Tensor or a number, not {type(value).__name__}")


def as_number(value: Any) -> Any:
    """The Python number that a 0-d tensor or a NumPy number holds; anything else as it is."""
    return value.item() if isinstance(value, (Tensor, np.generic)) else value


def need_tensor(value: Any, name: str, argument: str = "input") -> Tensor:
    """The value itself when it is a tensor, else TypeError that names operator and argument."""
    if isinstance(value, Tensor):
        return value
    raise error(TypeError, f"{name}(): argument '{argument}' must be Tensor, not {type(value).__name__}")


_ROOM: dict[dtype, tuple[Any, Any]] = {of: (-float(finfo(of).max), float(finfo(of).max)) for of in (float16, bfloat16, float32)}
_ROOM |= {of: (iinfo(of).min or -iinfo(of).max, iinfo(of).max) for of in (uint8, int8, int16, int32, int64)}  # of uint8, negative numbers wrap


def need_room(number: Any, of: dtype, name: str) -> None:
    """Raises RuntimeError for a finite number that is too large for a dtype."""
    if type(number) is int or type(number) is float and of.category > INTEGER and abs(number) != math.inf:
        low, high = _ROOM.get(of, (-math.inf, math.inf))
        if low <= number <= high or number != number:
            return
        raise error(RuntimeError, f"{name}(): value cannot be converted to type {of.name} without overflow", "cast the tensor to a wider dtype first")


def need_kind(name: str, argument: str, number: Any, of: dtype) -> None:
    """Raises RuntimeError for a factor of a higher kind than a result of dtype `of`, and for a bool beside numbers."""
    if isinstance(number, float) and of.category <= INTEGER:
        raise error(RuntimeError, f"{name}(): For integral input tensors, argument {argument} must not be a floating point number.")
    if isinstance(number, bool) and of.category != BOOL:
        raise error(RuntimeError, f"{name}(): Boolean {argument} only supported for Boolean results.")
    if isinstance(number, complex) and not of.is_complex:
        raise error(RuntimeError, f"{name}(): For non-complex input tensors, argument {argument} must not be a complex number.")


def parts(tensors: Iterable[Any], name: str) -> tuple[Tensor, ...]:
    """A non-empty tuple of tensors."""
    found = tuple(tensors)
    if not found:
        raise error(RuntimeError, f"{name}(): expected a non-empty list of Tensors")
    return tuple(need_tensor(t, name, f"tensors[{i}]") for i, t in enumerate(found))


def cast(x: Tensor, to: dtype) -> Tensor:
    """`x` in dtype `to`; itself when it is there already."""
    return x if x.dtype is to else OPS["cast"](x, to)


SAME_DTYPE = frozenset(("abs", "float_power"))  # whose in-place variants do not cast: |x| of complex numbers is real, powers are float64


def inplace(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The variant `f_` of an operator: compute, then write into the first argument."""
    name = function.__name__
    reads_itself = name not in OPS or any(OPS[name].schema.parameters[0].name in words for words in OPS[name].reads.values())

    def method(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if not isinstance(input, Tensor):
            need_tensor(input, name + "_")
        need_apart(input, name, read_while_writing(name, args, kwargs))
        taped = reads_itself and STATE.enabled and (input.requires_grad or any(isinstance(a, Tensor) and a.requires_grad for a in args))
        given = _as_it_was(input) if taped else input
        value = function(given, *args, **kwargs)
        if value is given:  # nothing changes, so nothing is written: dropout outside of training
            return input
        if name in SAME_DTYPE and value.dtype is not input.dtype:
            raise error(DtypeError, f"{name}_(): the result is {value.dtype.name}, and a {input.dtype.name} tensor is not written in place with it", f"x = x.{name}(...)")
        input._check_write(name, value._data.shape, value.dtype)
        return input._write(name, cast(value, input.dtype))

    method.__name__ = method.__qualname__ = name + "_"
    method.__module__ = function.__module__
    method.__doc__ = f"In-place version of `segue.{name}`."
    return method


def _as_it_was(x: Tensor) -> Tensor:
    """`x` at the same place of the tape with memory of its own: what a formula may still read after `x` is overwritten.

    A leaf is itself: it may not be.
    """
    if x.requires_grad and x._edge is None:
        return x
    if not is_real(x._data):  # traced: a graph is differentiated by its nodes, so the copy must be one that has a derivative
        return OPS["clone"](x)
    with no_grad():
        copy = OPS["clone"](x)
    copy._edge, copy._requires_grad = x._edge, x._requires_grad
    return copy


# The functions whose `out=` must have the result's dtype: PyTorch computes them in place there. All others cast, if the category of the dtype does not fall.
EXACT_OUT = frozenset(
    (
        "_native_batch_norm_legit abs addbmm addmm addmv amax amin aminmax argmax argmin avg_pool2d avg_pool3d baddbmm bitwise_not bmm "
        "bucketize ceil cholesky_ex complex conj_physical cross cummax cummin det diag dot eigh eigvalsh float_power floor frac frexp gather gelu hardshrink "
        "heaviside histc histogram index_add index_copy index_reduce index_select inner inv inv_ex isin isneginf isposinf kthvalue legacy_svd lerp ldl_factor ldl_factor_ex "
        "ldl_solve linalg.cholesky linear log_softmax logcumsumexp logsigmoid lu lu_factor lu_factor_ex lu_solve lu_unpack masked_select matmul matrix_norm matrix_power max median min mm mode msort "
        "multi_dot multinomial mv nan_to_num nanmedian nanquantile native_batch_norm neg nonzero norm ormqr polar qr quantile renorm round scatter scatter_add "
        "scatter_reduce searchsorted sgn sign signbit slice_scatter slogdet softmax softplus softshrink solve solve_ex solve_triangular sort svd svdvals take "
        "take_along_dim tensordot topk triangular_solve tril triu trunc vdot vecdot vector_norm where"
    ).split()
)

JOINS = frozenset(("cat", "stack", "hstack", "vstack", "dstack", "column_stack", "_chunk_cat"))  # where PyTorch raises TypeError for it


def write_out(out: Tensor | None, value: Tensor, name: str) -> Tensor:
    """Serve the `out=` argument: `value` goes into `out`, which is resized by taking new memory when its shape differs (with a warning if it held elements)."""
    if out is None:
        return value
    _check_out(out, value, name)
    if tuple(out.shape) != tuple(value.shape):
        _resize_out(out, tuple(value.shape), name)
    out._check_write(name, value._data.shape, value.dtype)
    return out._write(name, cast(value, out.dtype))


def _check_out(out: Any, value: Tensor, name: str) -> None:
    """Raises, before anything is written, for an `out` that cannot take `value`."""
    need_tensor(out, name, "out")
    if STATE.enabled and (value.requires_grad or out.requires_grad):
        raise error(
            RuntimeError,
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the arguments requires grad.",
        )
    if out.dtype is not value.dtype and (name in EXACT_OUT or name.removeprefix("linalg.") in EXACT_OUT or name.endswith("_copy")):
        raise error(DtypeError, f"{name}(): expected out to have the result's dtype {value.dtype.name}, but got {out.dtype.name}", f"out.to({value.dtype})")
    if value.dtype.category > out.dtype.category:
        raise error(TypeError if name in JOINS else DtypeError, f"{name}(): result type {value.dtype.name} can't be cast to the dtype {out.dtype.name} of out", f"out.to({value.dtype})")


def _resize_out(out: Tensor, shape: tuple, name: str) -> None:
    if getattr(getattr(out._data, "storage", None), "input", None) is not None:  # of a graph that is traced, which gives no other memory to a tensor from outside
        raise error(CaptureError, f"{name}(): an out from outside of the graph does not have the result's shape {shape}", "pass it in that shape")
    if 0 not in out.shape:
        warnings.warn(f"{name}(): an out of shape {tuple(out.shape)} was resized to the result's shape {shape}, which is deprecated: pass it empty", stacklevel=4)
    out._data = make("full", out.device, shape, 0, out.dtype)._data
    out._storage.version += 1


def accepts_out(function: Callable) -> Callable:
    """Serve `out=` (a tensor, or a tuple of them) for a function that returns one tensor or several."""

    @functools.wraps(function)
    def accepting(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        try:
            value = function(*args, **kwargs)
        except FAILURES:
            refuse_misfit(function, args, kwargs)
            raise
        return value if out is None else write_outs(out, value, function.__name__)

    return accepting


def write_outs(out: Any, value: Any, name: str) -> Any:
    """Serve `out=` for a result of one tensor or several. Raises TypeError for the wrong number of them."""
    if isinstance(value, Tensor):
        return write_out(out, value, name)
    if not isinstance(out, (tuple, list)) or len(out) != len(value):
        raise error(TypeError, f"{name}(): out must be {len(value)} tensors, not {len(out) if isinstance(out, (tuple, list)) else type(out).__name__}")
    for target, part in zip(out, value):
        _check_out(target, part, name)
    written = [write_out(target, part, name) for target, part in zip(out, value)]
    return type(value)(*written) if hasattr(value, "_fields") else tuple(written)


def fills_out(function: Callable) -> Callable:
    """Serve `out=` for a function that makes a tensor: it is made in `out`'s dtype. Raises RuntimeError for a `dtype=` beside it that is another.

    What says how memory is laid out is accepted and changes nothing. Raises NotImplementedError for a sparse layout.
    """
    name = function.__name__

    @functools.wraps(function)
    def filling(*args: Any, out: Any = None, layout: Any = None, pin_memory: Any = None, **kwargs: Any) -> Tensor:
        need_strided(layout)
        if out is None:
            return function(*args, **kwargs)
        of = kwargs.setdefault("dtype", need_tensor(out, name, "out").dtype)
        if of is not out.dtype:
            raise error(DtypeError, f"{name}(): dtype {of} does not match dtype {out.dtype} of out", "leave dtype= out")
        return write_out(out, function(*args, **kwargs), name)

    return filling


def numpy_names(function: Callable) -> Callable:
    """Accept NumPy's `axis` and `keepdims` for `dim` and `keepdim`, and `out=`."""
    inner = function if "out" in inspect.signature(function).parameters else accepts_out(function)

    @functools.wraps(function)
    def accepting(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            if "axis" in kwargs:
                kwargs["dim"] = kwargs.pop("axis")
            if "keepdims" in kwargs:
                kwargs["keepdim"] = kwargs.pop("keepdims")
        try:
            return inner(*args, **kwargs)
        except FAILURES:
            refuse_misfit(inner, args, kwargs)
            raise

    return accepting


_numpy_named_code = [numpy_names(lambda x: x).__code__]
_PACKAGE = __name__.rpartition(".")[0]
_renamed: dict[Callable, Callable] = {}


def accept_numpy_names(namespace: dict[str, Any]) -> None:
    """Let every public operator in `namespace` take NumPy's and PyTorch's other names (eager/functional/words.py) too. The operators stay what they are inside."""
    for name, function in namespace.items():
        if isinstance(function, FunctionType) and not name.startswith("_") and _PACKAGE in function.__module__ and function.__module__ != __name__:
            namespace[name] = _renaming(function)


def _parameters(function: Any) -> set[str]:
    """The names of a function's parameters, without `*args` and `**kwargs`. `inspect.signature` would take a tenth of the time of `import segue`."""
    while "__wrapped__" in function.__dict__ and "__signature__" not in function.__dict__:
        function = function.__wrapped__
    if "__signature__" in function.__dict__ or not isinstance(function, FunctionType):
        return {name for name, p in inspect.signature(function).parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    code = function.__code__
    return set(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])


def _renaming(function: FunctionType) -> Callable:
    if function in _renamed:
        return _renamed[function]
    known = _parameters(function)
    table = table_of(function.__name__, known)
    if function.__code__ is _numpy_named_code[0]:
        table = {}
    strict = function.__name__ in STRICT
    places = open_places(function)
    if not table and not strict and not places:
        return function
    _renamed[function] = renaming = fitting(function, table, strict)
    if not table and not strict and places == [0]:
        renaming.method = function  # type: ignore[attr-defined]  # as a method it has a tensor there
    _renamed[renaming] = renaming
    return renaming


def fitting(function: Callable, table: dict[str, str] | None = None, strict: bool = False) -> Callable:
    """The function with other names for some parameters, and PyTorch's TypeError for arguments of a wrong kind: where it fails, or with `strict` before it runs."""
    table = table or {}

    @functools.wraps(function)
    def renaming(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            for theirs, ours in table.items():
                if theirs in kwargs and ours not in kwargs:
                    kwargs[ours] = kwargs.pop(theirs)
        if strict:
            refuse_misfit(function, args, kwargs)
        try:
            return function(*args, **kwargs)
        except FAILURES:
            refuse_misfit(function, args, kwargs)
            raise

    return renaming


def array_of(value: Any) -> np.ndarray:
    """A NumPy array that may stand under a tensor, from nested Python data or an array; floats become the default dtype in `tensor`."""
    array = np.asarray(value)
    from_numpy_dtype(array.dtype)
    return array


# ---------------------------------------------------------------------------------------------------------------- what functions of networks share

_HALF = frozenset((float16, bfloat16))


def _operands(args: tuple, named: dict[str, Any]) -> list[Tensor]:
    """The tensors that are computed with: not where the result goes."""
    return [a for a in args if isinstance(a, Tensor)] + [a for name, a in named.items() if isinstance(a, Tensor) and name != "out"]


def widened(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A composition that is computed in float32 when its tensors are of half precision, and rounded once at the end if the first one is."""

    @functools.wraps(function)
    def wide(*args: Any, **kwargs: Any) -> Tensor:
        kinds = [a.dtype for a in _operands(args, kwargs) if a.dtype.category > INTEGER]
        if _HALF.isdisjoint(kinds):
            return function(*args, **kwargs)
        args = tuple(single(argument) for argument in args)
        out = function(*args, **{name: value if name == "out" else single(value) for name, value in kwargs.items()})
        return cast(out, kinds[0]) if kinds[0] in _HALF and out.dtype is float32 else out

    return wide


def rounded_once(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A composition that promotes its tensors, and is computed in float32 where they meet in half precision."""
    wide = widened(function)

    @functools.wraps(function)
    def choose(*args: Any, **kwargs: Any) -> Tensor:
        given = _operands(args, kwargs)
        if not any(a.dtype in _HALF for a in given) or (of := result_type(*given)) not in _HALF:
            return function(*args, **kwargs)
        out = wide(*args, **kwargs)
        return cast(out, of) if out.dtype is float32 else out

    return choose


def single(value: Any) -> Any:
    """A tensor of half precision in float32, anything else as it is."""
    return OPS["cast"](value, float32) if isinstance(value, Tensor) and value.dtype in _HALF else value


def offers_inplace(function: Callable[..., Tensor]) -> Any:
    """A function with a parameter `inplace`, which the decorator serves: the result is then written into the first argument.

    The in-place variant itself is the attribute `in_place` of what is returned.
    """
    position = list(inspect.signature(function).parameters).index("inplace")
    in_place = inplace(function)

    @functools.wraps(function)
    def choose(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if kwargs.pop("inplace", False):
            return in_place(input, *args, **kwargs)
        if len(args) >= position:
            return (in_place if args[position - 1] else function)(input, *args[: position - 1], *args[position:], **kwargs)
        return function(input, *args, **kwargs)

    choose.in_place = in_place  # type: ignore[attr-defined]
    return choose


def known_true(condition: Tensor) -> bool:
    """Whether a bool tensor holds everywhere, as far as its values are known: what is traced, batched or on the meta device counts as true.

    For checks of values that must not break a graph.
    """
    return not is_real(condition._data) or bool(condition._data.all())
