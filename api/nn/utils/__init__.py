"""Helpers around modules, parameters and their gradients."""

from segue.eager.nn.utils import *
from segue.eager.nn.utils import __all__ as _helpers

from . import parametrizations, parametrize, prune, rnn  # noqa: F401

__all__ = [*_helpers, "parametrizations", "parametrize", "rnn"]
