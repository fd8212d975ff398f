"""`custom_fwd` and `custom_bwd`: how a user-defined operation behaves under autocast.

In come the static methods of an `autograd.Function`, out go methods that set the mode. The one idea: the context remembers the mode of the forward, and
the backward runs under it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..autograd.autocast import autocast, get_autocast_dtype, is_autocast_enabled
from ..dtypes import dtype, float16
from ..tensor import Tensor
from .scaler import GradScaler


def _to(value: Any, dtype: Any) -> Any:
    """Floating tensors (float64 aside) in another dtype, in containers too."""
    if isinstance(value, Tensor):
        return value.to(dtype) if value.is_floating_point() and value.itemsize < 8 else value
    if isinstance(value, (list, tuple)):
        return type(value)([_to(part, dtype) for part in value])
    if isinstance(value, dict):
        return {key: _to(part, dtype) for key, part in value.items()}
    return value


def custom_fwd(fwd: Callable | None = None, *, device_type: str, cast_inputs: Any = None) -> Callable:
    """Decorate `forward`: with `cast_inputs`, tensors come in that dtype and forward runs with autocast off; without, under the mode of the moment.

    The mode is remembered for `custom_bwd`. Raises ValueError for a device type that is no string.
    """
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)
    forward = fwd

    @functools.wraps(forward)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        args[0]._dtype = get_autocast_dtype(device_type)
        on = is_autocast_enabled(device_type)
        if cast_inputs is None or not on:
            args[0]._fwd_used_autocast = on
            return forward(*args, **kwargs)
        args[0]._fwd_used_autocast = False
        with autocast(device_type, enabled=False):
            return forward(args[0], *[_to(a, cast_inputs) for a in args[1:]], **{name: _to(a, cast_inputs) for name, a in kwargs.items()})

    return decorated


def custom_bwd(bwd: Callable | None = None, *, device_type: str) -> Callable:
    """Decorate `backward`: it runs under the mode that forward ran under."""
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)
    backward = bwd

    @functools.wraps(backward)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        with autocast(device_type, args[0]._dtype, args[0]._fwd_used_autocast):
            return backward(*args, **kwargs)

    return decorated


class CudaAutocast(autocast):
    """`autocast("cuda")` under its older name."""

    def __init__(self, enabled: bool = True, dtype: dtype = float16, cache_enabled: bool = True) -> None:
        super().__init__("cuda", dtype, enabled, cache_enabled)


class CudaGradScaler(GradScaler):
    """`GradScaler("cuda")` under its older name."""

    def __init__(
        self, init_scale: float = 2.0**16, growth_factor: float = 2.0, backoff_factor: float = 0.5, growth_interval: int = 2000, enabled: bool = True
    ) -> None:
        super().__init__("cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled)


cuda_custom_fwd = functools.partial(custom_fwd, device_type="cuda")
cuda_custom_bwd = functools.partial(custom_bwd, device_type="cuda")
