"""From constraints to transforms."""

from segue.eager.distributions.constraint_registry import ConstraintRegistry, biject_to, transform_to

__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]
