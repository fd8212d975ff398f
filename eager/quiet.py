"""NumPy's floating-point warnings, switched off around a kernel.

In comes nothing, out goes a token that switches them on again. The one idea: NumPy keeps the setting in a context variable, and setting that to the one
object that means "ignore" costs a tenth of `np.errstate`, which makes a new one each time. Where a NumPy keeps it elsewhere, `np.seterr` does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import Context
from typing import Any

import numpy as np


def _switches() -> tuple[Callable[[], Any], Callable[[Any], Any], Callable[[], Context | None]]:
    variable = getattr(getattr(getattr(np, "_core", None), "umath", None), "_extobj_contextvar", None)
    if variable is None:
        return lambda: np.seterr(all="ignore"), lambda old: np.seterr(**old), lambda: None
    with np.errstate(all="ignore"):
        ignoring = variable.get()

    def context() -> Context:
        made = Context()
        made.run(variable.set, ignoring)
        return made

    return functools.partial(variable.set, ignoring), variable.reset, context


hush, restore, quiet_context = _switches()  # the last makes a context in which NumPy never warns, or None
