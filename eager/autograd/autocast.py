"""Autocast: within a block, products run in half precision and what needs range or digits in float32.

In come a device type and a dtype, out go operators whose tensors are cast first. The one idea: one thread-local dtype (`STATE.autocast`, None: off), and a
table of operators by device; a decorator on the operators in the table looks at the dtype and nothing else happens while it is None. The inner
operators of one that was cast see the mode off, as do derivatives: their operands have the right dtypes already.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from ..cuda import accelerator
from ..dtypes import bfloat16, dtype, float16, float32, float64
from ..errors import AutogradError, error
from .mode import STATE

DTYPES: dict[str, tuple[dtype, ...]] = {"cpu": (bfloat16, float16), "cuda": (float16, bfloat16)}  # device type -> what it runs products in; first the default
OPERATORS: dict[str, dict[str, str]] = {  # device type -> policy -> the operators, by name
    "cpu": {
        "lower": "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d bmm mm matmul baddbmm addmm addbmm linear prelu "
                 "scaled_dot_product_attention vecdot",
        "float32": "avg_pool3d binary_cross_entropy binary_cross_entropy_with_logits grid_sample polar prod quantile nanquantile trace "
                   "view_as_complex cholesky cholesky_inverse cholesky_solve inv lu_solve householder_product ormqr pinverse max_pool3d adaptive_avg_pool3d adaptive_max_pool3d "
                   "fractional_max_pool2d fractional_max_pool3d "
                   "mse_loss cosine_embedding_loss nll_loss hinge_embedding_loss poisson_nll_loss smooth_l1_loss cross_entropy l1_loss huber_loss "
                   "margin_ranking_loss soft_margin_loss triplet_margin_loss multi_margin_loss ctc_loss kl_div multilabel_margin_loss cdist "
                   "svdvals svd eig eigh eigvals eigvalsh solve lstsq qr cholesky_ex inv_ex cond matrix_rank tensorinv tensorsolve geqrf triangular_solve "
                   "fft ifft rfft irfft hfft ihfft fft2 ifft2 rfft2 irfft2 hfft2 ihfft2 fftn ifftn rfftn irfftn hfftn ihfftn",
        "widest": "cat stack index_copy",
        "as given": "bilinear",  # whose products inside are none of PyTorch's
    },
}  # fmt: skip
OPERATORS["cuda"] = OPERATORS["cpu"]  # PyTorch's tables differ in a few operators that compute in float32 there
POLICIES = {name: policy for table in OPERATORS.values() for policy, names in table.items() for name in names.split()}


def dtypes_on(device_type: str) -> tuple[dtype, ...]:
    """The dtypes in which autocast runs products on a kind of device; none where there is no such device."""
    return () if device_type == "cuda" and accelerator() is None else DTYPES.get(device_type, ())


FULL = {"float32", "float16", "bfloat16"}  # float64, complex and integer tensors are never cast


def autocasts(function: Callable[..., Any]) -> Callable[..., Any]:
    """An operator of the table, which casts its tensors while autocast is on."""
    policy = POLICIES[function.__name__]

    @functools.wraps(function)
    def cast_first(*args: Any, **kwargs: Any) -> Any:
        fast = STATE.autocast
        if fast is None:
            return function(*args, **kwargs)
        to = fast if policy == "lower" else float32 if policy == "float32" else _widest((args, tuple(kwargs.values())), fast)
        STATE.autocast = None
        try:
            if policy == "as given":
                return function(*args, **kwargs)
            return function(*(_cast(a, to) for a in args), **{name: _cast(a, to) for name, a in kwargs.items()})
        finally:
            STATE.autocast = fast

    return cast_first


def _eligible(value: Any) -> bool:
    return hasattr(value, "_data") and value.dtype.name in FULL


def _widest(values: Any, fast: dtype) -> dtype:
    """float32 where one of the tensors has it, else the fast dtype."""
    if isinstance(values, (tuple, list)):
        return float32 if any(_widest(value, fast) is float32 for value in values) else fast
    return float32 if _eligible(values) and values.dtype is float32 else fast


def _cast(value: Any, to: dtype) -> Any:
    if isinstance(value, (tuple, list)):
        return type(value)([_cast(part, to) for part in value]) if any(map(_eligible, value)) else value
    return value.to(to) if _eligible(value) and value.dtype is not to else value


class autocast:  # noqa: N801  (PyTorch's name)
    """Within the block (also a decorator) the operators of the device's table run in `dtype` or in float32, whatever their tensors have.

    `dtype`: bfloat16 (the CPU's default) or float16. `cache_enabled` is accepted: compiled code casts a weight once anyway. A device that is not there and a
    dtype that the device does not have switch autocast off, with a warning. Raises ValueError for a device type that is no string, RuntimeError for an unknown one.

    >>> import segue
    >>> with autocast("cpu"):
    ...     out = segue.ones(2, 3) @ segue.ones(3, 2)
    >>> out.dtype
    segue.bfloat16
    """

    def __init__(self, device_type: str, dtype: dtype | None = None, enabled: bool = True, cache_enabled: bool | None = None) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        self.device = device_type
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        self.enabled = enabled and self.is_possible()
        self.before: Any = None

    def is_possible(self) -> bool:
        """Whether this device can; warns where it cannot."""
        if not dtypes_on(self.device):
            warnings.warn(f"User provided device_type of '{self.device}', but there is none. Disabling", stacklevel=4)
            return False
        if self.fast_dtype not in dtypes_on(self.device):
            names = " and ".join(str(of) for of in dtypes_on(self.device))
            if self.fast_dtype not in (float32, float64) or self.fast_dtype is float64:
                warnings.warn(f"In {self.device} autocast, but the target dtype {self.fast_dtype} is not supported. Disabling autocast. "
                              f"There is {names}", stacklevel=4)  # fmt: skip
            return False
        return True

    def __enter__(self) -> autocast:
        self.before = STATE.autocast
        STATE.autocast = self.fast_dtype if self.enabled else None if dtypes_on(self.device) else self.before
        return self

    def __exit__(self, *exception: Any) -> None:
        STATE.autocast = self.before

    def __call__(self, func: Callable) -> Callable:
        manager = self

        @functools.wraps(func)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with autocast(manager.device, manager.fast_dtype, manager.enabled):
                return func(*args, **kwargs)

        return inside


DEVICES = frozenset({"cpu", "cuda", "mps", "xpu", "hpu", "xla", "ipu", "meta", "mtia", "maia", "privateuseone"})
_default: dict[str, dtype] = {"cpu": bfloat16, "cuda": float16}


def is_autocast_available(device_type: str) -> bool:
    """Whether there is autocast for this kind of device.

    >>> is_autocast_available("cpu"), is_autocast_available("mps")
    (True, False)
    """
    return bool(dtypes_on(device_type))


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether autocast is on, for a kind of device, or at all.

    >>> with autocast("cpu"):
    ...     is_autocast_enabled("cpu")
    True
    """
    return STATE.autocast is not None and (device_type is None or bool(dtypes_on(device_type)))


def set_autocast_enabled(device_type: str, enabled: bool) -> None:
    """Switch autocast on or off, with the dtype of `get_autocast_dtype`."""
    if dtypes_on(device_type):
        STATE.autocast = get_autocast_dtype(device_type) if enabled else None


def get_autocast_dtype(device_type: str) -> dtype:
    """The dtype that autocast runs products in on this kind of device. Raises RuntimeError for an unknown one.

    >>> get_autocast_dtype("cpu")
    segue.bfloat16
    """
    if device_type not in DEVICES:
        raise error(AutogradError, f"User specified an unsupported autocast device_type '{device_type}'; there is {', '.join(DTYPES)}")
    if not dtypes_on(device_type):
        return float16
    return STATE.autocast or _default[device_type]


def set_autocast_dtype(device_type: str, dtype: dtype) -> None:
    """Set the dtype with which autocast starts where none is named."""
    _default[device_type] = dtype


def clear_autocast_cache() -> None:
    """Nothing: there is no cache."""


def is_autocast_cache_enabled() -> bool:
    """Whether casts of weights are kept in a list of their own: they are not.

    >>> is_autocast_cache_enabled()
    False
    """
    return False


def dtypes_as_they_are(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method that runs with autocast off: what it computes with has the right dtypes already."""

    @functools.wraps(method)
    def inside(*args: Any) -> Any:
        if STATE.autocast is None:
            return method(*args)
        with autocast_off():
            return method(*args)

    return inside


class autocast_off:  # noqa: N801  (a context manager)
    """Within the block autocast is off: for code whose operands have the right dtypes already."""

    def __enter__(self) -> None:
        self.before, STATE.autocast = STATE.autocast, None

    def __exit__(self, *exception: object) -> None:
        STATE.autocast = self.before
