"""`autograd.functional`: Jacobians, Hessians and products with them, of a function of tensors, by the tape.

In come a function, its inputs (a tensor or a tuple of them) and vectors, out go tuples of tensors where tuples came in. The one idea: all are calls of
`autograd.grad` on fresh aliases of the inputs; forward products come from the reverse of the reverse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import AutogradError, error
from ..tensor import Tensor
from . import engine
from .mode import enable_grad
from .tape import F

Tensors = Tensor | tuple[Tensor, ...]


def _tuple(value: Any, name: str, what: str) -> tuple[bool, tuple[Tensor, ...]]:
    """(whether it was a tuple, the tensors). Raises TypeError for anything else."""
    several = isinstance(value, (tuple, list))
    found = tuple(value) if several else (value,)
    for place, x in enumerate(found):
        if not isinstance(x, Tensor):
            where = f"Value at index {place} of the {what}" if several else f"The {what}"
            raise TypeError(f"{name}: {where} given is of type {type(x).__name__}; it must be a Tensor" + ("" if several else " or a tuple of Tensors"))
    return several, found


def _inputs(inputs: tuple, create_graph: bool) -> tuple:
    """What the function gets: with a graph wanted, aliases on the tape of the inputs, else leaves."""
    return tuple(x.view_as(x) if create_graph and x.requires_grad else x.detach().requires_grad_() for x in inputs)


def _vectors(v: Any, like: tuple, name: str) -> tuple:
    """The vectors; ones where none is given for a single number. Raises RuntimeError where they do not fit."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise error(AutogradError, f"{name}: The vector v can only be None if the function returns a single Tensor with a single element")
        return (F[0].ones_like(like[0]),)
    found = _tuple(v, name, "v")[1]
    if len(found) != len(like) or any(tuple(a.shape) != tuple(b.shape) for a, b in zip(found, like)):
        shapes = [tuple(x.shape) for x in like]
        raise error(AutogradError, f"{name}: v has invalid size: it should be {shapes}, and is {[tuple(x.shape) for x in found]}")
    return found


def _grad(outputs: Sequence, inputs: tuple, vectors: Sequence, name: str, strict: bool, create_graph: bool = False) -> tuple:
    """The gradients, zeros for what is independent (an error under `strict`)."""
    pairs = [(out, v) for out, v in zip(outputs, vectors) if out.requires_grad]
    if strict and len(pairs) != len(outputs):
        raise error(AutogradError, f"{name}: an output of the user-provided function is independent of the input. This is not allowed in strict mode.")
    if not pairs:
        return tuple(F[0].zeros_like(x) for x in inputs)
    found = engine.grad([out for out, _ in pairs], inputs, [v for _, v in pairs], retain_graph=True, create_graph=create_graph, allow_unused=True)
    if strict and any(g is None for g in found):
        raise error(AutogradError, f"{name}: the output of the user-provided function is independent of an input. This is not allowed in strict mode.")
    return tuple(F[0].zeros_like(x) if g is None else g for g, x in zip(found, inputs))


def _out(values: Sequence, several: bool, create_graph: bool) -> Any:
    found = tuple(x if create_graph else x.detach() for x in values)
    return found if several else found[0]


def vjp(func: Callable, inputs: Tensors, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(outputs, vᵀJ): the product of a vector of the outputs' shapes with the Jacobian.

    >>> import segue
    >>> vjp(lambda x: x * x, segue.tensor([1.0, 2.0]), segue.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    with enable_grad():
        several, xs = _tuple(inputs, "vjp", "inputs")
        xs = _inputs(xs, create_graph)
        many, outputs = _tuple(func(*xs), "vjp", "outputs of the user-provided function")
        found = _grad(outputs, xs, _vectors(v, outputs, "vjp"), "vjp", strict, create_graph)
    return _out(outputs, many, create_graph), _out(found, several, create_graph)


def jvp(func: Callable, inputs: Tensors, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(outputs, Jv): the product of the Jacobian with a vector of the inputs' shapes, by the reverse of the reverse.

    >>> import segue
    >>> jvp(lambda x: x * x, segue.tensor([1.0, 2.0]), segue.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    with enable_grad():
        _, xs = _tuple(inputs, "jvp", "inputs")
        vectors = _vectors(v, xs, "jvp")
        xs = _inputs(xs, create_graph)
        many, outputs = _tuple(func(*xs), "jvp", "outputs of the user-provided function")
        seeds = tuple(F[0].zeros_like(out).requires_grad_() for out in outputs)
        pulled = _grad(outputs, xs, seeds, "jvp", strict, create_graph=True)
        found = _grad(pulled, seeds, vectors, "jvp", False, create_graph)
    return _out(outputs, many, create_graph), _out(found, many, create_graph)


def jacobian(
    func: Callable, inputs: Tensors, create_graph: bool = False, strict: bool = False, vectorize: bool = False, strategy: str = "reverse-mode"
) -> Any:
    """The derivatives of each output for each input, shape (*output, *input); a tuple for each tuple (outputs outside).

    `vectorize` and `strategy` choose ways of computing and change no result. Raises RuntimeError under `strict` for what is independent.

    >>> import segue
    >>> jacobian(lambda x: x * x, segue.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if strategy not in ("reverse-mode", "forward-mode"):
        raise ValueError(f'jacobian: Expected strategy to be either "forward-mode" or "reverse-mode", not {strategy!r}')
    with enable_grad():
        several, xs = _tuple(inputs, "jacobian", "inputs")
        xs = _inputs(xs, create_graph)
        many, outputs = _tuple(func(*xs), "jacobian", "outputs of the user-provided function")
        rows = [_rows(out, xs, strict, create_graph) for out in outputs]
    found = tuple(_out(row, several, create_graph) for row in rows)
    return found if many else found[0]


def _rows(out: Tensor, xs: tuple, strict: bool, create_graph: bool) -> list[Tensor]:
    """The Jacobian of one output for each input, a row at a time."""
    count = out.numel()
    seeds = F[0].eye(count, dtype=out.dtype, device=out.device).reshape((count, *out.shape))
    rows = [_grad([out], xs, [seeds[place]], "jacobian", strict, create_graph) for place in range(count)]
    if not rows:
        return [F[0].zeros((*out.shape, *x.shape), dtype=x.dtype, device=x.device) for x in xs]
    return [F[0].stack(list(column)).reshape((*out.shape, *x.shape)) for column, x in zip(zip(*rows), xs)]


def _scalar(func: Callable, name: str) -> Callable:
    """The function, whose result is a single number. Raises RuntimeError else."""

    def checked(*xs: Tensor) -> Tensor:
        out = _tuple(func(*xs), name, "outputs of the user-provided function")[1]
        if len(out) != 1 or out[0].numel() != 1:
            raise error(AutogradError, f"{name}: The Tensor returned by the function should contain a single element")
        return out[0].reshape(())

    return checked


def hessian(
    func: Callable, inputs: Tensors, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """The second derivatives of a function of one result, shape (*input, *input); for a tuple of inputs a tuple of tuples.

    >>> import segue
    >>> hessian(lambda x: (x**3).sum(), segue.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    several, _ = _tuple(inputs, "hessian", "inputs")
    scalar = _scalar(func, "hessian")

    def gradient(*xs: Tensor) -> Any:
        found = _grad([scalar(*xs)], xs, [F[0].ones((), dtype=xs[0].dtype, device=xs[0].device)], "hessian", strict, create_graph=True)
        return found if several else found[0]

    return jacobian(gradient, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)


def _first(func: Callable, inputs: Tensors, v: Any, create_graph: bool, strict: bool, name: str) -> tuple:
    several, xs = _tuple(inputs, name, "inputs")
    vectors = _vectors(v, xs, name)
    xs = _inputs(xs, create_graph)
    out = _scalar(func, name)(*xs)
    return several, xs, vectors, out, _grad([out], xs, [F[0].ones_like(out)], name, strict, create_graph=True)


def vhp(func: Callable, inputs: Tensors, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(output, vᵀH): the product of a vector with the Hessian of a function of one result.

    >>> import segue
    >>> vhp(lambda x: (x**3).sum(), segue.tensor([1.0, 2.0]), segue.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    with enable_grad():
        several, xs, vectors, out, gradients = _first(func, inputs, v, create_graph, strict, "vhp")
        found = _grad(gradients, xs, vectors, "vhp", strict, create_graph)
    return _out([out], False, create_graph), _out(found, several, create_graph)


def hvp(func: Callable, inputs: Tensors, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(output, Hv): as `vhp`, as a product from the right; the Hessian of a smooth function is symmetric, and both agree.

    >>> import segue
    >>> hvp(lambda x: (x**3).sum(), segue.tensor([1.0, 2.0]), segue.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    with enable_grad():
        several, xs, vectors, out, gradients = _first(func, inputs, v, create_graph, strict, "hvp")
        seeds = tuple(F[0].zeros_like(x).requires_grad_() for x in xs)
        pulled = _grad(gradients, xs, seeds, "hvp", strict, create_graph=True)
        found = _grad(pulled, seeds, vectors, "hvp", False, create_graph)
    return _out([out], False, create_graph), _out(found, several, create_graph)
