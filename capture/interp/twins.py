"""Twins: the traced tensors that stand for the tensors of a program.

In comes a tensor from outside, or one that eager code made during capture, out goes the Value that wraps its twin. The one idea: what is made of plain data alone is computed
during capture, and stays a real tensor as long as that will do; one that the graph is to write to is made as a constant of the graph by the next attempt.
"""

from __future__ import annotations

import keyword
import re
from typing import Any

import numpy as np

from ...eager.autograd.engine import AfterAccumulation
from ...eager.errors import SegueError, WrittenByTrace
from ...eager.meta import MetaArray
from ...eager.tensor import Storage, Tensor
from .. import guards, sources
from .outcome import Anew, Break
from .values.base import Value
from .values.callbacks import Callback, HookHandleValue
from .values.tensors import TensorValue


class Twins:
    """The part of an attempt that knows tensors."""

    def tensor_value(self: Any, twin: Any) -> Value:
        known = self.twins.get(id(twin))
        if known is None:
            if type(twin._data) is MetaArray:
                raise Break("a tensor of the meta device is made, which has no values to compute with")
            known = self.twins[id(twin)] = TensorValue(self.lifted(twin) if type(twin._data) is np.ndarray else twin)
        return known

    def lifted(self: Any, made: Tensor) -> Tensor:
        """A real tensor that eager code made during capture: as it is, or, where the graph will write to it, as a constant of the graph."""
        self.made_real.append(made)
        if len(self.made_real) not in self.knowledge.lifted or made._base is not None or made.requires_grad or type(made) is not Tensor:
            return made
        return Tensor._wrap(self.tracer.constant(made._data), Storage())

    def lift_written(self: Any, problem: WrittenByTrace) -> None:
        """The graph writes to a real tensor. Raises Anew where the next attempt can make that a constant of the graph."""
        root = problem.tensor if problem.tensor._base is None else problem.tensor._root()
        number = next((number for number, made in enumerate(self.made_real, 1) if made is root), None)
        if number is not None and number not in self.knowledge.lifted:
            self.knowledge.lifted.add(number)
            raise Anew

    def tensor_input(self: Any, obj: Any, source: Any) -> Value:
        dims = self.dynamic_dims(source, obj)
        try:
            layout = self.layout(source, obj, dims)
            twin = self.tracer.input(obj, input_name(source), dims, layout)
            self.guard(guards.TensorMatch.of(source, obj, dims, layout=layout))
        except (SegueError, ValueError) as problem:  # memory that overlaps what was written, strides that are no multiple of the item size
            raise Break(str(problem).splitlines()[0]) from None
        self.graph_inputs.append(source)
        for dim in dims:
            self.bindings.setdefault(str(twin._data.shape[dim]), sources.Size(source, dim))
        for dim in layout.own:
            self.graph_inputs.append(sources.Stride(source, dim))
            self.bindings[str(twin._data.element_strides[dim])] = sources.Stride(source, dim)
        self.guard_names(source, twin)
        value = self.twins[id(twin)] = TensorValue(twin, source, obj)
        self.tensor_inputs.append(value)
        if obj.requires_grad and (obj._hooks or not obj.is_leaf):
            self.follow_hooks(obj, source, twin)
        return value

    def follow_hooks(self: Any, obj: Any, source: Any, twin: Any) -> None:
        """What users hooked to the gradient of an input is followed when a backward in the graph reaches its twin. Each change makes another list."""
        hooks = sources.Attribute(source, "_hooks")
        self.guard(guards.Is(hooks, obj._hooks))
        if obj._hooks:
            twin._hooks = [self.followed_hook(hook, sources.Item(hooks, index)) for index, hook in enumerate(obj._hooks)]

    def hook_gradient(self: Any, tensor: TensorValue, register: str, hook: Value) -> Value:
        """A hook on a tensor made in the graph, or on a leaf: followed by the backward that the graph holds. Where it holds none, or the leaf is to keep the hook, the graph ends before."""
        made = getattr(tensor.twin, register)(Callback(hook).python(self))
        self.ending.append(handle := HookHandleValue(self, tensor.twin, made))
        return handle

    def followed_hook(self: Any, hook: Any, source: Any) -> Any:
        if isinstance(hook, AfterAccumulation):
            return AfterAccumulation(Callback(self.wrap(hook.function, sources.Attribute(source, "function"))).python(self))
        return Callback(self.wrap(hook, source)).python(self)


def input_name(source: Any) -> str | None:
    """A readable name for a graph's input: `self.layers[0].weight` gives `self_layers_0_weight`."""
    text = re.sub(r"\._(?:parameters|buffers|modules)\b", "", source.text())
    name = re.sub(r"\W+", "_", text).strip("_")
    return name if name.isidentifier() and not keyword.iskeyword(name) else None
