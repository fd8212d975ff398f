"""NumPy's floating-point warnings, switched off around a kernel.

In comes nothing, out goes a token that switches them on again. The one idea: NumPy keeps the setting in a context variable, and setting that to the one
object that means "ignore" costs a tenth of `np.errstate`, which makes a new one each time. Where a NumPy keeps it elsewhere, `np.seterr` does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def _switches() -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    variable = getattr(getattr(getattr(np, "_core", None), "umath", None), "_extobj_contextvar", None)
    if variable is None:
        return lambda: np.seterr(all="ignore"), lambda old: np.seterr(**old)
    with np.errstate(all="ignore"):
        ignoring = variable.get()
    return lambda: variable.set(ignoring), variable.reset


hush, restore = _switches()
