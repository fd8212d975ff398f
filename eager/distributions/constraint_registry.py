"""From a constraint to a transform that reaches it from plain numbers: `biject_to` (one to one) and `transform_to`.

In comes a constraint, out goes a transform. The one idea: a table of the constraint's class, searched along its bases.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import composed_transforms as composed
from . import constraints, transforms
from . import shaped_transforms as shaped
from .constraints import Constraint
from .transforms import Transform


class ConstraintRegistry(Constraint):
    """A table of factories. Raises NotImplementedError where no class of the constraint stands in it.

    >>> transform_to(constraints.positive)
    ExpTransform()
    """

    def __init__(self) -> None:
        self._registry: dict[type, Callable[[Any], Transform]] = {}

    def register(self, constraint: Any, factory: Any = None) -> Any:
        """Enter a factory for a constraint or its class; without `factory`, a decorator. Raises TypeError for what is no constraint."""
        if factory is None:
            return lambda made: self.register(constraint, made)
        kind = type(constraint) if isinstance(constraint, Constraint) else constraint
        if not isinstance(kind, type) or not issubclass(kind, Constraint):
            raise TypeError(f"Expected constraint to be either a Constraint subclass or instance, but got {constraint}")
        self._registry[kind] = factory
        return factory

    def __call__(self, constraint: Constraint) -> Transform:
        """The transform for a constraint."""
        for kind in type(constraint).__mro__:
            if kind in self._registry:
                return self._registry[kind](constraint)
        raise NotImplementedError(f"Cannot transform {type(constraint).__name__} constraints")


biject_to = ConstraintRegistry()
transform_to = ConstraintRegistry()


def _both(*kinds: type) -> Callable[[Callable], Callable]:
    def enter(factory: Callable) -> Callable:
        for kind in kinds:
            biject_to.register(kind, factory)
            transform_to.register(kind, factory)
        return factory

    return enter


@_both(constraints._Real)
def _real(constraint: Any) -> Transform:
    return composed.identity_transform


@_both(constraints._GreaterThan, constraints._GreaterThanEq)
def _above(constraint: Any) -> Transform:
    bound = constraint.lower_bound
    exp = transforms.ExpTransform()
    return exp if isinstance(bound, (int, float)) and bound == 0 else composed.ComposeTransform([exp, transforms.AffineTransform(bound, 1)])


@_both(constraints._LessThan)
def _below(constraint: Any) -> Transform:
    return composed.ComposeTransform([transforms.ExpTransform(), transforms.AffineTransform(constraint.upper_bound, -1)])


@_both(constraints._Interval)
def _between(constraint: Any) -> Transform:
    low, high = constraint.lower_bound, constraint.upper_bound
    sigmoid = transforms.SigmoidTransform()
    if isinstance(low, (int, float)) and low == 0 and isinstance(high, (int, float)) and high == 1:
        return sigmoid
    return composed.ComposeTransform([sigmoid, transforms.AffineTransform(low, high - low)])


@_both(constraints._CorrCholesky)
def _corr_cholesky(constraint: Any) -> Transform:
    return shaped.CorrCholeskyTransform()


biject_to.register(constraints._Simplex, lambda constraint: shaped.StickBreakingTransform())
transform_to.register(constraints._Simplex, lambda constraint: shaped.SoftmaxTransform())


transform_to.register(constraints._LowerCholesky, lambda constraint: shaped.LowerCholeskyTransform())
transform_to.register(constraints._PositiveDefinite, lambda constraint: shaped.PositiveDefiniteTransform())
transform_to.register(constraints._PositiveSemidefinite, lambda constraint: shaped.PositiveDefiniteTransform())


def _nested(registry: ConstraintRegistry) -> None:
    """Constraints made of others."""
    registry.register(
        constraints._IndependentConstraint,
        lambda c: composed.IndependentTransform(registry(c.base_constraint), c.reinterpreted_batch_ndims),
    )
    registry.register(constraints._Cat, lambda c: composed.CatTransform([registry(each) for each in c.cseq], c.dim, c.lengths))
    registry.register(constraints._Stack, lambda c: composed.StackTransform([registry(each) for each in c.cseq], c.dim))


_nested(biject_to)
_nested(transform_to)
__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]
