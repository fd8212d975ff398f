"""Batching rules (vmap): from a row that works on one example, a rule that works on a batch of them.

In come an operator's arguments, of which some carry a batch at `in_dims[i]`; out goes the operator's result with the batch at dimension 0. The one
idea: put the batch in front, shift every dimension by one, and call the same operator; one builder for each kind of operator is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .definition import OPS


def to_front(F: Any, x: Any, dim: int) -> Any:
    """`x` with dimension `dim` moved to the front."""
    if dim == 0:
        return x
    return F.permute(x, (dim, *(i for i in range(x.ndim) if i != dim)))


def batched(F: Any, size: Any, x: Any, dim: int | None) -> Any:
    """`x` with the batch in front; one that has none is repeated (as a view)."""
    return F.expand(F.unsqueeze(x, 0), (size, *x.shape)) if dim is None else to_front(F, x, dim)


def broadcasting(name: str) -> Callable[..., Any]:
    """Operands (or their batches of matrices) broadcast from the right, so a batch in front needs ones between it and an operand of lower rank."""

    def rule(F: Any, size: Any, in_dims: Sequence[Any], *args: Any) -> Any:
        rank = max((x.ndim - (d is not None) for x, d in zip(args, in_dims) if hasattr(x, "ndim")), default=0)
        moved = []
        for x, dim in zip(args, in_dims):
            if dim is not None:
                x = to_front(F, x, dim)
                for _ in range(rank - (x.ndim - 1)):
                    x = F.unsqueeze(x, 1)
            moved.append(x)
        return OPS[name](*moved)

    return rule


def shifted(name: str, shift: Callable[..., tuple]) -> Callable[..., Any]:
    """One tensor operand, the first: the batch goes to its front and `shift(x, *attributes)` gives the attributes one dimension further on."""

    def rule(F: Any, size: Any, in_dims: Sequence[Any], x: Any, *attributes: Any) -> Any:
        x = to_front(F, x, in_dims[0])
        return OPS[name](x, *shift(x, *attributes))

    return rule


def all_batched(name: str, shift: Callable[..., tuple]) -> Callable[..., Any]:
    """Every tensor operand gets the batch in front (a view where it had none); `shift(*args)` gives all arguments for the batched call."""

    def rule(F: Any, size: Any, in_dims: Sequence[Any], *args: Any) -> Any:
        moved = [batched(F, size, x, d) if hasattr(x, "ndim") else x for x, d in zip(args, in_dims)]
        return OPS[name](*shift(*moved))

    return rule


def along_one(name: str, dim_position: int = 1) -> Callable[..., Any]:
    """Every tensor operand gets the batch in front, and the dimension that the operator walks along moves one on; a 0-d example is one element."""

    def rule(F: Any, size: Any, in_dims: Sequence[Any], *args: Any) -> Any:
        moved = [batched(F, size, x, d) if hasattr(x, "ndim") else x for x, d in zip(args, in_dims)]
        single = moved[0].ndim == 1
        if single:
            moved = [F.unsqueeze(x, 1) if hasattr(x, "ndim") else x for x in moved]
        moved[dim_position] = moved[dim_position] + 1
        out = OPS[name](*moved)
        return F.squeeze(out, (1,)) if single else out

    return rule


def folded(name: str, operand: int, dim: int = 0) -> Callable[..., Any]:
    """The batch is folded into dimension `dim` of one operand (and taken out of the result again): for an operator that maps over it anyhow."""

    def rule(F: Any, size: Any, in_dims: Sequence[Any], *args: Any) -> Any:
        moved = list(args)
        x = to_front(F, args[operand], in_dims[operand])
        moved[operand] = F.reshape(x, (x.shape[0] * x.shape[1], *x.shape[2:]))
        out = OPS[name](*moved)
        return F.reshape(out, (size, *x.shape[1:2], *out.shape[1:]))

    return rule


def looped(name: str) -> Callable[..., Any]:
    """One call for each example, stacked: for operators whose batch has no shape of its own in one call."""

    def rule(F: Any, size: Any, in_dims: Sequence[Any], *args: Any) -> Any:
        results = []
        for i in range(int(size)):
            parts = [_example(F, x, d, i) for x, d in zip(args, in_dims)]
            results.append(F.unsqueeze(OPS[name](*parts), 0))
        return F.cat(results, 0)

    return rule


def _example(F: Any, x: Any, dim: Any, i: int) -> Any:
    if isinstance(dim, tuple):
        return tuple(_example(F, part, d, i) for part, d in zip(x, dim))
    return x if dim is None else F.select(x, dim, i)
