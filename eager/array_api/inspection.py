"""The standard's functions on dtypes, and what the namespace says of itself.

In come dtypes and tensors, out go dtypes and answers. The one idea: the standard's kinds of dtypes are one table.
"""

from __future__ import annotations

import functools
from typing import Any

from .. import dtypes, promotion
from .. import functional as F
from ..dtypes import device as Device
from ..errors import error
from ..ops.definition import OPS
from ..tensor import Tensor

_INTEGERS = {d.name: d for d in dtypes.ALL if d.category == dtypes.INTEGER}
KINDS: dict[str, dict[str, Any]] = {
    "bool": {"bool": dtypes.bool},
    "signed integer": {name: d for name, d in _INTEGERS.items() if d.is_signed},
    "unsigned integer": {"uint8": dtypes.uint8},
    "integral": _INTEGERS,
    "real floating": {"float32": dtypes.float32, "float64": dtypes.float64},
    "complex floating": {"complex64": dtypes.complex64, "complex128": dtypes.complex128},
}
KINDS["numeric"] = {**KINDS["integral"], **KINDS["real floating"], **KINDS["complex floating"]}
_ALL = {**KINDS["bool"], **KINDS["numeric"]}
_HALF = (dtypes.float16, dtypes.bfloat16)  # not of the standard, and "real floating" all the same


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether a dtype is `kind`: a dtype, a name of the standard's ("bool", "integral", "real floating" ...), or one of a tuple of those.

    >>> isdtype(dtypes.float32, ("integral", "real floating"))
    True
    """
    if isinstance(kind, tuple):
        return any(isdtype(dtype, one) for one in kind)
    if not isinstance(kind, str):
        return dtype is kind
    if kind not in KINDS:
        raise error(ValueError, f"isdtype(): unrecognised kind {kind!r}; there are {', '.join(KINDS)}")
    return dtype in KINDS[kind].values() or (kind in ("real floating", "numeric") and dtype in _HALF)


def astype(x: Tensor, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Tensor:
    """x in another dtype; without `copy`, x itself where it has it already. Raises TypeError from complex to real."""
    if x.dtype.is_complex and not dtype.is_complex and dtype is not dtypes.bool:
        raise error(TypeError, f"astype(): {x.dtype} cannot be cast to the real {dtype}", "real(x)")
    found = F.to(F.cast(x, dtype), device=device)
    return OPS["clone"](found) if copy and found is x else found


def can_cast(from_: Any, to: Any, /) -> bool:
    """Whether a dtype (or a tensor's) becomes `to` by the standard's promotion."""
    found = from_.dtype if isinstance(from_, Tensor) else from_
    return promotion.promote_types(found, to) is to


def result_type(*arrays_and_dtypes: Any) -> Any:
    """The dtype in which tensors, dtypes and Python numbers meet; 0-d tensors count as others do. Raises ValueError without tensors and dtypes."""
    known = [a.dtype if isinstance(a, Tensor) else a for a in arrays_and_dtypes if isinstance(a, (Tensor, dtypes.dtype))]
    if not known:
        raise error(ValueError, "result_type(): needs a tensor or a dtype")
    common = functools.reduce(promotion.promote_types, known)
    numbers = [promotion.dtype_of_number(a) for a in arrays_and_dtypes if not isinstance(a, (Tensor, dtypes.dtype))]
    for number in numbers:
        if number.category > common.category:
            common = promotion.promote_types(promotion.COMPLEX_OF.get(common, number) if number.is_complex else number, common)
    return common


class _Info:
    """What `__array_namespace_info__()` gives.

    >>> _Info().capabilities()["boolean indexing"]
    True
    """

    def capabilities(self) -> dict[str, Any]:
        """What the namespace can do beyond the least."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> Device:
        """Where tensors are made."""
        return dtypes.CPU

    def devices(self) -> list[Device]:
        """Where tensors can be made."""
        return [dtypes.CPU, Device("meta")]

    def default_dtypes(self, *, device: Any = None) -> dict[str, Any]:
        """The dtypes of numbers without one."""
        real = dtypes.get_default_dtype()
        return {"real floating": real, "complex floating": promotion.COMPLEX_OF[real], "integral": dtypes.int64, "indexing": dtypes.int64}

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, Any]:
        """The standard's dtypes that are there, by name; of some kinds only."""
        return {name: d for name, d in _ALL.items() if kind is None or isdtype(d, kind)}


def __array_namespace_info__() -> _Info:
    """What is there: capabilities, devices, dtypes."""
    return _Info()
