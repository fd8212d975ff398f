"""Tensors as text, the way PyTorch prints them.

In comes a tensor, out goes `tensor([[1., 2.], ...], dtype=..., requires_grad=True)`. The one idea: the form of a number is chosen once, for all that are shown: whole
numbers with a bare point, four decimals, or an exponent where the range is wide; brackets, lines and the tail follow from the widths.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from . import dtypes
from .cuda import is_real, on_host
from .tensor import Tensor


@dataclass
class Options:
    """How tensors are printed; `sci_mode` None lets the numbers decide."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


OPTIONS = Options()
PROFILES: dict[str, dict[str, float]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}


def set_printoptions(
    precision: int | None = None, threshold: float | None = None, edgeitems: int | None = None, linewidth: int | None = None,
    profile: str | None = None, sci_mode: bool | None = None,
) -> None:  # fmt: skip
    """Set how tensors are printed; what is None stays, but `sci_mode`, which None sets back.

    `precision`: decimals. `threshold`: with more elements, only `edgeitems` at each end of each dimension are shown. `linewidth`: characters of a line.
    `profile`: "default", "short" or "full" (no threshold). Raises ValueError for another profile.

    >>> import segue
    >>> with printoptions(precision=2):
    ...     print(segue.tensor([1.2345]))
    tensor([1.23])
    """
    if profile is not None and profile not in PROFILES:
        raise ValueError(f"set_printoptions(): the profile {profile!r} is not known; there are {', '.join(PROFILES)}")
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    for name, value in {**PROFILES.get(profile or "", {}), **{name: value for name, value in given.items() if value is not None}}.items():
        setattr(OPTIONS, name, value)
    OPTIONS.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The options as a dict that `set_printoptions` takes."""
    return asdict(OPTIONS)


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """`set_printoptions` within a `with` block."""
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        set_printoptions(**before)


def text(x: Tensor, *, tensor_contents: str | None = None) -> str:
    """`repr(x)`; `tensor_contents` stands for the values where it is given.

    >>> import segue
    >>> segue.tensor([1.0, 2.5])
    tensor([1.0000, 2.5000])
    """
    kind = type(x).__name__
    head = ("tensor" if kind in ("Tensor", "Parameter", "Buffer") else kind) + "("
    body = _body(x, len(head)) if tensor_contents is None else tensor_contents
    lead = "Parameter containing:\n" if kind == "Parameter" else ""
    return lead + _with_tail(head + body, _tail(x), len(head))


def _body(x: Tensor, indent: int) -> str:
    array = on_host(x._data)
    if type(array) is not np.ndarray:
        return "..."
    if not array.size:
        return "[]"
    if array.dtype.kind not in "biufc":  # bfloat16 is none of NumPy's own
        array = array.astype(np.float32)
    summarised = array.size > OPTIONS.threshold
    shown = _shown(array) if summarised else array
    if array.dtype.kind == "c":
        real, imaginary = Form(shown.real), Form(shown.imag)
        return _block(array, indent, summarised, lambda value: _complex(real(value.real), imaginary(value.imag)), real.width + imaginary.width + 1)
    form = Form(shown)
    return _block(array, indent, summarised, form, form.width)


def _complex(real: str, imaginary: str) -> str:
    imaginary = imaginary.lstrip()
    return f"{real}{'' if imaginary[0] in '+-' else '+'}{imaginary}j"


def _tail(x: Tensor) -> list[str]:
    """What stands behind the values: where they are, their type when it is not the usual one, and the gradient."""
    words, default = [], dtypes.get_default_dtype()
    usual = {default, dtypes.int64, dtypes.bool, dtypes.complex128 if default is dtypes.float64 else dtypes.complex64}
    if x.device.type != "cpu":
        words.append(f"device='{x.device}'")
    if not is_real(x._data):
        words.append(f"size={tuple(x.shape)}")
        usual = {default}
        if not x.is_meta:
            words.append("traced")
    elif x.numel() == 0:
        usual = {default}  # nothing is there that would show what it is
        if x.ndim != 1:
            words.append(f"size={tuple(x.shape)}")
    elif not OPTIONS.edgeitems:
        words.append(f"size={tuple(x.shape)}")
    if x.dtype not in usual:
        words.append(f"dtype={x.dtype}")
    if x.grad_fn is not None:
        words.append(f"grad_fn=<{x.grad_fn.name()}>")
    elif x.requires_grad:
        words.append("requires_grad=True")
    return words


def _with_tail(body: str, words: list[str], indent: int) -> str:
    """The words behind the body, each on the line where it still fits."""
    parts, column = [body], len(body) - body.rfind("\n") + 1
    for word in words:
        if column + len(word) + 2 > OPTIONS.linewidth:
            parts.append(",\n" + " " * indent + word)
            column = indent + len(word)
        else:
            parts.append(", " + word)
            column += len(word) + 2
    return "".join(parts) + ")"


# ----------------------------------------------------------------------------------------------------------------- numbers


class Form:
    """How each of these numbers is written: a function from one to its text, all of one width where they are finite."""

    def __init__(self, values: np.ndarray) -> None:
        self.width = 1
        self.write: Callable[[Any], str] = str
        if values.dtype.kind != "f":
            self.width = max((len(str(value)) for value in _extremes(values)), default=1)
            return
        finite = values[np.isfinite(values) & (values != 0)].astype(np.float64)
        whole = bool((finite == np.ceil(finite)).all())
        scientific = finite.size > 0 and _is_wide(np.abs(finite), whole)
        precision = OPTIONS.precision
        exponent, plain = f".{precision}e", f".{precision}f"
        forms: dict[str, Callable[[float], str]] = {
            "e": lambda value: format(value, exponent), "w": lambda value: f"{value:.0f}" + ("." if math.isfinite(value) else ""),
            "f": lambda value: format(value, plain),
        }  # fmt: skip
        if OPTIONS.sci_mode is not None and finite.size:
            scientific = OPTIONS.sci_mode
        self.write = forms["e" if scientific else "w" if whole else "f"]
        self.width = max((len(self.write(value)) for value in finite.tolist()), default=1)

    def __call__(self, value: Any) -> str:
        return self.write(value).rjust(self.width)


def _is_wide(size: np.ndarray, whole: bool) -> bool:
    """Whether the absolute values ask for exponents."""
    least, most = float(size.min()), float(size.max())
    return most / least > 1000.0 or most > 1e8 or (not whole and least < 1e-4)


def _extremes(values: np.ndarray) -> list:
    """The integers or booleans among which the longest is."""
    return np.unique(values).tolist() if values.dtype.kind == "b" else [values.min().item(), values.max().item()] if values.size else []


# ------------------------------------------------------------------------------------------------------------------ layout


def _shown(array: np.ndarray) -> np.ndarray:
    """The elements at the edges, which are those that will be shown."""
    edge = OPTIONS.edgeitems
    for axis, size in enumerate(array.shape):
        if size > 2 * edge:
            array = array.take([*range(edge), *range(size - edge, size)], axis)
    return array


def _block(array: np.ndarray, indent: int, summarised: bool, form: Callable[[Any], str], width: int) -> str:
    """The array in brackets, with inner blocks on lines of their own."""
    if not array.ndim:
        return form(array.item())
    edge = OPTIONS.edgeitems
    cut = summarised and array.shape[0] > 2 * edge
    if array.ndim == 1:
        values = array[:edge].tolist() + array[len(array) - edge :].tolist() if cut else array.tolist()
        words = [form(value) for value in values]
        if cut:
            words.insert(edge, " ...")
        if summarised and not edge:
            words = ["..."]
        count = max(1, (OPTIONS.linewidth - indent) // (width + 2))
        lines = [", ".join(words[i : i + count]) for i in range(0, len(words), count)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    parts = [*array[:edge], *array[len(array) - edge :]] if cut else list(array)
    blocks = [_block(part, indent + 1, summarised, form, width) for part in parts]
    if cut:
        blocks.insert(edge, "...")
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(blocks) + "]"
