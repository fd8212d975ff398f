"""One attempt at capturing a frame: everything that the Values and handlers share while they run.

In come the frame's view, what earlier attempts learned (`Knowledge`), and the decoded body; while it runs, guards, graph inputs, twins and side effects gather
here. Out goes the root frame in the state at which it returned or must break. The one idea: an attempt is thrown away as a whole; nothing in it is ever undone.
"""

from __future__ import annotations

import collections
import functools
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ...eager import dtypes, errors
from ...eager.autograd.mode import STATE
from ...eager.config import config
from ...eager.nn.module import Module
from ...eager.shapes import Size
from ...eager.tensor import LAZY, Tensor
from ...graph.expressions import sympy
from ...graph.inputs import Layout
from ...graph.sharing import ASK, DEFER, settle
from ...graph.symint import expression_of, hint_of
from ...graph.trace import Tracer
from .. import guards, sources
from ..bytecode import Body
from ..bytecode.breaks import entry_of, family_of, parameters
from ..bytecode.decode import decode
from ..layouts import choose
from ..marks import apply_marks
from ..shapes import Declared, Dim, Sizes
from ..sources import MISSING
from . import checks, classes, effects, handlers_data, handlers_flow, numpy_functions, rules, size_functions, transforms  # noqa: F401  (they fill the tables of handlers)
from .calls import Calls
from .frame import Frame
from .instances import Instances
from .journal import Journal
from .lookup import Lookup, is_inner, is_own, is_standard
from .operators import Operators
from .outcome import Anew, Break, Observed, PlainPython, plain_python
from .parameters import is_fresh
from .printing import Printing
from .seeds import Seeds
from .telling import Telling
from .twins import Twins
from .values.base import Value
from .values.constants import OWN_CONSTANTS, Constant, SymIntValue, constant
from .values.contained import OwnDictObject, PlainObject
from .values.containers import TupleValue, Unread
from .values.exceptions import ExceptionValue
from .values.floats import FloatValue
from .values.functions import CallableValue, FunctionValue, MethodValue
from .values.instance import IdentityNumber, InstanceDictValue
from .values.mappings import DictValue, ObjectKey, hashes_by_identity, key_of
from .values.modules import Namespace
from .values.objects import ObjectValue, OpaqueValue, dict_of
from .values.state import mode_guard, modes, set_modes
from .values.tensors import TensorValue
from .values.texts import SizeText
from .wrapping import Wrapping


@dataclass
class Knowledge:
    """What attempts at one frame learned, for the next one."""

    break_step: int | None = None
    reason: str = ""
    suggestion: str = ""
    location: Any = None
    only_while: guards.Guard | None = None  # what the break stands on
    dynamic: dict[Any, set[int]] = field(default_factory=dict)  # source of a tensor -> its dimensions that vary
    seen: dict[Any, list[guards.TensorMatch]] = field(default_factory=dict)  # source of a tensor -> what earlier captures hold for
    varying: set[Any] = field(default_factory=set)  # sources of ints, floats and texts
    growing: set[Any] = field(default_factory=set)  # see values/growing.py
    split: set[Any] = field(default_factory=set)
    shapes: Declared = field(default_factory=dict)  # what the user declared of the sizes of tensors
    all_dynamic: bool | None = None
    frame_class: type[Frame] = Frame
    fixes_open: bool = False  # sizes are fixed where a text holds them, where eager code gets a float of theirs, and where one is rounded
    open_break: int | None = None  # where an attempt broke that fixed none of these
    tells: bool = False  # a tool counts lines
    turn_by_turn: bool = False  # a loop that was entered at a break breaks again: each turn ends the graph
    checkpoints: str = "marked"  # how those of functions that change something are captured, see transforms.py
    cached: list[Any] = field(default_factory=list)  # the calls of cached functions, each counted once: what was called, and what came of it
    lifted: set[int] = field(default_factory=set)  # which of the real tensors that are made (counted from 1) the graph writes to
    asks_sharing: bool = False  # whether memory is shared matters: it is asked at once
    plain: dict[Any, bool] = field(default_factory=dict)  # families of functions that ran for very long without an operation on a tensor: from their beginning?


EQUAL_SIZES = (("input", 0), ("input", 1), ("eq", 0))


class ReachedBreak(Exception):  # noqa: N818
    """The root frame stands before the instruction at which the graph must end."""


class Attempt(Operators, Instances, Lookup, Calls, Wrapping, Twins, Printing, Seeds):
    """See the module's opening."""

    module_class = Module
    plain_classes = frozenset({*OWN_CONSTANTS, Size})
    send_keeps_receiver = sys.version_info >= (3, 12)

    def __init__(self, view: Any, code: types.CodeType, knowledge: Knowledge) -> None:
        self.view = view
        self.knowledge = knowledge
        self.tracer = Tracer()
        self.tracer.shape_env.fixes_rounded = knowledge.fixes_open
        self.tracer.on_grad_read = self.read_gradient
        self.tracer.sharing = ASK if knowledge.asks_sharing else DEFER
        self.guards: list[guards.Guard] = []
        self.graph_inputs: list[Any] = []  # sources, in the order of the graph's inputs
        self.handed: list[Any] = []  # NumPy arrays made here that share their memory with a tensor
        self.draws: list[Any] = []  # calls of generators of random numbers, which the new code makes in front of the graph
        self.fresh: dict[Any, tuple] = {}  # source of a parameter that the new code makes in front of the graph -> the helper that makes it, and of what
        self.tensor_inputs: list[TensorValue] = []
        self.symbols: dict[Any, SymIntValue] = {}
        self.floats: dict[Any, FloatValue] = {}
        self.sizes = Sizes(knowledge.shapes, self.tracer.shape_env)
        self.compared: dict[int, Value] = {}  # Values from outside that were told apart by identity, as keys
        self.bindings: dict[str, Any] = {}  # name of a size symbol -> source of an int
        self.wrapped: dict[int, Value] = {}
        self.made_classes: dict[type, Value] = {}  # model -> the class that the captured code makes, see values/classes.py
        self.stand_ins: dict[int, Any] = {}  # id of a Value -> what stands for it in models
        self.kept: list[Any] = []  # Values and stand-ins, whose ids are looked up
        self.twins: dict[int, Value] = {}
        self.held_arrays: list[Any] = []  # NumPy arrays from outside that the graph reads
        self.made_real: list[Tensor] = []  # what eager code made of plain data, see twins.py
        self.gradients: dict[int, Any] = {}  # id of an input twin -> its gradient when it was first read
        self.namespaces: dict[int, Namespace] = {}
        self.journal = Journal()
        self.ending: list[Any] = []  # hooks of the user's on tensors, and generators, which must be at an end behind the graph
        self.begun: list[int] = []  # how many nodes the graph had before each step
        self.run_again: list[tuple[Any, list]] = []  # functions of checkpoints that run again, and the places on the tape of what they gave
        self.dicts: dict[int, Any] = {}  # id of a `__dict__` from outside -> the object that has it
        self.stale: dict[int, Any] = {}  # objects that a deferred call will change
        self.hands_floats = self.keeps = False
        self.deferred = 0  # how many such calls there were
        self.frames: list[Frame] = []
        self.thrown: list[Observed] = []  # what was raised in them
        self.handling: list[Value] = [constant(None)]  # the exception that the function handles, and that each generator that runs handles itself
        self.caller_handles = sys.exception() is not None  # later it may be an exception of capture itself
        self.depth = 0
        self.writes = False  # a text that holds sizes is written behind the graph
        self.telling = Telling() if knowledge.tells else None
        self.step = 0  # instructions of the root frame so far
        self.shared: dict[Any, Value] = {}  # memory that eager mode would share with other -> the Value made there, see rules.py
        self.sized_at: int | None = None  # the step that made the first size which only the run gives
        self.root_index = 0
        self.before_step: Callable[[int], None] | None = None  # a hook of the tests
        self.failed_at: tuple[errors.Location, str] | None = None  # the user's line, and the function of the standard library that it calls
        self.only_here = ""  # why what is captured holds for this process only
        self.ran_for_real: list[tuple[int, Any, tuple]] = []  # how many guards there were, the function, and the paths of its arguments
        self.drops = False  # a variable of the root frame let go of an object from outside
        self.turns = self.cached_calls = 0
        self.followed = self.step_began = 0  # instructions of all frames so far, and before the root frame's latest
        self.enough = config.follow_limit
        self.looked = (0, 0)  # see look_back
        self.made_anew = False  # a function is known by its parts
        self.modes_before = self.modes_after = modes()
        self.root = self.root_frame(code)
        for name in ("enabled", "autocast"):
            self.guard(mode_guard(name, self.modes_before[name]))
        self.guard(mode_guard("anomaly", STATE.anomaly))  # see compile_frame
        self.guard(guards.Is(sources.Item(sources.Constant(dtypes._default, "default dtype"), 0), dtypes.get_default_dtype()))
        self.guard(guards.Is(sources.Item(sources.Constant(dtypes.default_device, "default device"), 0), dtypes.default_device[0]))

    @property
    def handled(self) -> Value:
        """The exception that is being handled: where a running generator handles none itself, that of who takes from it."""
        return next((value for value in reversed(self.handling) if isinstance(value, ExceptionValue)), constant(None))

    def root_frame(self, code: types.CodeType) -> Frame:
        slots: dict[str, Any] = {}
        for name, value in self.view.locals.items():
            if name in code.co_cellvars and isinstance(value, types.CellType) and entry_of(code) is not None:
                slots[name] = self.cell(value, sources.Local(name))  # a resume function is handed the cells themselves
            elif name not in code.co_freevars or name in parameters(code):  # else it is the cell, also where an inlined comprehension has a variable of that name
                slots[name] = Unread(value, sources.Local(name))
        cells = [self.cell(cell, sources.FreeCell(name)) for name, cell in zip(code.co_freevars, self.view.function.__closure__ or ())]
        frame = self.knowledge.frame_class(self, self.body(code), self.view.globals, slots, cells)
        frame.is_root = True
        return frame

    def execute(self) -> tuple[str, Value] | None:
        """Run the root frame. The outcome of its return, or None where it stands before the instruction that must break."""
        try:
            for source in self.knowledge.shapes:  # also what is read behind a break, or never, is as it was declared
                if isinstance(tensor := source.fetch(self.view), Tensor):
                    self.wrap(tensor, source)
            return self.root.resume(None, None)
        except ReachedBreak:
            return None
        finally:
            self.modes_after = modes()
            set_modes(self.modes_before)

    def check_ends(self) -> None:
        """Raise Unbuildable for a hook that is to be there behind the graph, and for a generator that still has something to do there."""
        for value in self.ending:
            value.check_end(self)

    def check_checkpoints(self) -> None:
        """Raise Anew where a function that is to run again in the backward has none in the graph."""
        for function, edges in self.run_again:
            walked = list(map(self.tracer.is_walked, edges))
            if not (all(walked) or (any(walked) and function.calls > 1)):
                self.knowledge.checkpoints = "left"
                raise Anew

    def close(self) -> None:
        """Let go of everything. What Frames and Values hold of the user's must not wait for the garbage collector: one with a `__del__` dies when it is dropped."""
        self.cut_circles()
        self.tracer.let_go()
        vars(self).clear()

    def begin_step(self, frame: Frame) -> None:
        """Called before each instruction of the root frame."""
        if self.sized_at is None and self.tracer.shape_env.runtime:
            self.sized_at = self.step
        self.step += 1
        self.begun.append(len(self.tracer.nodes))
        self.root_index = frame.index
        self.step_began = self.followed
        if self.step == self.knowledge.break_step:
            raise ReachedBreak
        if self.before_step is not None:
            self.before_step(frame.index)

    def count_turn(self) -> None:
        self.turns += 1
        if self.turns > config.unroll_limit:
            raise Break(f"loops with more than {config.unroll_limit} turns are not captured", "raise config.unroll_limit")

    def look_back(self) -> None:
        """Called after each `config.follow_limit` instructions: where all of them were plain Python, they run eagerly. Raises PlainPython where it is the root frame that
        runs them, else Break, so that the functions around them are captured one by one."""
        (nodes, step), now = self.looked, len(self.tracer.nodes)
        self.looked, self.enough = (now, self.step), self.followed + config.follow_limit
        if now > nodes:
            return
        most = self.followed - config.follow_limit // 2
        frame = next((frame for frame in reversed(self.frames) if frame.began < most), self.root)  # where most of them ran
        by_itself = frame.is_root and self.step_began >= most  # not within a call of C code, which takes from a generator, say
        if by_itself or (not frame.is_root and frame.met == now):
            self.knowledge.plain[family_of(frame.code)] = frame.met == now
        if by_itself:
            raise PlainPython(None if frame.met == now else step + 1)
        raise plain_python()

    def body(self, code: types.CodeType) -> Body:
        return decode(code)

    def namespace(self, globals: dict) -> Namespace:
        found = self.namespaces.get(id(globals))
        if found is None:
            name = globals.get("__name__", "?")
            found = self.namespaces[id(globals)] = Namespace(globals, name, globals is self.view.globals, is_inner(name), is_standard(name))
        return found

    def module_namespace(self, module: types.ModuleType) -> Namespace:
        return self.namespace(vars(module))

    # -- tracing ------------------------------------------------------------------------------------------------------

    def users_frame(self) -> Frame:
        return next((frame for frame in reversed(self.frames) if frame.namespace.users), (self.frames or [self.root])[-1])

    def location(self) -> errors.Location:
        """The innermost line of the user's code."""
        return self.users_frame().location()

    def line(self) -> str:
        """That line as nodes of the graph quote it, "file:line"."""
        frame = self.users_frame()
        return f"{frame.code.co_filename}:{frame.line}"

    def module(self) -> str | None:
        """The path of the innermost module whose method runs."""
        return self.frames[-1].module if self.frames else None

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Within the block code runs for real, also where a hook or a transform that eager code runs on twins came here."""
        inside, around = modes(), (STATE.tracers, STATE.levels)
        set_modes(self.modes_before)
        STATE.tracers, STATE.levels = (), ()
        try:
            yield
        finally:
            set_modes(inside)
            STATE.tracers, STATE.levels = around

    def read_gradient(self, twin: Tensor) -> Tensor | None:
        """`p.grad` of an input, read for the first time."""
        owner: Any = self.twins[id(twin)]
        found = self.wrap(owner.real.grad, sources.Attribute(owner.source, "grad"))
        gradient = found.python(self)
        self.gradients[id(twin)] = gradient
        return gradient

    def changed_gradients(self) -> list[TensorValue]:
        """The inputs whose `grad` is another object than at the start."""
        found = []
        for value in self.tensor_inputs:
            gradient = value.twin._grad
            if gradient is not LAZY and gradient is not self.gradients.get(id(value.twin), MISSING):
                found.append(value)
        return found

    def forgotten_gradients(self) -> list[TensorValue]:
        """The inputs whose `grad` was replaced, unread, before anything that may raise: a frame that begins again forgets it again."""
        sure = next((n for n, node in enumerate(self.tracer.nodes) if node.kind == "op" and ("checked" in node.target.tags or node.target.kind == "control")), None)
        return [value for value in self.tensor_inputs if value.forgot is not None and (sure is None or value.forgot <= sure)]

    def dynamic_dims(self, source: Any, tensor: Tensor) -> Any:
        """Dimension -> name of its symbol, or the symbol itself, or None for a new one."""
        dims: dict[int, Any] = dict.fromkeys(dim for dim in self.knowledge.dynamic.get(source, ()) if dim < tensor.ndim)  # it had more dimensions then, perhaps
        if self.knowledge.all_dynamic and type(tensor) is Tensor:
            dims.update(dict.fromkeys(dim for dim, size in enumerate(tensor.shape) if size > 1))
        apply_marks(tensor, dims)
        self.sizes.apply(source, tensor, dims)
        return dict(sorted(dims.items()))

    def layout(self, source: Any, tensor: Tensor, dims: Any) -> Layout:
        """How the strides of a tensor follow from its sizes, of which these are symbols."""
        vary = bool(self.knowledge.all_dynamic) and type(tensor) is Tensor
        return choose(self.knowledge.seen.get(source, ()), tensor._data.shape, tensor.stride(), dims, vary)

    def guard_layout(self, value: TensorValue, strides: bool) -> None:
        """The program reads how a tensor lies in memory: it must lie there as in eager mode. Where it reads the `strides` of a view of an input, that one's are guarded
        even of a dimension of size 1. Raises SharingMatters."""
        storage = getattr(value.twin._data, "storage", None)
        if storage is not None and storage.alike:
            settle(storage)
        owner = next((other for other in self.tensor_inputs if storage is not None and other.twin._data.storage is storage), None)
        if owner is None or not strides or all(type(size) is int and size > 1 for size in owner.twin._data.shape):
            return
        for dim, stride in enumerate(owner.twin._data.element_strides):
            if hint_of(stride) != owner.real.stride(dim):
                raise Break("the strides of a tensor are read that has a dimension of size 1, or no element, and lies in memory in a way of its own")
            source, name = sources.Stride(owner.source, dim), sympy.Symbol("stride", integer=True)
            if self.bindings.get(str(stride)) != source:
                relation = sympy.Eq(name, expression_of(stride), evaluate=False)
                self.guard(guards.SizeRelation.from_sympy(relation, {**self.bindings, str(name): source}, str(self.location())))

    def guard_names(self, source: Any, twin: Tensor) -> None:
        """Sizes of one name in `shapes` are one symbol, and so must they be in later calls."""
        for dim, (entry, size) in enumerate(zip(self.sizes.of(source), twin._data.shape)):
            first = self.bindings.get(str(size))
            if isinstance(entry, Dim) and first is not None and first != sources.Size(source, dim):
                self.guard(guards.SizeRelation((first, sources.Size(source, dim)), EQUAL_SIZES, f"both are called {entry.name}"))

    # -- guards -------------------------------------------------------------------------------------------------------

    def guard(self, guard: guards.Guard) -> None:
        if not self.fresh or not any(map(is_fresh, guard.sources)):
            self.guards.append(guard)

    def guard_is(self, source: Any, obj: Any) -> None:
        if not isinstance(source, sources.Constant):
            self.guard(guards.Is(source, obj))

    def guard_same(self, first: Any, second: Any) -> None:
        self.guard(guards.SameObjects((first, second), (0, 0)))

    def guard_different(self, left: Value, right: Value) -> None:
        self.guard(guards.SameObjects((left.source, right.source), (0, 1)))

    def guard_code(self, function: FunctionValue) -> None:
        if not is_own(function.real.__module__):
            self.guard(guards.Is(sources.FunctionCode(function.path()), function.real.__code__))

    def guard_keys(self, value: DictValue) -> None:
        if value.real is not MISSING:
            self.guard(guards.DictKeys(value.source, tuple(dict.keys(value.real))))
            if isinstance(value.real, collections.OrderedDict) and len(value.real) > 1:  # which keeps an order of its own beside that of the dict
                keys = tuple(collections.OrderedDict.keys(value.real))
                self.guard(guards.Predicate((value.source,), functools.partial(has_order, keys), f"the order of {value.source.text()}"))

    def guard_length(self, value: Any) -> None:
        self.guard(guards.LengthIs(value.source, len(value.real)))

    def guard_present_key(self, value: DictValue, place: Any) -> None:
        self.guard(guards.HasKey(value.source, real_key(place), True))

    def guard_absent_key(self, value: DictValue, place: Any) -> None:
        self.guard(guards.HasKey(value.source, real_key(place), False))

    def guard_absent_global(self, namespace: Namespace, name: str) -> None:
        if not namespace.trusted:
            self.guard(guards.HasKey(sources.Constant(namespace.real, f"globals of {namespace.label}"), name, False))

    def guard_absent_attribute(self, owner: ObjectValue, name: str) -> None:
        self.guard(guards.HasKey(sources.InstanceDict(owner.source), name, False))

    # -- small services -----------------------------------------------------------------------------------------------

    def raised(self, cls: type, *args: Any) -> Observed:
        """An exception of the user's program, to be raised: `raise run.raised(KeyError, "x")`."""
        return Observed(ExceptionValue(cls, [constant(arg) for arg in args]))

    def raised_with(self, cls: type, *args: Value) -> Observed:
        return Observed(ExceptionValue(cls, list(args)))

    def as_exception(self, value: Value) -> Value:
        """What `raise value` raises."""
        if isinstance(value, ExceptionValue):
            return value
        if isinstance(value.real, type) and issubclass(value.real, BaseException):
            made = self.call(value, [], {})
            if not issubclass(made.type(), BaseException):
                raise self.raised(TypeError, f"calling {value.real!r} should have returned an instance of BaseException, not {made.type()!r}")
            return self.as_exception(made)
        if isinstance(value, OpaqueValue):
            raise Break("raising an exception object from outside is not captured")
        raise self.raised(TypeError, "exceptions must derive from BaseException")

    def leaves_open(self) -> bool:
        """Whether something of sizes that varies was left to the run, see `Knowledge.fixes_open`."""
        return bool(self.writes) or self.tracer.shape_env.rounds

    def text(self, value: Value) -> str:
        value = value.contents if isinstance(value, PlainObject) else value
        if isinstance(value, Constant) and isinstance(value.value, str):
            return value.value
        if isinstance(value, SizeText):
            raise value.unsupported("the content")
        raise Break(f"a {value.describe()} where a name must be known is not captured")

    def identity_number(self, value: Value) -> Value:
        """id(value): as a key in a set of what was seen it works on Values; the number itself is never the object's."""
        if isinstance(value, (Constant, SymIntValue, FloatValue)):
            raise Break("id() of a number or text is not captured")
        made = IdentityNumber(value)
        made.born = self.step  # type: ignore[attr-defined]
        return made

    def is_identity_key(self, value: Value) -> bool:
        if isinstance(value, (TensorValue, CallableValue)):
            return True
        return isinstance(value, (ObjectValue, OpaqueValue, IdentityNumber)) and (isinstance(value, IdentityNumber) or hashes_by_identity(value.type()))

    def note_identity(self, value: Value) -> None:
        """A Value serves as a key: at the end, all those from outside are guarded to stay as distinct as they are."""
        value = value.of if isinstance(value, IdentityNumber) else value
        if value.source is not None and not isinstance(value.source, sources.Constant):
            self.compared[id(value)] = value

    def guarded_key(self, key: Value) -> Any:
        """What stands for a key of a dict or set from outside: objects in it that are compared by identity are guarded to be these, and have their real `id()`."""
        if isinstance(key, TupleValue):
            return tuple(self.guarded_key(item) for item in key.items_of(self))
        if isinstance(key, MethodValue):
            for part in (key.function, key.owner):
                self.guarded_key(part)
            return key_of(self, key)
        if not isinstance(key, Constant) and self.is_identity_key(key):
            real = key.of if isinstance(key, IdentityNumber) else key
            if real.source is not None and real.real is not MISSING:
                self.guard_is(real.source, real.real)
                if isinstance(key, IdentityNumber):
                    self.only_here = "the id() of an object differs from process to process"
                    return id(real.real)
        found = key_of(self, key)
        if isinstance(found, ObjectKey):
            raise Break(f"a {key.describe()} as a key of a dict or set from outside is not captured", "use strings, numbers or tuples of these as keys")
        return found

    def is_identity_class(self, cls: type) -> bool:
        return issubclass(cls, (Tensor, type, types.FunctionType, types.ModuleType, types.BuiltinFunctionType)) or hashes_by_identity(cls)

    def instance_dict(self, owner: ObjectValue) -> Value:
        return owner if isinstance(owner, OwnDictObject) else InstanceDictValue(owner)

    def own_dict(self, obj: Any) -> Any:
        """The `__dict__` of an object from outside, past its own code. Raises Break where it is that of another one, which sees what is stored in it."""
        state = dict_of(obj)
        if type(state) is dict and self.dicts.setdefault(id(state), obj) is not obj:
            raise Break(f"two objects of class {type(obj).__qualname__} with one __dict__ are not captured")
        return state


def has_order(keys: tuple, now: Any) -> bool:
    return guards.same_constant(tuple(collections.OrderedDict.keys(now)), keys)


def real_key(place: Any) -> Any:
    """The real key behind our stand-in for it."""
    if type(place) is tuple:
        return tuple(map(real_key, place))
    return getattr(place, "object", place)
