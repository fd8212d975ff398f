"""Reloading by source: the instructions that push what a path led to when the frame began.

In come sources, out go loads in an assembler. The one idea: a path that several sources share is followed once, and its value kept in a temporary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import sources
from ..bytecode.assembler import Assembler
from ..bytecode.breaks import entry_of
from .values.formulas import Computed


class Loader:
    """Writes the loads of sources; a path that several sources share is followed once."""

    def __init__(self, assembler: Assembler, wanted: dict[Any, str]) -> None:
        self.out = assembler
        self.places: dict[Any, str] = {}
        self.kept: list[str] = []  # the temporaries of its own
        self.uses: dict[Any, int] = {}
        for source in wanted:
            self.count(source)

    def count(self, source: Any) -> None:
        self.uses[source] = self.uses.get(source, 0) + 1
        if self.uses[source] == 1 and source.parent is not None:
            self.count(source.parent)

    def load(self, source: Any) -> None:
        place = self.places.get(source)
        if place is not None:
            self.out.emit("LOAD_FAST", place)
            return
        LOADS[type(source)](self, source)
        if self.uses.get(source, 0) > 1 and source.parent is not None:
            self.out.copy()
            self.places[source] = self.out.store_temporary()
            self.kept.append(self.places[source])

    def attribute(self, base: Any, name: str) -> None:
        self.load(base)
        self.out.load_attr(name)

    def item(self, base: Any, key: Any) -> None:
        self.load(base)
        self.out.load_item(key)

    def by_step(self, source: Any) -> None:
        """The path's own step, run in Python."""
        self.out.load_const(source.step)
        self.out.prepare_call()
        self.out.load_const(None)
        self.load(source.base)
        self.out.call(2)


def _load_local(loader: Loader, source: Any) -> None:
    name = source.name
    code = loader.out.code
    if name in code.co_cellvars:
        if entry_of(code) is not None:
            loader.out.load_cell(name)
        else:
            loader.out.load_deref(name)
    else:
        loader.out.emit("LOAD_FAST_CHECK", name)


def _load_dict_value(loader: Loader, source: Any) -> None:
    if isinstance(source.base, sources.InstanceDict) and isinstance(source.key, str):
        loader.attribute(source.base.base, source.key)
    else:
        loader.item(source.base, source.key)


def _load_computed(loader: Loader, source: Any) -> None:
    loader.out.load_const(source.of)
    loader.out.prepare_call()
    for place in source.places:
        loader.load(place)
    loader.out.call(len(source.places))


LOADS: dict[type, Callable[[Loader, Any], None]] = {
    sources.Local: _load_local,
    sources.FreeCell: lambda loader, source: loader.out.load_cell(source.name),
    sources.Cell: lambda loader, source: loader.out.load_deref(source.name),
    sources.Global: lambda loader, source: loader.out.load_global(source.name),
    sources.Builtin: lambda loader, source: loader.out.load_global(source.name),
    sources.Constant: lambda loader, source: loader.out.load_const(source.value),
    sources.Attribute: lambda loader, source: loader.attribute(source.base, source.name),
    sources.InstanceDict: lambda loader, source: loader.attribute(source.base, "__dict__"),
    sources.Item: lambda loader, source: loader.item(source.base, source.index),
    sources.DictValue: _load_dict_value,
    sources.HeldItem: Loader.by_step,
    sources.HeldValue: Loader.by_step,
    sources.DictKey: Loader.by_step,
    sources.TypeEntry: Loader.by_step,
    sources.TypeOf: lambda loader, source: loader.attribute(source.base, "__class__"),
    sources.Referent: Loader.by_step,
    sources.Length: Loader.by_step,
    sources.ComingItem: Loader.by_step,
    sources.ComingCount: Loader.by_step,
    sources.Size: Loader.by_step,
    Computed: _load_computed,
    sources.Stride: Loader.by_step,
    sources.FunctionCode: lambda loader, source: loader.attribute(source.base, "__code__"),
    sources.FunctionDefaults: lambda loader, source: loader.attribute(source.base, "__defaults__"),
    sources.FunctionKwDefaults: lambda loader, source: loader.attribute(source.base, "__kwdefaults__"),
    sources.FunctionGlobals: lambda loader, source: loader.attribute(source.base, "__globals__"),
    sources.Closure: lambda loader, source: loader.attribute(source.base, "__closure__"),
    sources.CellContents: lambda loader, source: loader.attribute(source.base, "cell_contents"),
}
