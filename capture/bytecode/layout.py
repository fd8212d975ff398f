"""Layout: the numbers behind names in one code object: local slots, cells, free variables, names, constants.

Decoding looks names up by number, encoding numbers by name, adding what is new at the end. The one idea: a layout made from a code object keeps
every number of it, so new code has the same parameters in the same places, and what is added (temporaries) follows behind the local variables.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import CodeType
from typing import Any


class Layout:
    """Slots, names and constants; `varnames` must be complete before code is encoded, names and constants grow on demand."""

    def __init__(
        self, varnames: Iterable[str], cellvars: Iterable[str], freevars: Iterable[str], names: Iterable[str] = (), constants: Iterable[Any] = ()
    ) -> None:
        self.varnames = tuple(varnames)
        self.cellvars = tuple(cellvars)
        self.freevars = tuple(freevars)
        known = set(self.varnames)
        self.slots = (*self.varnames, *(name for name in self.cellvars if name not in known), *self.freevars)
        local = len(self.slots) - len(self.freevars)
        self._slot = {name: index for index, name in enumerate(self.slots[:local])}
        self._cell = self._slot | {name: local + index for index, name in enumerate(self.freevars)}
        self.names = list(names)
        self._name = {name: index for index, name in enumerate(self.names)}
        self.constants = list(constants)
        self._constant: dict[Any, int] = {}
        for index, value in enumerate(self.constants):
            self._constant.setdefault(id(value), index)

    @classmethod
    def of(cls, code: CodeType, varnames: Iterable[str] | None = None) -> Layout:
        """The layout of a code object, with other local variables where `varnames` is given."""
        return cls(code.co_varnames if varnames is None else varnames, code.co_cellvars, code.co_freevars, code.co_names, code.co_consts)

    def slot(self, name: str) -> int:
        """Number of a local variable or of a cell that belongs to this frame."""
        return self._slot[name]

    def cell(self, name: str) -> int:
        """Number of a cell: free variables come first where a local variable is called the same."""
        return self._cell[name]

    def name(self, name: str) -> int:
        """Number of a global or an attribute."""
        if name not in self._name:
            self._name[name] = len(self.names)
            self.names.append(name)
        return self._name[name]

    def constant(self, value: Any) -> int:
        """Number of a constant. Constants are compared by identity: 1, True and 1.0 must stay apart."""
        key = id(value)
        if key not in self._constant:
            self._constant[key] = len(self.constants)
            self.constants.append(value)
        return self._constant[key]
