"""Function transforms: functions that take functions and return their derivatives, or themselves over a batch.

In come functions over pytrees of tensors, out go functions. The one idea: each transform here is only its signature; what happens at a call stands in
eager/transforms/calls.py. So the wrappers are ordinary Python, which capture follows, and a transformed function is captured into the same graph.

The names and rules are those of torch.func. `functionalize` is left out: it takes mutation out of a traced program, and here tracing always does that
by itself (graph/functionalise.py), so it would be the identity.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .nn.stateless import functional_call, stack_module_state
from .transforms import calls, custom, jacobians  # noqa: F401  (custom: how autograd.Function runs under transforms)
from .transforms.calls import named

__all__ = [
    "functional_call", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "stack_module_state", "value_and_grad", "vjp", "vmap",
]  # fmt: skip

Argnums = int | tuple[int, ...]


def grad(func: Callable, argnums: Argnums = 0, has_aux: bool = False) -> Callable:
    """The function that computes the gradient of `func`, whose output is a 0-d tensor, for the arguments at `argnums`.

    The result has the structure of that argument (a tuple of such for a tuple of `argnums`). With `has_aux`, `func` returns (output, aux) and the result is
    (gradient, aux). Raises RuntimeError where the output is not a scalar tensor or an argument is not made of tensors.

    >>> import segue
    >>> from segue.func import grad
    >>> grad(segue.sin)(segue.tensor(0.0))
    tensor(1.)
    >>> grad(grad(lambda x: x**3))(segue.tensor(2.0))
    tensor(12.)
    """

    def gradient(*args: Any, **kwargs: Any) -> Any:
        found, (_, aux) = calls.value_and_grad(func, argnums, has_aux, args, kwargs)
        return (found, aux) if has_aux else found

    return named(gradient, func)


def grad_and_value(func: Callable, argnums: Argnums = 0, has_aux: bool = False) -> Callable:
    """As `grad`, but the function returns (gradient, value), or (gradient, (value, aux)) with `has_aux`.

    >>> import segue
    >>> grad_and_value(lambda x: (x * x).sum())(segue.tensor([1.0, 2.0]))
    (tensor([2., 4.]), tensor(5.))
    """

    def gradient_and_value(*args: Any, **kwargs: Any) -> Any:
        found, (value, aux) = calls.value_and_grad(func, argnums, has_aux, args, kwargs)
        return (found, (value, aux)) if has_aux else (found, value)

    return named(gradient_and_value, func)


def value_and_grad(func: Callable, argnums: Argnums = 0, has_aux: bool = False) -> Callable:
    """As `grad_and_value` with the two in JAX's order: (value, gradient), or ((value, aux), gradient) with `has_aux`.

    >>> import segue
    >>> value_and_grad(lambda x: (x * x).sum())(segue.tensor([1.0, 2.0]))
    (tensor(5.), tensor([2., 4.]))
    """

    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        found, (value, aux) = calls.value_and_grad(func, argnums, has_aux, args, kwargs)
        return ((value, aux), found) if has_aux else (value, found)

    return named(value_and_gradient, func)


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """(output, vjp_fn[, aux]): `vjp_fn(cotangents)` gives the vector-Jacobian products, a tuple where there are several primals.

    Cotangents have the structure and shapes of the output; `vjp_fn` may be called any number of times. Raises RuntimeError where structures or shapes differ.

    >>> import segue
    >>> output, pullback = vjp(segue.sin, segue.tensor([0.0]))
    >>> pullback(segue.tensor([2.0]))
    (tensor([2.]),)
    """
    return calls.vjp(func, primals, has_aux)


def jvp(func: Callable, primals: tuple, tangents: tuple, *, strict: bool = False, has_aux: bool = False) -> tuple:
    """(output, tangent of the output[, aux]) by forward mode: the derivative of `func` at `primals` along `tangents`.

    Tangents have the structure, shapes and dtypes of the primals. An output that does not depend on them has a tangent of zeros; with `strict` it raises.

    >>> import segue
    >>> jvp(lambda x: x * x, (segue.tensor(3.0),), (segue.tensor(1.0),))
    (tensor(9.), tensor(6.))
    """

    def pushed(primals: tuple, tangents: tuple) -> tuple:
        return calls.jvp(func, primals, tangents, has_aux, strict)

    return named(pushed, func)(primals, tangents)


def linearize(func: Callable, *primals: Any) -> tuple:
    """(output, jvp_fn): `func` at the primals, and its derivative there as a linear function of tangents, which does not run `func` again.

    The derivative is recorded once, as the transpose of the transposed map (the pullback's own pullback).

    >>> import segue
    >>> output, push = linearize(segue.sin, segue.tensor([0.0]))
    >>> push(segue.tensor([3.0]))
    tensor([3.])
    """
    return calls.linearize(func, primals)


def jacrev(func: Callable, argnums: Argnums = 0, *, has_aux: bool = False, chunk_size: int | None = None, _preallocate_and_copy: bool = False) -> Callable:
    """The function that computes the Jacobian by reverse mode, shape (*output, *argument); `chunk_size` rows at a time (None: all).

    For pytrees, each leaf of the output is replaced by the structure of the argument. Best where there are fewer outputs than inputs.

    >>> import segue
    >>> jacrev(lambda x: x * x)(segue.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """

    def jacobian(*args: Any, **kwargs: Any) -> Any:
        return jacobians.jacrev(func, argnums, has_aux, chunk_size, args, kwargs)

    return named(jacobian, func)


def jacfwd(func: Callable, argnums: Argnums = 0, has_aux: bool = False, *, randomness: str = "error") -> Callable:
    """As `jacrev` by forward mode: best where there are fewer inputs than outputs.

    >>> import segue
    >>> jacfwd(lambda x: x.sum() * x)(segue.tensor([1.0, 2.0]))
    tensor([[4., 1.],
            [2., 5.]])
    """

    def jacobian(*args: Any, **kwargs: Any) -> Any:
        return jacobians.jacfwd(func, argnums, has_aux, randomness, args, kwargs)

    return named(jacobian, func)


def hessian(func: Callable, argnums: Argnums = 0) -> Callable:
    """The second derivatives, shape (*output, *argument, *argument): forward mode over reverse mode.

    >>> import segue
    >>> hessian(lambda x: (x**3).sum())(segue.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)


def vmap(func: Callable, in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *, chunk_size: int | None = None) -> Callable:
    """`func`, written for one example, over a batch of them.

    `in_dims` names the batch dimension of each argument (None: the same for all examples), `out_dims` where it goes in the results; both may be pytrees
    that stop above the leaves. Random operations raise unless `randomness` is "different" (a draw for each example) or "same". `chunk_size` examples are
    computed at a time (None: all). Raises ValueError where dimensions and structures do not fit, or sizes differ.

    >>> import segue
    >>> rows = segue.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> vmap(lambda a, b: (a * b).sum(), in_dims=(0, None))(rows, segue.tensor([1.0, 10.0]))
    tensor([21., 43.])
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    def over_batch(*args: Any, **kwargs: Any) -> Any:
        return calls.vmap(func, in_dims, out_dims, randomness, chunk_size, args, kwargs)

    return named(over_batch, func)
