"""Data types and devices: what a tensor's elements are, and where they live.

In comes a name or a NumPy dtype, out goes one of twelve shared `dtype` objects (compared by identity) or a `device`. The one idea: segue has
PyTorch's names on top of NumPy's types, with bfloat16 from ml_dtypes. Of the types that tensors cannot hold (float8, uint16 ...) only the name is
there, as programs list and compare them: whoever asks for such an array hears so.
"""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np

__all__ = [
    "bfloat16", "bool", "complex128", "complex32", "complex64", "device", "dtype", "finfo", "float16", "float32", "float64", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2",
    "float8_e5m2fnuz", "float8_e8m0fnu", "get_default_dtype", "iinfo", "int16", "int32", "int64", "int8", "set_default_dtype", "uint16", "uint32", "uint64", "uint8",
]  # fmt: skip

BOOL, INTEGER, FLOAT, COMPLEX = range(4)  # the categories of promotion, in rising order


class dtype:
    """The type of a tensor's elements. There is one object for each type; compare with `is` or `==`.

    >>> from segue.eager.dtypes import float32
    >>> float32, float32.itemsize, float32.is_floating_point
    (segue.float32, 4, True)
    """

    __slots__ = ("name", "numpy", "category", "itemsize", "is_floating_point", "is_complex", "is_signed")

    def __init__(self, name: str, numpy_type: Any, category: int, is_held: Any = True) -> None:
        self.name = name
        self.itemsize = np.dtype(numpy_type).itemsize
        if is_held:
            self.numpy = np.dtype(numpy_type)
            self.category = category
        self.is_floating_point = category == FLOAT
        self.is_complex = category == COMPLEX
        self.is_signed = name != "bool" and not name.startswith("uint")

    def __getattr__(self, name: str) -> Any:
        if name in ("numpy", "category"):  # left empty: a name without tensors
            raise NotImplementedError(f"a tensor cannot hold {self}, only its name is there; the supported types are {', '.join(_NAMES)}")
        raise AttributeError(f"'dtype' object has no attribute {name!r}")

    def to_real(self) -> dtype:
        """The dtype of the parts of complex numbers; any other itself."""
        return _PARTS.get(self, self)

    def to_complex(self) -> dtype:
        """The dtype of complex numbers of such parts. Raises RuntimeError for a dtype that is none's."""
        found = self if self.is_complex else _WITH_PARTS.get(self)
        if found is None:
            raise RuntimeError(f"to_complex(): there are no complex numbers of {self}; of float16, bfloat16, float32 and float64 there are")
        return found

    def __repr__(self) -> str:
        return f"segue.{self.name}"

    def __reduce__(self):
        return (_by_name, (self.name,))

    def __deepcopy__(self, memo: dict) -> dtype:
        return self

    @staticmethod
    def of_legacy(kind: Any) -> dtype:
        """The dtype of a legacy tensor type (`segue.FloatTensor`) or of its name. Raises TypeError for anything else."""
        found = getattr(kind, "segue_dtype", None) or (LEGACY.get(kind.rpartition(".")[2]) if isinstance(kind, str) else None)
        if found is None:
            raise TypeError(f"invalid type: {kind!r} names no tensor type; there are {', '.join(LEGACY)}")
        return found


_bool = bool
_type = type
bool = dtype("bool", np.bool_, BOOL)  # noqa: A001  (PyTorch's name)
uint8 = dtype("uint8", np.uint8, INTEGER)
int8 = dtype("int8", np.int8, INTEGER)
int16 = dtype("int16", np.int16, INTEGER)
int32 = dtype("int32", np.int32, INTEGER)
int64 = dtype("int64", np.int64, INTEGER)
float16 = dtype("float16", np.float16, FLOAT)
bfloat16 = dtype("bfloat16", ml_dtypes.bfloat16, FLOAT)
float32 = dtype("float32", np.float32, FLOAT)
float64 = dtype("float64", np.float64, FLOAT)
complex64 = dtype("complex64", np.complex64, COMPLEX)
complex128 = dtype("complex128", np.complex128, COMPLEX)
complex32 = dtype("complex32", "2float16", COMPLEX, False)
uint16, uint32, uint64 = (dtype(f"uint{bits}", f"uint{bits}", INTEGER, False) for bits in (16, 32, 64))
float8_e4m3fn, float8_e4m3fnuz, float8_e5m2, float8_e5m2fnuz, float8_e8m0fnu = (
    dtype(f"float8_{kind}", getattr(ml_dtypes, f"float8_{kind}"), FLOAT, False) for kind in ("e4m3fn", "e4m3fnuz", "e5m2", "e5m2fnuz", "e8m0fnu")
)

_PARTS = {complex32: float16, complex64: float32, complex128: float64}
_WITH_PARTS = {part: of for of, part in _PARTS.items()} | {bfloat16: complex64}

ALL = (bool, uint8, int8, int16, int32, int64, float16, bfloat16, float32, float64, complex64, complex128)
ALIASES = {
    "half": float16,
    "float": float32,
    "double": float64,
    "short": int16,
    "int": int32,
    "long": int64,
    "chalf": complex32,
    "cfloat": complex64,
    "cdouble": complex128,
}
LEGACY = {
    "FloatTensor": float32, "DoubleTensor": float64, "HalfTensor": float16, "BFloat16Tensor": bfloat16, "ByteTensor": uint8, "CharTensor": int8,
    "ShortTensor": int16, "IntTensor": int32, "LongTensor": int64, "BoolTensor": bool,
}  # fmt: skip
_LEGACY_NAMES = {of: name for name, of in LEGACY.items()}
_NAMES = {d.name: d for d in ALL}
_FROM_NUMPY = {d.numpy: d for d in ALL}
_FROM_PYTHON = {_bool: bool, int: int64, float: float64, complex: complex128}
_default = [float32]


def _by_name(name: str) -> dtype:
    return _NAMES.get(name) or globals()[name]


def from_numpy_dtype(numpy_dtype: Any) -> dtype:
    """segue's dtype of a NumPy dtype. Raises TypeError for types that tensors cannot hold (strings, objects, uint16 ...).

    >>> from_numpy_dtype(np.dtype("int32"))
    segue.int32
    """
    found = _FROM_NUMPY.get(numpy_dtype)
    if found is None:
        found = _FROM_NUMPY.get(np.dtype(numpy_dtype).newbyteorder("="))
    if found is None:
        raise TypeError(f"a tensor cannot hold NumPy's {np.dtype(numpy_dtype).name}; the supported types are {', '.join(_NAMES)}")
    return found


def as_dtype(value: Any) -> dtype:
    """A dtype from a dtype, a NumPy dtype, or one of Python's bool, int, float, complex (the wide ones, as in PyTorch and NumPy)."""
    if isinstance(value, dtype):
        return value
    if isinstance(value, type) and value in _FROM_PYTHON:
        return _FROM_PYTHON[value]
    if hasattr(value, "segue_dtype") or isinstance(value, str) and value.endswith("Tensor"):
        return dtype.of_legacy(value)
    if not isinstance(value, (type, str, np.dtype)):
        raise TypeError(f"argument 'dtype' must be a dtype, not {type(value).__name__}")
    return from_numpy_dtype(value)


def get_default_dtype() -> dtype:
    """The floating type of tensors made from Python floats (float32 at first)."""
    return _default[0]


def set_default_dtype(value: dtype) -> None:
    """Set the floating type of tensors made from Python floats. Raises TypeError unless `value` is a floating type."""
    if not (isinstance(value, dtype) and value.is_floating_point):
        raise TypeError(f"set_default_dtype() takes a floating dtype, not {value!r}")
    value.numpy  # noqa: B018  (a name without tensors raises)
    _default[0] = value


def _limits(of: Any, *names: str) -> str:
    return f"{type(of).__name__}({', '.join(f'{name}={getattr(of, name):g}' for name in names)}, dtype={of.dtype})"


class finfo:
    """Limits of a floating type: eps, max, min, tiny, smallest_normal, resolution, bits.

    >>> finfo(float32).eps
    1.1920928955078125e-07
    """

    eps: float
    max: float
    min: float
    tiny: float
    smallest_normal: float
    resolution: float

    def __init__(self, type: dtype | None = None) -> None:  # noqa: A002
        of = type or get_default_dtype()
        if not (of.is_floating_point or of.is_complex):
            raise TypeError(f"finfo() needs a floating dtype, not {of}; use iinfo")
        of = of.to_real()
        info = ml_dtypes.finfo(np.dtype(of.name))  # by name: names without tensors too
        self.dtype, self.bits = of.name, info.bits
        for name in ("eps", "max", "min", "tiny", "smallest_normal"):
            setattr(self, name, float(getattr(info, name)))
        self.resolution = float(f"1e-{math.floor(info.nmant * math.log10(2))}")  # of as many decimal digits as always survive

    def __eq__(self, other: object) -> Any:
        return isinstance(other, finfo) and self.dtype == other.dtype

    def __repr__(self) -> str:
        return _limits(self, "resolution", "min", "max", "eps", "smallest_normal", "tiny")

    def __hash__(self) -> Any:
        return hash(self.dtype)


class iinfo:
    """Limits of an integer type: max, min, bits.

    >>> iinfo(int8).max
    127
    """

    def __init__(self, type: dtype) -> None:  # noqa: A002
        if type.is_floating_point or type.is_complex or type is bool:
            raise TypeError(f"iinfo() needs an integer dtype, not {type}; use finfo")
        info = np.iinfo(type.name)
        self.dtype, self.bits, self.max, self.min = type.name, info.bits, int(info.max), int(info.min)

    def __eq__(self, other: object) -> Any:
        return isinstance(other, iinfo) and self.dtype == other.dtype

    def __repr__(self) -> str:
        return _limits(self, "min", "max")

    def __hash__(self) -> Any:
        return hash(self.dtype)


class device:
    """Where a tensor lives: "cpu", "cuda", "cuda:1" or "meta". Compared by value. As a context, where new tensors are made.

    >>> device("cuda:1").index
    1
    """

    __slots__ = ("type", "index")
    type: str
    index: int | None

    def __init__(self, type: str | int | device = "cpu", index: int | None = None) -> None:  # noqa: A002  (PyTorch's name)
        if isinstance(type, device):
            index = type.index if index is None else index
            type = type.type  # noqa: A001
        if not isinstance(type, (str, int)) or isinstance(type, _bool):
            raise TypeError(f"a device is named by a text or the number of a GPU, not by {_type(type).__name__}")
        name = f"cuda:{type}" if isinstance(type, int) else type
        kind, _, number = name.partition(":") if isinstance(name, str) else ("", "", "")
        if kind not in ("cpu", "cuda", "meta") or (number and not number.isdigit()):
            raise RuntimeError(f"segue knows the devices cpu, cuda, cuda:N and meta, not {name!r}")
        self.type = kind
        self.index = int(number) if number else index

    def __repr__(self) -> str:
        return f"device(type='{self.type}')" if self.index is None else f"device(type='{self.type}', index={self.index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> _bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __enter__(self) -> device:
        _outer_devices.append(default_device[0])
        default_device[0] = self
        return self

    def __exit__(self, *exception: object) -> None:
        default_device[0] = _outer_devices.pop()

    for _method in (__enter__, __exit__):  # they change the process: captured code breaks here
        _method.__dict__.update(__segue_disabled__=True, __segue_disabled_reason__="the default device changes")
    del _method


CPU = device("cpu")
default_device: list[device | None] = [None]  # where new tensors are made, unless they say where; None is the CPU
_outer_devices: list[device | None] = []
