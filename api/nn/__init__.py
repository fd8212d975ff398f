"""Neural networks: modules, functions, initialisation."""

from segue.eager.nn import *  # noqa: F403
from segue.eager.nn import __all__ as _names

from . import functional, init, parameter, utils

__all__ = [*_names, "functional", "init", "parameter", "utils"]
