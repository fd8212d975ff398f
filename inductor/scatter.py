"""Scatters: kernels that walk a source and write at computed places.

In comes a unit whose row lowers to `Scatter`, out comes a `Kernel` whose one store goes where the row's target says. The one idea: to walk in order, and alone,
gives the result of the eager kernel for repeated places too; only a last dimension that goes to neighbouring places is walked by vectors.
"""

from __future__ import annotations

from typing import Any

from .evaluate import scatter_mode, scatter_values
from .expressions import Index, Looked, flatten
from .kernels import Kernel, Store
from .lower import Lowering
from .schedule import Group, Space
from .units import Unit, shape_of


class ScatterKernel(Kernel):
    """A scatter walks its source in order and writes, or adds, at computed places."""

    def __init__(self, unit: Unit, lowering: Lowering, group_of: dict[Unit, Group]) -> None:
        self.scattered = unit
        live = [size for size in unit.domain if size != 1]
        super().__init__(Group([_walker(unit)], Space(tuple(live), (None,) * len(live))), lowering, group_of)

    def _readers(self) -> list[Unit]:
        return [self.scattered]

    def _sink(self, unit: Unit) -> None:
        scatter = self.scattered
        target, value = scatter_values(self.evaluator, scatter.node, self.group.place[unit])
        self.target = flatten(target, shape_of(scatter.node))
        self.mode = scatter_mode(scatter.node)
        if self.mode == "add":
            before = self.trace.make("load", (), (scatter.buffer, self.target), scatter.node.value.dtype, 1)
            before.lookups = tuple(atom.value for atom in self.target.variables() if isinstance(atom, Looked))
            self.pinned.add(before)  # another step may have written there
            value = self.trace.primitive("add", before, value)
        self.stores.append(Store(scatter.memory, self.target, value, scatter))

    def _choose_runs(self) -> None:
        super()._choose_runs()
        last = self.columns[-1] if self.columns else None
        if last is not None and not self._by_vectors(last):
            self.rows, self.columns = [*self.rows, last], []

    def _vector_run(self) -> int:
        return len(self.rows) - 1  # in order

    def _by_vectors(self, run: Any) -> bool:
        """Whether the last dimension goes to neighbouring places, so that a vector of it is one store."""
        variable = run.variables[-1]
        if self.target.terms.get(variable) != 1:
            return False
        for atom in self.target.terms:
            if isinstance(atom, Looked):
                if any(v in run.variables for v in _variables_of(atom.value)):
                    return False
            elif atom not in self.variables:
                return False
        return True


def _variables_of(value: Any) -> set:
    found: set = set()
    todo = [value]
    while todo:
        one = todo.pop()
        for part in (one.attribute if isinstance(one.attribute, tuple) else ()):
            if isinstance(part, Index):
                found |= part.variables()
        todo.extend(one.inputs)
    return found


def _walker(unit: Unit) -> Unit:
    """A stand-in for a scatter that walks its source like a pointwise unit."""
    walker = Unit(unit.node, "pointwise", unit.domain)
    walker.number, walker.buffer, walker.stored = unit.number, unit.buffer, True
    return walker
