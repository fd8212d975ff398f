"""`associative_scan`: running combinations by any function that may be bracketed at will.

In come tensors and a function of two, out go tensors of their shapes with all that stands before each place combined. The one idea: distances double, so a scan over n places is
log2(n) calls of the function on whole tensors, ordinary tensor code eagerly and in graphs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .autograd.tape import F
from .errors import error
from .func import vmap
from .pytree import tree_flatten, tree_unflatten
from .tensor import Tensor


def associative_scan(combine_fn: Callable, xs: Any, dim: int, reverse: bool = False, combine_mode: str = "pointwise") -> Any:
    """`combine_fn(a, b)` of everything up to each place along `dim`, or with `reverse` from each place on. `combine_fn` is associative.

    `xs` is a pytree of tensors of one length, and `combine_fn` takes and returns two such. With `combine_mode="pointwise"` it treats each element alone; with "generic" it gets
    slices without `dim`. Raises RuntimeError for what is no function or no tensor, ValueError for another mode.

    >>> import segue
    >>> associative_scan(lambda a, b: a * b, segue.tensor([1.0, 2.0, 3.0, 4.0]), 0)
    tensor([ 1.,  2.,  6., 24.])
    """
    if not callable(combine_fn):
        raise error(RuntimeError, f"associative_scan: Combine_fn must be a callable, but got {combine_fn!r}")
    if combine_mode not in ("pointwise", "generic"):
        raise error(ValueError, f"associative_scan: combine_mode is {combine_mode!r}", "'pointwise' or 'generic'")
    leaves, spec = tree_flatten(xs)
    if not leaves or not all(isinstance(x, Tensor) for x in leaves):
        raise error(RuntimeError, "associative_scan: xs are tensors, at least one", "segue.tensor(number)")
    length = leaves[0].shape[dim]
    if any(x.shape[dim] != length for x in leaves):
        raise error(RuntimeError, f"associative_scan: xs of lengths {[x.shape[dim] for x in leaves]} along dimension {dim}", "one length")
    combined = vmap(combine_fn, in_dims=dim, out_dims=dim) if combine_mode == "generic" else combine_fn
    if reverse:
        leaves = [x.flip(dim) for x in leaves]
    distance = 1
    while distance < length:
        early, late = ([x.narrow(dim, start, length - distance) for x in leaves] for start in (0, distance))
        found = tree_flatten(combined(tree_unflatten(early, spec), tree_unflatten(late, spec)))[0]
        leaves = [F[0].cat([x.narrow(dim, 0, distance), y], dim) for x, y in zip(leaves, found)]
        distance *= 2
    return tree_unflatten([x.flip(dim) for x in leaves] if reverse else leaves, spec)


__all__ = ["associative_scan"]
