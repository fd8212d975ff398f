"""Values of tensors: each wraps a twin, a real `Tensor` whose array is traced.

Operators, methods and attributes are carried out on the twin by the same eager code that would run on real tensors, and so are recorded. What needs the
tensor's data, such as a branch on a tensor, breaks the graph; a number that is only kept and returned (`item()`, `tolist()`) does not.
"""

from __future__ import annotations

import math
from typing import Any

from ....eager import dtypes
from ....eager.cuda import is_real
from ....eager.sizes import BEYOND_SIZES
from ....eager.tensor import LAZY, Tensor
from ....eager.transforms.levels import under_levels
from ....graph.functionalise import TracedArray, forget_history
from ... import guards, sources
from ...sources import MISSING
from ..outcome import RUNTIME, Break
from .base import Value
from .callbacks import HookHandleValue
from .constants import Constant, constant
from .containers import TupleValue
from .draws import with_drawn_tensors
from .floats import FloatValue, ResultValue
from .questions import TensorQuestion

NEEDS_DATA = {  # methods that leave the graph -> what to write instead
    "item": "keep the value as a 0-d tensor, and call item() outside of the compiled function",
    "tolist": "keep the tensor, and call tolist() outside of the compiled function",
    "numpy": "use segue's own operations, or call numpy() outside of the compiled function",
    "__array__": "use segue's own operations in place of NumPy's",
    "__float__": "keep the value as a 0-d tensor",
    "__int__": "keep the value as a 0-d tensor",
    "__bool__": "segue.where, or cond",
    "__index__": "index with the tensor itself, or use gather",
    "__complex__": "keep the value as a 0-d tensor",
    "__repr__": "print outside of the compiled function",
    "__str__": "print outside of the compiled function",
    "__format__": "format outside of the compiled function",
    "__deepcopy__": "clone()",
    "__reduce__": "pickle outside of the compiled function",
    "__contains__": "(x == value).any(), outside of the branch",
    "data_ptr": "call data_ptr() outside of the compiled function",
    "retain_grad": "call retain_grad() outside of the compiled function",
    "register_hook": "register the hook outside of the compiled function",
    "register_post_accumulate_grad_hook": "register the hook outside of the compiled function",
}
HOOKS = ("register_hook", "register_post_accumulate_grad_hook")
NUMBERS: dict[str, Any] = {"item": None, "__float__": float, "__int__": int}  # methods -> the class of number that they give
RETURNED = frozenset({dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64, dtypes.int8, dtypes.int16, dtypes.int32, dtypes.int64, dtypes.uint8})
ASKED: dict[str, Any] = {  # methods that give a bool -> the tensor of one element whose truth it is; None: no
    "equal": lambda x, other: (x == other).all() if tuple(x.shape) == tuple(other.shape) else None,
    "allclose": lambda x, *args, **named: x.isclose(*args, **named).all(),
    "is_nonzero": lambda x: x,
}
OF_DATA = frozenset({"tolist", "__repr__", "__str__", "__format__", *ASKED})  # what a tensor that was made of plain data tells at once
TAKES_A_NUMBER = ("add", "add_", "sub", "sub_", "mul", "mul_", "div", "div_")  # methods whose only argument may be a float that varies
CHANGES_THE_LEAF = ("detach_", "share_memory_", "set_", "resize_", "t_", "transpose_", "squeeze_", "unsqueeze_")
OF_MEMORY = ("_base", "_version", "retains_grad")  # attributes that tell of memory and history outside of the graph


class TensorValue(Value):
    """A tensor."""

    def __init__(self, twin: Any, source: Any = None, real: Any = MISSING) -> None:
        self.twin = twin
        self.source = source
        self.real = real
        self.born: int | None = None  # the step at which it became a leaf, or, from outside, its requires_grad was switched
        self.stands_on: Value | None = None  # what `data` was set to
        self.attributes: dict[str, Value] = {}  # what the captured code put on it under names of the user's
        self.forgot: int | None = None  # the graph's length when the `grad` that it had came with was replaced, unread

    def type(self) -> type:
        return type(self.twin)

    def python(self, run: Any) -> Any:
        return self.twin

    def is_known(self) -> bool:
        """Whether it was computed during capture, of plain data alone."""
        return is_real(self.twin._data)

    def describe(self) -> str:
        return f"{self.type().__name__} of shape {list(self.twin.shape)}"

    def needs_data(self, what: str) -> Break:
        name = what if what in NEEDS_DATA else "item"
        return Break(f"{what.strip('_')}() of a tensor is not part of a graph, which has values only when it runs", NEEDS_DATA[name])

    # -- attributes ---------------------------------------------------------------------------------------------------

    def attribute(self, run: Any, name: str) -> Value:
        cls = self.type()
        if name == "__class__":
            return run.wrap_known(cls)
        if name == "__dict__":
            raise self.unsupported("__dict__")
        if name in self.attributes:
            return self.attributes[name]
        if name in self.twin.__dict__:
            found = self.twin.__dict__[name]
            if self.source is not None and self.real is not MISSING and self.real.__dict__.get(name, MISSING) is found:
                return run.wrap(found, sources.Attribute(self.source, name))
            return run.make(found)
        entry = run.asked_entry(cls, name)
        if entry is MISSING:
            self.guard_attribute(run, name, False)
            raise run.raised(AttributeError, f"'{cls.__name__}' object has no attribute '{name}'")
        if run.is_users_own(entry):
            return run.bind_entry(entry, self, cls)
        found = getattr(cls, name)
        if name == "grad_fn" and self.twin.grad_fn is not None:
            raise self.unsupported("attribute 'grad_fn'")
        if callable(found):
            return run.builtin_method(self, name)
        if name in OF_MEMORY and self.twin._data.storage.input is not None:
            raise self.unsupported(f"attribute '{name}', which tells of what is outside of the graph,")
        return run.leaf(getattr, [self, Constant(name)], {}, f"Tensor.{name}")

    def has_attribute(self, run: Any, name: str) -> bool:
        if name in self.attributes or run.asked_entry(self.type(), name) is not MISSING:
            return True
        self.guard_attribute(run, name, name in self.twin.__dict__)
        return name in self.twin.__dict__

    def guard_attribute(self, run: Any, name: str, present: bool) -> None:
        """Whether a user has put something on a tensor from outside stays as it is."""
        if self.source is not None:
            run.guard(guards.HasKey(sources.InstanceDict(self.source), name, present))

    def call_method(self, run: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if name in OF_DATA and self.is_known():
            return run.leaf(getattr(self.type(), name), [self, *args], kwargs, f"Tensor.{name}")
        if name in NUMBERS and not args and not kwargs:
            return self.number(run, NUMBERS[name])
        if name in ASKED:
            made = run.leaf(ASKED[name], [self, *args], kwargs, f"Tensor.{name}")
            found = made.question(run) if isinstance(made, TensorValue) else made
            if found is None:
                raise self.needs_data("item")
            return found if isinstance(found, TensorQuestion) else constant(False)
        if name == "tolist" and not args and not kwargs and self.twin.dtype in RETURNED:
            return self.result(run, self.twin.dtype, list) if self.twin.shape else self.number(run, None)
        if name in HOOKS and self.twin._requires_grad and (self.twin._edge is None or (self.source is None and name == "register_hook")) and len(args) == 1 and not kwargs:
            return run.hook_gradient(self, name, args[0])
        if name == "retain_grad" and self.source is None and self.twin.grad_fn is not None and not args and not kwargs:
            run.ending.append(HookHandleValue(run, self.twin))
            return run.leaf(type(self.twin).retain_grad, [self], {}, "Tensor.retain_grad")
        if name in NEEDS_DATA:
            raise self.needs_data(name)
        if name == "detach_" and self.twin._edge is None and not self.twin.requires_grad:  # as `zero_grad()` was written once, of gradients
            return self
        if name == "detach_" and self.source is None and not args and not kwargs:
            return run.leaf(forget_history, [self], {}, "Tensor.detach_")
        if name in CHANGES_THE_LEAF and self.source is not None:
            raise Break(f"{name}() of a tensor from outside is not captured", "call it outside of the compiled function")
        if name == "requires_grad_" and self.source is not None and len(args) < 2 and not kwargs:
            self.set_attribute(run, "requires_grad", *(args or [Constant(True)]))
            return self
        if name in ("stride", "is_contiguous"):
            run.guard_layout(self, name == "stride")
        if name in TAKES_A_NUMBER:
            args = [run.float_operand(arg, self) for arg in args]
        return run.leaf(getattr(self.type(), name), [self, *args], kwargs, f"Tensor.{name}")

    def set_attribute(self, run: Any, name: str, value: Value) -> None:
        if name == "grad" or (name == "requires_grad" and self.source is None):
            if self.source is not None and self.twin._grad is LAZY and self.forgot is None:
                self.forgot = len(run.tracer.nodes)
            run.leaf(setattr, [self, Constant(name), value], {}, f"Tensor.{name}")
            self.born = run.step if name == "requires_grad" else self.born
            return
        if name == "requires_grad" and self.twin.is_leaf and self.real.is_leaf:
            run.leaf(setattr, [self, Constant(name), value], {}, f"Tensor.{name}")
            self.born = run.step if self.born is None else self.born
            run.journal.note(self)
            return
        if name == "data" and isinstance(value, TensorValue) and is_same_memory(value.twin, self.twin):
            return  # `p.data -= g` has written there, and puts back what is there
        if name == "data" and isinstance(value, TensorValue) and self.may_stand_on(value):
            self.stands_on = run.leaf(type(value.twin).detach, [value], {}, "Tensor.detach")
            run.leaf(setattr, [self, Constant(name), self.stands_on], {}, f"Tensor.{name}")
            if self.source is not None:
                self.born = run.step if self.born is None else self.born
                run.journal.note(self)
            return
        if hasattr(self.type(), name):
            raise self.unsupported(f"setting attribute '{name}'")
        self.attributes[name] = value
        run.journal.note(self)

    def may_stand_on(self, value: TensorValue) -> bool:
        """Whether `x.data = value` is captured: of a leaf that is no view, by a tensor of the same type and layout. One made in the graph must have no gradient."""
        mine, other, a, b = self.twin, value.twin, self.twin._data, value.twin._data
        if not mine.is_leaf or mine._base is not None or (mine.requires_grad if self.source is None else not self.real.is_leaf or self.real._base is not None):
            return False
        alike = isinstance(a, TracedArray) and isinstance(b, TracedArray) and mine.dtype is other.dtype and mine.device == other.device
        return alike and a.shape == b.shape and a.element_strides == b.element_strides

    def delete_attribute(self, run: Any, name: str) -> None:
        if name == "grad":
            self.set_attribute(run, name, constant(None))
            return
        raise self.unsupported(f"deleting attribute '{name}'")

    # -- numbers that the run gives --------------------------------------------------------------------------------------

    def number(self, run: Any, cls: Any) -> Value:
        """`item()`, `float(x)` or `int(x)` (`cls`; None: of the tensor's own kind): a number that the graph computes, as long as nothing more is asked of it."""
        of = self.twin.dtype
        name = "item" if cls is None else f"__{cls.__name__}__"
        if self.is_known():
            return run.leaf(getattr(self.type(), name), [self], {}, f"Tensor.{name}")
        if of is dtypes.bool and cls is None and (question := self.question(run)) is not None:
            return question
        cls = cls or (float if of.is_floating_point else int)
        if of not in RETURNED or math.prod(self.twin.shape) != 1:
            raise self.needs_data(name)
        if cls is int and of.is_floating_point:
            return self.truncated(run, name)
        if cls is float:
            return FloatValue(self.result(run, dtypes.float64, float).twin, frozenset({RUNTIME}))
        found = self.result(run, dtypes.int64, int)
        found.flag = self if self.is_flag() else None
        return found

    def truncated(self, run: Any, name: str = "__int__") -> Value:
        """`int(x)` of a float. The run checks that it is one that an int of the graph can be; where it is not, the frame runs again eagerly, and Python says what is to be."""
        copied = run.tensor_value(self.result(run, dtypes.float64, float).twin)
        fits = TensorQuestion(run.leaf(lambda twin: abs(twin) < BEYOND_SIZES, [copied], {}, f"Tensor.{name}").twin)
        if not fits.may_check(run):
            raise self.needs_data(name)
        fits.check(run, ValueError("cannot convert a float to an int"))
        return self.result(run, dtypes.int64, int)

    def question(self, run: Any) -> TensorQuestion | None:
        """Its truth as a bool that the graph computes; None where it is known, for what has not one element, or stands for the examples of a batch."""
        if self.is_known() or math.prod(self.twin.shape) != 1 or under_levels(self.twin) is None:
            return None
        return TensorQuestion(self.result(run, dtypes.bool, bool).twin, self if self.is_flag() else None)

    def result(self, run: Any, of: Any, cls: Any) -> Any:
        """A copy of the values as they are now, which leaves the graph as a Python object. Inside of transforms it is what lies below them all, and a batch has no one value."""
        if under_levels(self.twin) is None:
            raise self.needs_data("tolist" if cls is list else "item")
        made = run.leaf(lambda twin: under_levels(twin).detach().to(of, copy=True).reshape(twin.shape if cls is list else ()), [self], {}, "Tensor.item")
        return ResultValue(made.twin, cls)

    # -- slots --------------------------------------------------------------------------------------------------------

    def is_flag(self) -> bool:
        """Whether it is one element that an object, a module or a closure keeps, and that the graph has not written: what is true of it now will mostly be true at the next call."""
        array, place = self.twin._data, self.source
        if place is None or self.stands_on is not None or not isinstance(array, TracedArray) or not is_real(self.real._data) or self.real._data.size != 1:
            return False
        return is_kept(place) and array.storage.input is array.storage.node and not array.chain

    def flag(self, run: Any) -> bool:
        """Its truth as it is now, guarded."""
        found = is_true(self.real)
        run.guard(guards.Predicate((self.source,), is_true if found else is_false))
        return found

    def truth(self, run: Any) -> bool:
        if self.is_known():
            return run.leaf(type(self.twin).__bool__, [self], {}, "Tensor.__bool__").value
        if self.is_flag():
            return self.flag(run)
        raise Break("a branch on a tensor's value cannot be decided while the graph is captured", NEEDS_DATA["__bool__"])

    def length(self, run: Any) -> Value:
        return run.leaf(lambda twin: twin.shape[0] if twin.shape else len(twin), [self], {}, "len")

    def item(self, run: Any, key: Value) -> Value:
        return run.leaf(lambda twin, index: twin[index], [self, with_drawn_tensors(run, key)], {}, "Tensor.__getitem__")

    def set_item(self, run: Any, key: Value, value: Value) -> None:
        def store(twin: Any, index: Any, new: Any) -> None:
            twin[index] = new

        run.leaf(store, [self, with_drawn_tensors(run, key), value], {}, "Tensor.__setitem__")

    def contains(self, run: Any, item: Value) -> bool:
        raise self.needs_data("__contains__")

    def items_of(self, run: Any) -> list[Value]:
        count = self.length(run)
        return [self.item(run, Constant(index)) for index in range(int(run.python(count)))]

    def iterate(self, run: Any) -> Value:
        return run.sequence_iterator(TupleValue(self.items_of(run)))

    def replay(self, out: Any) -> None:
        """What was switched in the graph, or stands on other memory, stays so behind it."""
        if self.stands_on is not None:
            out.statement("store_attribute", self, Constant("data"), self.stands_on)
        if self.twin.requires_grad != self.real.requires_grad:
            out.statement("store_attribute", self, Constant("requires_grad"), Constant(self.twin.requires_grad))
        self.store_attributes(out)

    def store_attributes(self, out: Any) -> None:
        for name, value in self.attributes.items():
            out.statement("store_attribute", self, Constant(name), value)

    def build(self, out: Any) -> None:
        out.graph_result(self)
        gradient = self.twin._grad
        if isinstance(gradient, Tensor):
            out.statement("store_attribute", self, Constant("grad"), out.attempt.tensor_value(gradient))
        self.store_attributes(out)


def is_same_memory(a: Tensor, b: Tensor) -> bool:
    """Whether two twins are one tensor but for their history."""
    x, y = a._data, b._data
    if not (isinstance(x, TracedArray) and isinstance(y, TracedArray)) or x.storage is not y.storage:
        return False
    return [step for step in x.chain if step.op.name != "detach"] == [step for step in y.chain if step.op.name != "detach"]


def is_kept(place: Any) -> bool:
    """Whether an object, a global or a closure keeps what stands at a path: it is no argument."""
    while place.parent is not None and not isinstance(place, sources.InstanceDict):
        place = place.parent
    return not isinstance(place, sources.Local)


def is_true(tensor: Tensor) -> bool:
    """Whether the one element of a tensor is true."""
    return bool(tensor._data)


def is_false(tensor: Tensor) -> bool:
    return not tensor._data
