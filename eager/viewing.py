"""The steps of a view, followed on another base: what the view shows of it, and the base with that part replaced.

In come a base, a chain of steps (row, attributes) and perhaps a new part; out comes a tensor. The one idea: a chain says where the elements come from, whatever stands there, so the gradient of a
write through a view, and a graph without writes, are both the chain replayed on something else.
"""

from __future__ import annotations

from typing import Any

from .autograd import engine


def viewed(base: Any, chain: tuple) -> Any:
    """What the steps of a view show of `base`, whose layout need not be that of the tensor on which the view was made."""
    for op, attributes in chain:
        base = engine.F[0].reshape(base, *attributes) if op.name == "view" else op(base, *attributes)
    return base


def replace_view(base: Any, chain: tuple, new: Any) -> Any:
    """`base` with the part that `chain` views replaced by `new`, by the rows' inverses; where a row has none, by scattering indices."""
    if not chain:
        return new
    (op, attributes), rest = chain[0], chain[1:]
    if rest:
        new = replace_view(viewed(base, chain[:1]), rest, new)
    if op.inverse is not None:
        return op.inverse(engine.F[0], base, new, *attributes)
    return engine.F[0].replace_by_index(base, op, attributes, new)
