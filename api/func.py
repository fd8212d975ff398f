"""Function transforms under PyTorch's names; see segue/eager/func.py, also for why `functionalize` is not among them."""

from segue.eager.func import (
    functional_call, grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, stack_module_state, value_and_grad, vjp, vmap,
)  # fmt: skip

__all__ = [
    "functional_call", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "stack_module_state", "value_and_grad", "vjp", "vmap",
]  # fmt: skip
