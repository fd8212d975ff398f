"""Probability distributions, their transforms and divergences."""

from segue.eager.distributions import *
from segue.eager.distributions import __all__ as _names

from . import (
    bernoulli, beta, categorical, constraint_registry, constraints, dirichlet, distribution, exp_family, gamma, independent, kl, multivariate_normal, normal,
    transformed_distribution, transforms, uniform, utils,
)  # fmt: skip

__all__ = list(_names)
