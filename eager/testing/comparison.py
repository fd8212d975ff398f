"""`assert_close`: two values are equal up to the tolerance of their dtype, all the way down, or an AssertionError says where and by how much.

In come two numbers, arrays, tensors, or containers of them. The one idea: containers are walked first, so that what is left are pairs of leaves; a table asks
each kind of leaf whether a pair is its own, and the first that says yes compares it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..dtypes import dtype
from ..functional.creation import as_tensor
from ..promotion import promote_types
from ..tensor import Tensor

TOLERANCES = {  # dtype -> rtol, atol; all others are compared exactly
    dtypes.float16: (1e-3, 1e-5), dtypes.bfloat16: (1.6e-2, 1e-5), dtypes.float32: (1.3e-6, 1e-5), dtypes.float64: (1e-7, 1e-7),
    dtypes.complex64: (1.3e-6, 1e-5), dtypes.complex128: (1e-7, 1e-7),
}  # fmt: skip
NUMBERS = {float: dtypes.float64, complex: dtypes.complex128}
Place = tuple[Any, ...]


class Settings:
    """The arguments of one `assert_close`."""

    def __init__(self, rtol: float | None, atol: float | None, equal_nan: bool, allow_subclasses: bool, checks: dict[str, bool]) -> None:
        if (rtol is None) != (atol is None):
            missing = "rtol" if rtol is None else "atol"
            raise ValueError(f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}.")
        self.given = None if rtol is None or atol is None else (rtol, atol)
        self.equal_nan, self.allow_subclasses, self.checks = equal_nan, allow_subclasses, checks

    def tolerances(self, *of: dtype | None) -> tuple[float, float]:
        """rtol and atol: what was given, or the greatest of the dtypes'."""
        if self.given is not None:
            return self.given
        rtols, atols = zip(*(TOLERANCES.get(each, (0.0, 0.0)) if each is not None else (0.0, 0.0) for each in of))
        return max(rtols), max(atols)


def assert_close(
    actual: Any, expected: Any, *, allow_subclasses: bool = True, rtol: float | None = None, atol: float | None = None, equal_nan: bool = False,
    check_device: bool = True, check_dtype: bool = True, check_layout: bool = True, check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:  # fmt: skip
    """Assert that |actual - expected| <= atol + rtol |expected| everywhere, and that shape, dtype, device (and strides) are the same.

    Takes tensors, arrays, numbers, booleans, None, and sequences and mappings of them. The tolerances follow from the dtypes unless both are given. NaN is
    equal to nothing, with `equal_nan` to NaN. `msg` replaces the message, or is a function of it. Raises AssertionError for what differs, TypeError for what cannot
    be compared, ValueError for one tolerance without the other.

    >>> import segue
    >>> assert_close({"a": [segue.ones(2)]}, {"a": [segue.ones(2) + 1e-7]})
    >>> assert_close(segue.tensor([1.0, 2.0]), segue.tensor([1.0, 2.5]))
    Traceback (most recent call last):
    AssertionError: Tensor-likes are not close!
    <BLANKLINE>
    Mismatched elements: 1 / 2 (50.0%)
    Greatest absolute difference: 0.5 at index (1,) (up to 1e-05 allowed)
    Greatest relative difference: 0.20000000298023224 at index (1,) (up to 1.3e-06 allowed)
    """
    __tracebackhide__ = True
    checks = {"device": check_device, "dtype": check_dtype, "layout": check_layout, "stride": check_stride}
    settings = Settings(rtol, atol, equal_nan, allow_subclasses, checks)
    kind, problem = next(_problems(actual, expected, settings, ()), (None, ""))
    if kind is not None:
        raise kind(msg if isinstance(msg, str) else problem if msg is None else msg(problem))


Found = Iterator[tuple[Any, str]]


def _problems(actual: Any, expected: Any, settings: Settings, place: Place) -> Found:
    """(exception class, message) of all that differs."""
    where = f"\n\nThe failure occurred for item {''.join(f'[{key!r}]' for key in place)}" if place else ""
    if _is_sequence(actual) and _is_sequence(expected):
        if len(actual) != len(expected):
            yield AssertionError, f"The length of the sequences mismatch: {len(actual)} != {len(expected)}{where}"
            return
        for i, (a, b) in enumerate(zip(actual, expected)):
            yield from _problems(a, b, settings, (*place, i))
    elif isinstance(actual, Mapping) and isinstance(expected, Mapping):
        if actual.keys() != expected.keys():
            missing, more = (_ordered(one.keys() - other.keys()) for one, other in ((expected, actual), (actual, expected)))
            yield AssertionError, (
                f"The keys of the mappings do not match:\nMissing keys in the actual mapping: {missing}\nAdditional keys in the actual mapping: {more}{where}"
            )
            return
        for key in actual:
            yield from _problems(actual[key], expected[key], settings, (*place, key))
    else:
        compare = next((compare for suits, compare in LEAVES if suits(actual, expected, settings)), _incomparable)
        for kind, problem in compare(actual, expected, settings):
            yield kind, problem + where


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _ordered(keys: Any) -> list:
    try:
        return sorted(keys)
    except TypeError:
        return list(keys)


# ------------------------------------------------------------------------------------------------------------------ leaves


def _nones(actual: Any, expected: Any, settings: Settings) -> Found:
    if actual is not expected:
        yield AssertionError, f"None mismatch: {actual} is not {expected}"


def _booleans(actual: Any, expected: Any, settings: Settings) -> Found:
    if bool(actual) is not bool(expected):
        yield AssertionError, f"Booleans mismatch: {bool(actual)} is not {bool(expected)}"


def _numbers(actual: Any, expected: Any, settings: Settings) -> Found:
    a, b = (value.item() if isinstance(value, np.generic) else value for value in (actual, expected))
    if settings.checks["dtype"] and type(a) is not type(b):
        yield AssertionError, f"The (d)types do not match: {type(a)} != {type(b)}."
        return
    rtol, atol = settings.tolerances(NUMBERS.get(type(a)), NUMBERS.get(type(b)))
    apart = abs(a - b) if a != b else 0
    close = a == b or bool(np.isfinite(apart)) and apart <= atol + rtol * abs(b) or settings.equal_nan and a != a and b != b
    if not close:
        relative = apart / abs(b) if b else float("inf")
        yield AssertionError, _scalar_message(a, b, apart, relative, rtol, atol)


def _incomparable(actual: Any, expected: Any, settings: Settings) -> Found:
    yield TypeError, f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}."


def _related(actual: Any, expected: Any, settings: Settings) -> bool:
    if type(actual) is not type(expected):
        if not settings.allow_subclasses or not (isinstance(actual, type(expected)) or isinstance(expected, type(actual))):
            return False
    return all(isinstance(value, (Tensor, np.ndarray)) or hasattr(value, "__array__") or hasattr(value, "__dlpack__") for value in (actual, expected))


def _tensors(actual: Any, expected: Any, settings: Settings) -> Found:
    a, b = (value if isinstance(value, Tensor) else as_tensor(np.ascontiguousarray(value).reshape(np.shape(value))) for value in (actual, expected))
    attributes = {"shape": (a.shape, b.shape), **{name: (getattr(a, name), getattr(b, name)) for name in ("layout", "device", "dtype")}, "stride()": (a.stride(), b.stride())}
    for name, (of_actual, of_expected) in attributes.items():
        if settings.checks.get(name.removesuffix("()"), True) and of_actual != of_expected:
            yield AssertionError, f"The values for attribute '{name}' do not match: {of_actual} != {of_expected}."
            return
    if not (a.is_meta and b.is_meta):
        yield from _values(a, b, settings)


def _values(a: Tensor, b: Tensor, settings: Settings) -> Found:
    rtol, atol = settings.tolerances(a.dtype, b.dtype)
    common = promote_types(a.dtype, b.dtype)
    x, y = (_computing(value._real("assert_close()"), common) for value in (a, b))
    with np.errstate(all="ignore"):
        equal = x == y
        apart = np.where(x > y, x - y, y - x) if x.dtype.kind in "iu" else np.abs(x - y)
        close = equal | np.isfinite(apart) & (apart <= atol + rtol * np.abs(y)) if rtol or atol else equal
        if settings.equal_nan:
            close = close | np.isnan(x) & np.isnan(y)
        if close.all():
            return
        size = np.abs(y)
        relative = np.where(close, 0, apart.astype(_ratio(apart)) / size.astype(_ratio(size)))
        apart = np.where(close, 0, apart)
    if not a.ndim:
        yield AssertionError, _scalar_message(a.item(), b.item(), apart.item(), relative.item(), rtol, atol)
        return
    lines = [_headline("Tensor-likes", rtol, atol), "", f"Mismatched elements: {int((~close).sum())} / {close.size} ({(~close).mean():.1%})"]
    for name, differences, allowed in (("absolute", apart, atol), ("relative", relative, rtol)):
        index = np.unravel_index(int(differences.argmax()), differences.shape)
        lines.append(f"Greatest {name} difference: {differences[index].item()} at index {tuple(map(int, index))}{_allowed(allowed, rtol, atol)}")
    yield AssertionError, "\n".join(lines)


def _computing(array: np.ndarray, common: dtype) -> np.ndarray:
    """The values in a type in which differences are exact enough: that of both, integers wide, bfloat16 as float32."""
    if common.category <= dtypes.INTEGER:
        return array.astype(np.int64)
    return array.astype(np.float32 if common is dtypes.bfloat16 else common.numpy)


def _ratio(array: np.ndarray) -> Any:
    return np.float64 if array.dtype.kind in "iu" else array.dtype


def _headline(what: str, rtol: float, atol: float) -> str:
    return f"{what} are not {'close' if rtol or atol else 'equal'}!"


def _allowed(allowed: float, rtol: float, atol: float) -> str:
    return f" (up to {allowed} allowed)" if rtol or atol else ""


def _scalar_message(a: Any, b: Any, apart: Any, relative: Any, rtol: float, atol: float) -> str:
    return (
        f"{_headline('Scalars', rtol, atol)}\n\nExpected {b} but got {a}.\nAbsolute difference: {apart}{_allowed(atol, rtol, atol)}\n"
        f"Relative difference: {relative}{_allowed(rtol, rtol, atol)}"
    )


def _both(*kinds: Any) -> Callable[[Any, Any, Settings], bool]:
    return lambda actual, expected, settings: isinstance(actual, kinds) and isinstance(expected, kinds)


LEAVES: tuple[tuple[Callable[[Any, Any, Settings], bool], Callable[[Any, Any, Settings], Found]], ...] = (
    (lambda actual, expected, settings: actual is None or expected is None, _nones), (_both(bool, np.bool_), _booleans),
    (_both(int, float, complex, np.number), _numbers), (_related, _tensors),
)  # fmt: skip
