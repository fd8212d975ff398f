"""Neural networks: modules, functions, initialisation."""

from segue.eager.nn import *
from segue.eager.nn import __all__ as _modules

from . import attention, functional, init, modules, parallel, parameter, utils

__all__ = [*_modules, "attention", "functional", "init", "modules", "parallel", "parameter", "utils"]
