"""`nn.Parameter(data)` in captured code, by hand or in the constructor of a module.

In comes the Value of a tensor, out goes the Value of a parameter. The one idea: a leaf of the tape must exist before what is computed from it, so the new
code makes an empty parameter in front of the graph, which is an input of the graph like any other; that it holds `data` is a write of the graph. From there on `data`
itself is in the parameter's memory, as eagerly. One of an input, or of a view of one, is made over that memory.
"""

from __future__ import annotations

from typing import Any

from ...eager.autograd.mode import no_grad
from ...eager.nn.parameter import Parameter
from .. import sources
from ..sources import Source
from .constructors import CONSTRUCTORS
from .outcome import Break
from .rebuild import HELPERS
from .values.base import Value
from .values.constants import Constant
from .values.tensors import TensorValue


@sources.path
class Fresh(Source):
    """A parameter that the new code makes in front of the graph, by its number. No guard is needed for it: it is the same at every call."""

    number: int

    def text(self) -> str:
        return f"<parameter {self.number}>"


def is_fresh(source: Any) -> bool:
    while source.parent is not None:
        source = source.parent
    return isinstance(source, Fresh)


def make_parameter(run: Any, cls: type, args: list[Value], kwargs: dict[str, Value]) -> Value:
    data, wants = _arguments(*args, **kwargs)
    if not isinstance(data, TensorValue):
        raise Break(f"a Parameter of a {data.describe()} is not captured")
    twin, requires_grad = data.twin, run.truth(wants)
    if requires_grad and not (twin.dtype.is_floating_point or twin.dtype.is_complex):
        return run.leaf(Parameter, args, kwargs, "Parameter")  # raises
    check_place(run, data)
    owner = next((value for value in run.tensor_inputs if is_read_only(value.twin._data.storage) and value.twin._data.storage is twin._data.storage), None)
    if owner is not None:
        return enter(run, "parameter_over", owner, tuple((step.op, step.attributes) for step in twin._data.chain), requires_grad)
    check_memory(run, data)
    made = enter(run, "new_parameter", tuple(twin.shape), twin.dtype, requires_grad)
    same = run.leaf(_fill, [made, data], {}, "Parameter").twin
    twin._data, twin._storage = same._data, same._storage
    return made


def enter(run: Any, maker: str, *given: Any) -> Any:
    """The Value of a parameter that a helper makes in front of the graph."""
    source = Fresh(len(run.fresh))
    run.fresh[source] = (maker, *given)
    run.only_here = "a parameter is made in it"
    with run.outside():
        real = HELPERS[maker](*[one.real if isinstance(one, Value) else one for one in given])
    return run.tensor_input(real, source)


def is_read_only(storage: Any) -> bool:
    """Whether it is the memory of an input whose sizes are known, which has not been written."""
    node = storage.input
    return node is not None and storage.node is node and all(type(size) is int for size in (*node.value.shape, *storage.strides))


def _arguments(data: Value | None = None, requires_grad: Value = Constant(True)) -> tuple[Any, Value]:
    if data is None:
        raise Break("a Parameter of nothing is not captured")
    return data, requires_grad


def _fill(parameter: Any, data: Any) -> Any:
    with no_grad():
        return parameter.copy_(data).detach()


def check_place(run: Any, data: TensorValue) -> None:
    if run.tracer.inner is not None or run.tracer.in_checkpoint > 0 or getattr(data.twin._data, "storage", None) is None:
        raise Break("a Parameter that is made in code that may run never or often is not captured")


def check_memory(run: Any, data: TensorValue) -> None:
    """Raise Break where the memory of the parameter would be shared with something that the captured code knows under another name."""
    twin: Any = data.twin
    storage = twin._data.storage
    if storage.input is not None or any(other is not data and getattr(other.twin._data, "storage", None) is storage for other in run.twins.values()):
        raise Break("a Parameter that shares memory with another tensor is not captured", "make it of a clone()")
    if any(type(size) is not int for size in twin.shape) or not twin.is_contiguous() or twin.device.type != "cpu":
        raise Break("a Parameter of a tensor whose size varies, that is not contiguous, or not on the CPU is not captured")


CONSTRUCTORS[Parameter] = make_parameter
