"""The Python array API standard, version 2024.12: the namespace that `Tensor.__array_namespace__()` gives.

In come tensors with the standard's argument names (`axis`, `keepdims`, positional-only arrays), out go tensors. The one idea: the operators are there
already; this package is their names, defaults and argument orders as the standard has them (https://data-apis.org/array-api/2024.12), one line each. Not
there: the dtypes uint16, uint32 and uint64, and `Tensor.size` is PyTorch's method, not the standard's attribute.
"""

import sys
from math import e, inf, nan, pi
from typing import Any

from ..dtypes import (
    bool,
    complex64,
    complex128,
    finfo,
    float32,
    float64,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    uint8,
)  # fmt: skip
from ..errors import error
from ..tensor import Tensor
from . import fft, linalg
from .creation import (
    arange,
    asarray,
    empty,
    empty_like,
    eye,
    from_dlpack,
    full,
    full_like,
    linspace,
    meshgrid,
    ones,
    ones_like,
    tril,
    triu,
    zeros,
    zeros_like,
)  # fmt: skip
from .elementwise import *  # noqa: F403
from .elementwise import __all__ as _elementwise
from .inspection import __array_namespace_info__, astype, can_cast, isdtype, result_type
from .linalg import matmul, matrix_transpose, tensordot, vecdot
from .manipulation import *  # noqa: F403
from .manipulation import __all__ as _manipulation
from .statistics import *  # noqa: F403
from .statistics import __all__ as _statistics

__array_api_version__ = "2024.12"


def _namespace(self: Tensor, /, *, api_version: str | None = None) -> Any:
    """This module. Raises ValueError for a version of the standard later than 2024.12."""
    if api_version is not None and api_version not in ("2021.12", "2022.12", "2023.12", "2024.12"):
        raise error(ValueError, f"__array_namespace__(): version {api_version!r} of the array API is not known here", "api_version='2024.12'")
    return sys.modules[__name__]


setattr(Tensor, "__array_namespace__", _namespace)  # noqa: B010  (an attribute that type checkers do not know)
newaxis = None

__all__ = [
    "__array_api_version__", "__array_namespace_info__", "arange", "asarray", "astype", "bool", "can_cast", "complex128", "complex64", "e", "empty",
    "empty_like", "eye", "fft", "finfo", "float32", "float64", "from_dlpack", "full", "full_like", "iinfo", "inf", "int16", "int32", "int64", "int8",
    "isdtype", "linalg", "linspace", "matmul", "matrix_transpose", "meshgrid", "nan", "newaxis", "ones", "ones_like", "pi", "result_type", "tensordot",
    "tril", "triu", "uint8", "vecdot", "zeros", "zeros_like", *_elementwise, *_manipulation, *_statistics,
]  # fmt: skip
