"""Losses at PyTorch's top level, where the reduction is a number: 0 none (and the default), 1 the mean, 2 the sum.

In come the arguments in the order that these functions have, out goes what the function of the same name in `nn.functional` gives. The one idea: a row names the arguments that may stand by
position, so that one wrapper serves all.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..errors import error
from ..tensor import Tensor
from . import losses

__all__ = [
    "binary_cross_entropy_with_logits", "cosine_embedding_loss", "hinge_embedding_loss", "kl_div", "margin_ranking_loss", "poisson_nll_loss", "triplet_margin_loss",
]  # fmt: skip
_REDUCTIONS = {1: "mean", 2: "sum"}  # all others: none, as in PyTorch


def by_number(name: str, reduction: int) -> str:
    """The name of a reduction. Raises TypeError for what is no number."""
    if type(reduction) is not int:
        raise error(TypeError, f"{name}(): argument 'reduction' must be int, not {type(reduction).__name__}", f"nn.functional.{name}(..., reduction={reduction!r})")
    return _REDUCTIONS.get(reduction, "none")


def _numbered(name: str, *, default: int | None = 0, **order: Any) -> Callable[..., Tensor]:
    """A loss that takes `order` (names and defaults; `...`: there is none) and then a reduction."""
    empty = inspect.Parameter.empty
    names = {**order, "reduction": ... if default is None else default}
    parameters = [inspect.Parameter(key, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=empty if value is ... else value) for key, value in names.items()]
    if name == "kl_div":
        parameters.append(inspect.Parameter("log_target", inspect.Parameter.KEYWORD_ONLY, default=False))
    signature, whole = inspect.Signature(parameters), getattr(losses, name)

    def function(*args: Any, **kwargs: Any) -> Tensor:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as problem:
            raise TypeError(f"{name}(): {problem}") from None
        bound.apply_defaults()
        given = dict(bound.arguments)
        reduction = given.pop("reduction")
        return whole(**given, reduction=by_number(name, reduction))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`nn.functional.{name}` with a number for the reduction: 0 none, 1 the mean, 2 the sum."
    function.__signature__ = signature  # type: ignore[attr-defined]
    return function


cosine_embedding_loss = _numbered("cosine_embedding_loss", input1=..., input2=..., target=..., margin=0.0)
hinge_embedding_loss = _numbered("hinge_embedding_loss", input=..., target=..., margin=1.0)
margin_ranking_loss = _numbered("margin_ranking_loss", input1=..., input2=..., target=..., margin=0.0)
triplet_margin_loss = _numbered("triplet_margin_loss", anchor=..., positive=..., negative=..., margin=1.0, p=2.0, eps=1e-6, swap=False)
poisson_nll_loss = _numbered("poisson_nll_loss", default=None, input=..., target=..., log_input=..., full=..., eps=...)
kl_div = _numbered("kl_div", input=..., target=...)
binary_cross_entropy_with_logits = _numbered("binary_cross_entropy_with_logits", input=..., target=..., weight=None, pos_weight=None)
