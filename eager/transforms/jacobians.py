"""Jacobians: a transform of one direction, batched over a basis.

In come a function and its arguments, out go all derivatives of each output with respect to each chosen argument. The one idea: a Jacobian is `vmap` of
the pullback over a basis of the outputs (reverse mode, a row at a time), or of the push-forward over a basis of the inputs (forward mode, a column).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..autograd.tape import F
from ..pytree import TreeSpec, tree_flatten, tree_map, tree_unflatten
from ..tensor import Tensor
from . import calls

Tree = Any


def _of_chosen(func: Callable, places: Sequence[int], args: tuple, kwargs: dict) -> Callable:
    """`func` as a function of the chosen arguments alone."""

    def chosen_only(*chosen: Tree) -> Tree:
        inside = list(args)
        for place, part in zip(places, chosen):
            inside[place] = part
        return func(*inside, **kwargs)

    return chosen_only


def _basis(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The standard basis of all tensors taken as one vector: for each tensor (total, *shape), one basis vector after another."""
    sizes = [x.numel() for x in tensors]
    total = sum(sizes)
    found, start = [], 0
    for x, size in zip(tensors, sizes):
        columns = F[0].arange(total, device=x.device).unsqueeze(1) == F[0].arange(start, start + size, device=x.device).unsqueeze(0)
        found.append(columns.to(x.dtype).reshape((total, *x.shape)))
        start += size
    return found


def jacrev(func: Callable, argnums: int | tuple, has_aux: bool, chunk_size: int | None, args: tuple, kwargs: dict) -> Any:
    """See `segue.func.jacrev`."""
    chosen, places = calls.chosen_arguments(argnums, args)
    output, pullback, *aux = calls.vjp(_of_chosen(func, places, args, kwargs), chosen, has_aux)
    results, results_spec = tree_flatten(output)
    leaves, spec = tree_flatten(chosen)
    basis = tree_unflatten(_basis(results), results_spec)
    found = calls.vmap(pullback, 0, 0, "error", chunk_size, (basis,), {})
    rows = tree_flatten(found)[0]
    jacobians, start = [], 0
    for result in results:
        stop = start + result.numel()
        parts = [F[0].narrow(row, 0, start, stop - start).reshape((*result.shape, *x.shape)) for row, x in zip(rows, leaves)]
        jacobians.append(_for_arguments(parts, spec, argnums))
        start = stop
    made = tree_unflatten(jacobians, results_spec)
    return (made, aux[0]) if has_aux else made


def jacfwd(func: Callable, argnums: int | tuple, has_aux: bool, randomness: str, args: tuple, kwargs: dict) -> Any:
    """See `segue.func.jacfwd`."""
    chosen, places = calls.chosen_arguments(argnums, args)
    leaves, spec = calls.tensors_of(chosen, "jacfwd")
    alone = _of_chosen(func, places, args, kwargs)

    def push(*directions: Tensor) -> Tree:
        _, *found = calls.jvp(alone, chosen, tree_unflatten(directions, spec), has_aux)
        return tuple(found)

    found = calls.vmap(push, 0, 0, randomness, None, tuple(_basis(leaves)), {})
    columns, results_spec = tree_flatten(found[0])
    jacobians = []
    for column in columns:
        parts, start = [], 0
        for x in leaves:
            part = F[0].narrow(column, 0, start, x.numel())
            parts.append(F[0].movedim(part, 0, -1).reshape((*column.shape[1:], *x.shape)))
            start += x.numel()
        jacobians.append(_for_arguments(parts, spec, argnums))
    made = tree_unflatten(jacobians, results_spec)
    return (made, tree_map(lambda x: x[0] if isinstance(x, Tensor) else x, found[1])) if has_aux else made


def _for_arguments(parts: list, spec: TreeSpec, argnums: int | tuple) -> Tree:
    """One output's derivatives in the structure of the chosen arguments."""
    found = tree_unflatten(parts, spec)
    return found[0] if isinstance(argnums, int) else found
