"""Other people's packages, imported when they are first used.

In comes the name of an installed package, out goes a stand-in for it. The one idea: `import segue` is paid in every process, so what only some programs
need (sympy takes half a second) waits for the first attribute that is asked of it. Modules of this project are never imported so: their order is the house.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


class LazyModule:
    """Stands for a module that the first attribute imports.

    >>> statistics = LazyModule("statistics")
    >>> statistics.median([1, 5, 2])
    2
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(import_module(self._name), attribute)
        setattr(self, attribute, found)  # asked only once
        return found

    def __repr__(self) -> str:
        return f"<module {self._name!r}, imported when used>"
