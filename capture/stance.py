"""Stances: what compiled objects do from now on, all of them: compile as ever, run eagerly, or treat a recompile as an error.

In comes a name, out goes a change of one value of the process that the call of a compiled object (csrc/compiled.c) and a capture (interp/capture.py) ask. The one
idea: nothing is forgotten; what was compiled stays, and runs again as soon as the stance lets it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from . import _capture

STANCES = {  # name -> what it means
    "default": "compile what was not compiled, and compile again where guards fail",
    "eager": "run everything eagerly, also what was compiled",
    "eager_on_recompile": "use what was compiled; run eagerly, and compile nothing, where a guard fails",
    "fail_on_recompile": "use what was compiled; raise CaptureError where it would be compiled again",
}
ALIASES = {"force_eager": "eager"}  # PyTorch's name


class Stance:
    """The stance that holds; one for the process."""

    def __init__(self) -> None:
        self.name = "default"

    def set(self, name: str) -> None:
        self.name = name
        _capture.set_eager(name == "eager")


STANCE = Stance()


class set_stance:  # noqa: N801  (PyTorch's name)
    """Set the stance of all compiled objects: "default", "eager" (also "force_eager"), "eager_on_recompile" or "fail_on_recompile".

    A call sets it until the next one; as a context manager it is put back when the block ends; as a decorator it holds while the function runs. Raises ValueError
    for another name.

    >>> import segue
    >>> with set_stance("eager"):
    ...     segue.compile(lambda x: x + 1)(segue.ones(2))
    tensor([2., 2.])
    >>> set_stance("sometimes")
    Traceback (most recent call last):
        ...
    ValueError: set_stance('sometimes'): the stances are default, eager, eager_on_recompile, fail_on_recompile
    """

    def __init__(self, stance: str = "default") -> None:
        self.stance = ALIASES.get(stance, stance)
        if self.stance not in STANCES:
            raise ValueError(f"set_stance({stance!r}): the stances are {', '.join(STANCES)}")
        self.before = STANCE.name
        STANCE.set(self.stance)

    def __enter__(self) -> set_stance:
        STANCE.set(self.stance)
        return self

    def __exit__(self, *exception: Any) -> None:
        STANCE.set(self.before)

    def __call__(self, function: Callable) -> Callable:
        STANCE.set(self.before)  # making the decorator set it

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with set_stance(self.stance):
                return function(*args, **kwargs)

        return inside
