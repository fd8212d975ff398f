"""The steps of a view, followed on another base: what the view shows of it, and the base with that part replaced.

In come a base, a chain of steps (row, attributes) and perhaps a new part; out comes a tensor. The one idea: a chain says where the elements come from, whatever stands there, so the gradient of a
write through a view, and a graph without writes, are both the chain replayed on something else.
"""

from __future__ import annotations

from itertools import takewhile
from typing import Any

from .autograd import engine
from .ops.definition import IndexMap

_OF_MEMORY = frozenset({"as_strided", "view_as_complex", "view_dtype"})  # steps that read elements by where they lie


def viewed(base: Any, chain: tuple) -> Any:
    """What the steps of a view show of `base`, whose layout need not be that of the tensor on which the view was made."""
    for op, attributes in chain:
        base = engine.F[0].contiguous(base) if op.name in _OF_MEMORY else base
        base = engine.F[0].reshape(base, *attributes) if op.name == "view" else op(base, *attributes)
    return base


def replace_view(base: Any, chain: tuple, new: Any) -> Any:
    """`base` with the part that `chain` views replaced by `new`, by the rows' inverses; from a row on that has none, by scattering indices.

    Such a row may show an element in several places, of which the steps behind it may show but one: so the indices go through these, too.
    """
    if not chain:
        return new
    op, attributes = chain[0]
    count = 1 if op.inverse is not None else len(list(takewhile(lambda step: isinstance(step[0].lower, IndexMap), chain)))
    if chain[count:]:
        new = replace_view(viewed(base, chain[:count]), chain[count:], new)
    if op.inverse is not None:
        return op.inverse(engine.F[0], base, new, *attributes)
    return engine.F[0].replace_by_index(base, lambda places: viewed(places, chain[:count]), new)
