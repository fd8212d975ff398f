"""Names of PyTorch's extension module that programs reach for: there is no dispatch to function transforms or to tensors' subclasses to switch off here."""

from contextlib import nullcontext as _DisableFuncTorch, nullcontext as DisableTorchFunctionSubclass

from segue.eager.fx import log_usage as _log_api_usage_once, transforms_active as _are_functorch_transforms_active
from segue.eager.overrides import disabled as _disabled_torch_function_impl
from segue.eager.scripting import tracing_state as _get_tracing_state

__all__ = ["DisableTorchFunctionSubclass", "_DisableFuncTorch", "_are_functorch_transforms_active", "_disabled_torch_function_impl", "_get_tracing_state", "_log_api_usage_once"]
