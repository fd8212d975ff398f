"""Calls: which way a call goes, how arguments meet parameters, and how a class makes an object.

A Python function is, by the first rule that holds: an entry of the table in builtins.py; run for real on the real objects (`__segue_capture_time__`); left
to run eagerly (`compiler.disable`); executed on twins (segue's own operations); or followed instruction by instruction. The one idea: the rules are few
and each looks only at the function itself.
"""

from __future__ import annotations

import collections
import contextlib
import enum
import functools
import inspect
import re
import types
from collections.abc import Callable, Iterator
from typing import Any

from ...eager import errors
from ...eager.config import config
from ...eager.functional.positions import runtime_size
from ...eager.optim.lr_scheduler import LRScheduler, is_plain
from ...eager.sizes import BEYOND_SIZES
from ...eager.tensor import Tensor
from ...graph.sharing import SharingMatters
from ..bytecode.breaks import family_of
from ..sources import MISSING
from .builtins import BUILTINS, FUNCTIONS, METHODS
from .constructors import CONSTRUCTORS
from .library import DISPATCH, dispatch
from .lookup import entry_of
from .outcome import Anew, Break, NotPython, Observed, Skip, Specialise, Unbuildable, plain_python
from .values.base import Value
from .values.buffers import BufferValue
from .values.callbacks import DeferredCall, StaleValue
from .values.constants import NUMPY_SCALARS, Constant, constant, is_constant_type, member_of
from .values.contained import HELD, PLAIN, ContainerObject, PlainObject, held_class, new_container
from .values.containers import ListValue, TupleValue
from .values.exceptions import ExceptionValue, has_structure, new_group, of_error
from .values.floats import ResultValue
from .values.functions import FunctionValue
from .values.iterators import GeneratorValue, SequenceIterator
from .values.mappings import DictValue
from .values.objects import ObjectValue
from .values.steps import ITERTOOLS
from .values.tensors import TensorValue

OPERATIONS = (  # modules of eager/ whose functions run on twins
    "functional.", "transforms.", "ops.", "tensor", "attached", "nn.functional", "autograd.engine", "dtypes", "promotion",
)  # fmt: skip
FOLLOWED = (  # those whose functions are followed as users' code is; all others break the graph
    "nn.", "func", "optim.", "amp.", "autograd.mode", "autograd.autocast", "autograd.functional", "distributions.", "pytree", "checkpoint", "opaque", "library",
    "associative", "fx", "onnx", "switches", "legacy", "shapes",
)  # fmt: skip
PYTHON_MAKERS = (types.FunctionType, staticmethod, classmethod)  # how an `__init__` or `__new__` written in Python stands in its class
NEW_PLAIN = tuple(base.__new__ for base in (*PLAIN, frozenset))
GENERATOR = inspect.CO_GENERATOR
ASYNCHRONOUS = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE
OWN_EAGER = __name__.partition(".")[0] + ".eager."


def is_leaf(function: Any) -> bool:
    """Whether a function is one of segue's own operations, which run on twins as they are. Raises Break for those that change segue's own state."""
    module = getattr(function, "__module__", None) or ""
    if not module.startswith(OWN_EAGER):
        return False
    inner = module.removeprefix(OWN_EAGER)
    if inner.startswith(OPERATIONS) and not function.__name__.startswith("set_"):
        return True
    if inner.startswith(FOLLOWED) and not function.__name__.startswith("set_default"):  # of which and where a graph's tensors are made
        return False
    raise Break(f"{function.__qualname__}() of segue.{inner} is not captured", "call it outside of the compiled function")


class Calls:
    """The part of an attempt that calls."""

    def call(self: Any, function: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
        return function.call(self, args, kwargs)

    def call_checked(self: Any, thunk: Callable[[], Value], what: str) -> Value:
        """A table entry called with the user's arguments: one that does not fit them breaks the graph, so that Python itself raises."""
        try:
            return thunk()
        except TypeError as error:
            raise Break(f"{what} with these arguments is not captured ({error})") from None

    # -- Python functions ---------------------------------------------------------------------------------------------

    def call_function(self: Any, function: Any, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if isinstance(function, FunctionValue):
            real: Any = function.real
            handler = FUNCTIONS.get(real)
            if handler is not None:
                return self.call_checked(lambda: handler(self, *args, **kwargs), function.describe())
            if real.__code__ is DISPATCH and len(args) == 1 and not kwargs:
                return dispatch(self, function, args[0])
            marks = real.__dict__
            if marks.get("__segue_capture_time__") and not (args and isinstance(args[0], ObjectValue) and args[0].real is MISSING):  # of an object that is made here it is followed
                return self.call_for_real(real, args, kwargs)
            if marks.get("__segue_deferred__") and args[0].source is not None and args[0].real is not MISSING and is_plain(args[0].real):
                return self.defer(real, args, kwargs)
            if marks.get("__segue_disabled__"):
                raise Break(f"{real.__qualname__} is disabled for capture", marks.get("__segue_disabled_reason__") or "")
            if is_leaf(real):
                owner, name = args[0] if args else None, real.__name__
                if isinstance(owner, TensorValue) and getattr(owner.type(), name, None) is real:  # the method as a function, or bound before
                    return owner.call_method(self, name, args[1:], kwargs)
                return self.leaf(real, args, kwargs, real.__qualname__)
        return self.follow(function, args, kwargs)

    def follow(self: Any, function: Any, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """Inline a function: run its bytecode over Values."""
        code = function.code
        if code.co_flags & ASYNCHRONOUS:
            raise Break(f"the coroutine {code.co_qualname} is not captured")
        if self.knowledge.plain and family_of(code) in self.knowledge.plain:
            raise plain_python()
        if self.depth >= config.inline_limit:
            raise Break(f"calls nested deeper than {config.inline_limit} are not captured", "raise config.inline_limit")
        if isinstance(function, FunctionValue):
            self.guard_code(function)
        module = (args[0].module_path() if args and isinstance(args[0], ModuleObject) else None) or self.module()
        frame = self.knowledge.frame_class(self, self.body(code), function.globals, self.bind(function, args, kwargs), function.cells(self), module)
        if code.co_flags & GENERATOR:
            made = GeneratorValue(frame)
            made.born = self.step  # type: ignore[attr-defined]
            self.ending.append(made)
            return made
        self.depth += 1
        try:
            return frame.run()
        finally:
            self.depth -= 1

    def bind(self: Any, function: Any, args: list[Value], kwargs: dict[str, Value]) -> dict[str, Any]:
        """Parameters by name, as Python binds them; what does not fit raises TypeError in the user's program, checked in the order of CPython's initialize_locals()."""
        code = function.code
        count, keyword_count = code.co_argcount, code.co_kwonlyargcount
        names = code.co_varnames[: count + keyword_count]
        bound: dict[str, Any] = dict(zip(names[:count], args))
        self.bind_rest(function, bound, args[count:], kwargs)
        defaults = function.defaults(self)
        if len(args) > count and not code.co_flags & inspect.CO_VARARGS:
            given = sum(name in bound for name in names[count:])
            raise self.unfit(function, too_many(code, len(args), len(defaults), given))
        for name, value in zip(names[count - len(defaults) : count], defaults):
            if name not in bound:
                bound[name] = self.read(value)
        if lacking := [name for name in names[:count] if name not in bound]:
            raise self.unfit(function, missing(lacking, "positional"))
        if lacking := [name for name in names if name not in bound]:
            keyword_defaults = function.keyword_defaults(self)
            bound.update({name: self.read(keyword_defaults[name]) for name in lacking if name in keyword_defaults})
            if lacking := [name for name in lacking if name not in bound]:
                raise self.unfit(function, missing(lacking, "keyword-only"))
        return bound

    def bind_rest(self: Any, function: Any, bound: dict[str, Any], more: list[Value], kwargs: dict[str, Value]) -> None:
        """Keywords, and what `*args` and `**kwargs` take."""
        code = function.code
        place = code.co_argcount + code.co_kwonlyargcount
        by_keyword = code.co_varnames[code.co_posonlyargcount : place]
        rest: dict[str, Value] = {}
        for name, value in kwargs.items():
            if name not in by_keyword:
                rest[name] = value
            elif name in bound:
                raise self.unfit(function, f"got multiple values for argument '{name}'")
            else:
                bound[name] = value
            if rest and not code.co_flags & inspect.CO_VARKEYWORDS:
                if positional := [other for other in code.co_varnames[: code.co_posonlyargcount] if other in kwargs]:
                    raise self.unfit(function, f"got some positional-only arguments passed as keyword arguments: '{', '.join(positional)}'")
                raise self.unfit(function, f"got an unexpected keyword argument '{name}'")
        if code.co_flags & inspect.CO_VARARGS:
            bound[code.co_varnames[place]] = TupleValue(more)
            place += 1
        if code.co_flags & inspect.CO_VARKEYWORDS:
            bound[code.co_varnames[place]] = DictValue([(name, Constant(name), value) for name, value in rest.items()])

    def unfit(self: Any, function: Any, problem: str) -> Observed:
        return self.raised(TypeError, f"{self.text(function.attribute(self, '__qualname__'))}() {problem}")

    def unfit_call(self: Any, function: Value, problem: str) -> Observed:
        """What Python says of arguments that were taken apart, in which any callable is named with its module."""
        name, module = (self.attribute_or_none(function, part) for part in ("__qualname__", "__module__"))
        if name is None:
            raise Break(f"a {function.describe()} {problem}")
        place = "" if module is None or module.type() is not str else self.text(module)
        return self.raised(TypeError, f"{place + '.' if place not in ('', 'builtins') else ''}{self.text(name)}() {problem}")

    # -- segue's own operations ---------------------------------------------------------------------------------------

    def leaf(self: Any, function: Callable, args: list[Value], kwargs: dict[str, Value], name: str) -> Value:
        """Run eager code on twins; whatever it computes is recorded. An error in it breaks the graph, and is then raised for real."""
        plain = [self.pulled(arg) if isinstance(arg, SequenceIterator) else self.handed_over(arg) for arg in args]
        named = {key: self.pulled(value) if isinstance(value, SequenceIterator) else self.handed_over(value) for key, value in kwargs.items()}
        with errors.at(self.location), self.tracer.active(self.line(), self.module()), self.floats_of_sizes():
            try:
                result = function(*plain, **named)
            except (Anew, Break, Observed, Skip, Specialise, Unbuildable, errors.UndecidedSize, SharingMatters, RecursionError):
                raise
            except NotPython as error:
                raise Break(str(error)) from None
            except Exception as error:
                if isinstance(error, errors.WrittenByTrace):
                    self.lift_written(error)
                raise Break(f"{name} raised {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}") from error
        made = self.make(result)
        if made.source is None and isinstance(result, Tensor) and result._requires_grad and result._edge is None:
            made.born = self.step  # a leaf; see Builder.keep_leaves
        return made

    def unfold(self: Any, value: ResultValue, low: int = -BEYOND_SIZES) -> Value:
        """See `ResultValue.whole`. It is the caller's word that the int is not below `low`."""
        twin = TensorValue(value.twin)
        if value.cls is list:
            self.as_many_as_least(value.twin.shape[0])
            return ListValue([part.call_method(self, "tolist", [], {}) for part in twin.items_of(self)])
        return self.leaf(lambda x: runtime_size(x, low, BEYOND_SIZES, "the value of item()"), [twin], {}, "Tensor.item")

    def as_many_as_least(self: Any, size: Any) -> None:
        """The length of a list must be known. One that only the run gives and that is so much at least, as `bincount(x, minlength=8)`, is as good as sure to be no more; the run checks it."""
        env = self.tracer.shape_env
        if hasattr(size, "segue_symbol") and env.depends_on_run(size.expr) and 2 <= (least := env.interval(size.expr).low) < BEYOND_SIZES:
            env.require(size, "==", int(least), lambda: RuntimeError(f"a list is longer than {int(least)}"))

    def python(self: Any, value: Value) -> Any:
        """The object that real code gets for a Value."""
        try:
            return value.python(self)
        except NotPython as error:
            raise Break(f"a {error} is handed to code that is not captured") from None

    def handed_over(self: Any, value: Value) -> Any:
        """The object that eager code gets for a Value, in which floats of sizes stay such (values/handed.py)."""
        before, self.hands_floats = self.hands_floats, True
        try:
            return self.python(value)
        finally:
            self.hands_floats = before

    def for_keeps(self: Any, value: Value) -> Any:
        """The object that real code gets for a Value and keeps: the class of a text is more than its methods then."""
        before, self.keeps = self.keeps, True
        try:
            return self.python(value)
        finally:
            self.keeps = before

    @contextlib.contextmanager
    def floats_of_sizes(self: Any) -> Iterator[None]:
        """Within the block eager code that divides sizes gets floats that vary."""
        env = self.tracer.shape_env
        before, env.floats = env.floats, None if env.fixes_rounded else lambda symbol, left, right: self.handed_over(self.binary(symbol, self.make(left), self.make(right)))
        try:
            yield
        finally:
            env.floats = before

    def plain(self: Any, value: Value) -> Any:
        """What a function of plain data gets for a Value."""
        return value.plain(self) if isinstance(value, BufferValue) else self.python(value)

    def pulled(self: Any, iterator: SequenceIterator) -> Iterator[Any]:
        """An iterator over what real code gets for the rest, as that asks for it: `grad(loss, model.parameters())`."""
        while (item := iterator.next(self)) is not None:
            yield self.python(item)

    def call_for_real(self: Any, function: Callable, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """A function marked `__segue_capture_time__`: it is idempotent, and runs on the real objects."""
        for arg in args:
            if isinstance(arg, ObjectValue) and (ahead := set(function.__code__.co_names).intersection(arg.stored)):
                raise Break(f"{function.__qualname__}() reads {', '.join(sorted(ahead))}, which the captured code has set and the object itself does not have yet")
        real = [self.real_of(arg) for arg in args]
        named = {name: self.real_of(value) for name, value in kwargs.items()}
        paths = (None,) if kwargs else tuple(arg.source for arg in args)
        self.ran_for_real.append((len(self.guards), function, paths))
        if None in paths:
            self.only_here = f"{function.__qualname__} ran on what has no path"
        with self.outside():
            try:
                function(*real, **named)
            except Exception as error:
                raise Break(f"{function.__qualname__} raised {type(error).__name__}: {error}") from None
        for arg in args:
            if isinstance(arg, ObjectValue) and not arg.stored:
                arg.attributes.clear()  # what it changed is read anew
        return constant(None)

    def defer(self: Any, function: Callable, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """A function marked `__segue_deferred__`: it runs behind the graph, and what its object and the optimizer hold is not known from here on."""
        if kwargs:
            raise Break(f"{function.__qualname__}() with keywords is not captured", "pass its arguments by position")
        whole: LRScheduler = args[0].real
        schedules = [whole, *getattr(whole, "_schedulers", ())]
        touched = [*schedules, *(group for schedule in schedules for group in schedule.optimizer.param_groups)]
        for known in filter(None, [self.wrapped.get(id(real)) for real in touched]):
            if id(known) in self.journal.entries and not known.is_as_before():
                raise Break(f"{function.__qualname__}() behind a change of the schedule or of its optimizer's groups is not captured")
        self.journal.note(DeferredCall(function, args))
        self.deferred += 1
        for real in touched:
            self.make_stale(real)
        return constant(None)

    def make_stale(self: Any, real: Any) -> None:
        """Forget what a schedule or a group of parameters holds. Computing with it ends the graph."""
        self.stale[id(real)] = real
        known = self.wrapped.get(id(real))
        stale = functools.partial(StaleValue, self.step, self.deferred, known)
        if isinstance(known, DictValue):
            known.entries.update({place: (key, stale(place)) for place, (key, _) in known.entries.items() if place != "params"})
        elif isinstance(known, ObjectValue):
            known.attributes.update({name: stale(name) for name in vars(real) if name != "optimizer"})

    def real_of(self: Any, value: Value) -> Any:
        if value.real is MISSING:
            raise Break(f"a {value.describe()} made inside of the compiled function is handed to code that runs during capture")
        return value.real

    # -- builtins -----------------------------------------------------------------------------------------------------

    def call_builtin(self: Any, real: Any, args: list[Value], kwargs: dict[str, Value]) -> Value:
        try:
            handler = BUILTINS.get(real)
        except TypeError:
            handler = None
        if handler is not None:
            return self.call_checked(lambda: handler(self, *args, **kwargs), getattr(real, "__qualname__", "a builtin"))
        if isinstance(real, (types.MethodDescriptorType, types.WrapperDescriptorType)) and args:
            return self.call_unbound(real, args, kwargs)
        if isinstance(real, types.BuiltinMethodType) and real.__self__ is not None and is_constant_type(type(real.__self__)):
            return Constant(real.__self__).call_method(self, real.__name__, args, kwargs)
        name = getattr(real, "__qualname__", repr(real))
        module = getattr(real, "__module__", None)
        raise Break(f"a call of {module + '.' if module and module != 'builtins' else ''}{name} is not captured", SUGGESTIONS.get(name, "call it outside of the compiled function, and pass in what it gives"))

    def call_unbound(self: Any, descriptor: Any, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """A method of a builtin type called through the type, or by super(): `list.append(xs, x)`, `object.__setattr__(self, name, value)`."""
        place = descriptor.__objclass__
        if issubclass(place, BaseException) and not has_structure(place):
            place = BaseException  # the classes in C that add nothing
        handler = METHODS.get((place, descriptor.__name__))
        if handler is not None:
            return self.call_checked(lambda: handler(self, *args, **kwargs), descriptor.__qualname__)
        owner = args[0]
        ordered = getattr(owner.contents if isinstance(owner, ContainerObject) else owner, "cls", None) is collections.OrderedDict
        if place is dict and ordered and getattr(collections.OrderedDict, descriptor.__name__) is not descriptor:
            raise Break("a method of dict that goes past the order of an OrderedDict is not captured")
        if isinstance(owner, ContainerObject) and place in HELD and issubclass(owner.cls, place):
            return self.call_checked(lambda: owner.builtin_method(self, descriptor.__name__, args[1:], kwargs), descriptor.__qualname__)
        if isinstance(owner, ObjectValue):
            raise Break(f"{descriptor.__qualname__} of a {owner.describe()} is not captured")
        if isinstance(owner, Constant) and place in PLAIN and type(owner.value) is not place and isinstance(owner.value, place):  # past what a bool or an enum's member makes of it
            return self.make(self.concrete(descriptor, owner.value, *[self.python(arg) for arg in args[1:]]))
        bound = owner.attribute(self, descriptor.__name__)
        return self.call(bound, args[1:], kwargs)

    # -- classes ------------------------------------------------------------------------------------------------------

    def call_class(self: Any, cls: type, args: list[Value], kwargs: dict[str, Value]) -> Value:
        handler = CONSTRUCTORS.get(cls) or ITERTOOLS.get(cls)
        if handler is not None:
            made = self.call_checked(lambda: handler(self, cls, args, kwargs), cls.__qualname__)
            if cls in ITERTOOLS:
                made.born = self.step  # type: ignore[attr-defined]
            return made
        if issubclass(cls, BaseException) and not any(isinstance(entry_of(cls, name)[0], PYTHON_MAKERS) for name in ("__init__", "__new__")):
            return self.make_exception(cls, args, kwargs)
        meta_call = type.__call__ if is_constant_type(cls) else self.class_entry(type(cls), "__call__")
        if meta_call is not type.__call__:
            if isinstance(meta_call, type):  # a TypedDict makes a dict
                return self.call_class(meta_call, args, kwargs)
            if not isinstance(meta_call, types.FunctionType):
                raise Break(f"the class {cls.__qualname__} has a metaclass with a __call__ of its own, which is not captured")
            return self.call(self.bind_entry(meta_call, self.wrap_known(cls), type(cls)), args, kwargs)
        return self.make_instance(cls, args, kwargs)

    def make_instance(self: Any, cls: type, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """What `type.__call__` does."""
        if issubclass(cls, enum.Enum) and len(args) == 1 and not kwargs:
            return member_of(self, self.wrap_known(cls), args[0])
        if is_constant_type(cls) or cls in NUMPY_SCALARS or self.is_plain_class(cls):
            return self.make(self.concrete(cls, *[self.python(arg) for arg in args], **{name: self.python(value) for name, value in kwargs.items()}))
        return self.instantiate(cls, args, kwargs)

    def make_exception(self: Any, cls: type, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """An exception of a class that is made by C alone."""
        if issubclass(cls, BaseExceptionGroup):
            if kwargs:
                raise self.raised(TypeError, f"{cls.__name__}() takes no keyword arguments")
            return new_group(self, cls, *args)
        if not has_structure(cls) and not kwargs:
            return ExceptionValue(cls, args)
        if issubclass(cls, StopIteration) and not kwargs:
            return ExceptionValue(cls, args)  # its value is its first argument
        model = self.concrete(cls, *[self.python(arg) for arg in args], **{name: self.python(value) for name, value in kwargs.items()})
        made = of_error(self, model)
        made.given, made.named = args, kwargs
        return made

    def is_plain_class(self: Any, cls: type) -> bool:
        """Segue's own small immutable classes (dtypes, devices, sizes): made for real."""
        return cls in self.plain_classes

    def instantiate(self: Any, cls: type, args: list[Value], kwargs: dict[str, Value]) -> Value:
        maker = self.class_entry(cls, "__new__")
        if not (isinstance(maker, types.BuiltinFunctionType) and isinstance(maker.__self__, type)):  # one of C, bound to its class
            owner = self.wrap_known(cls)
            made = self.call(owner.attribute(self, "__new__"), [owner, *args], kwargs)
            if not issubclass(made.type(), cls) or not isinstance(made, ObjectValue):
                return made
            cls = made.type()  # whose `__init__` it is
        elif issubclass(cls, BaseExceptionGroup):
            made = new_group(self, cls, *args)
        elif maker in NEW_PLAIN and self.is_python_class(cls):
            refuse_finalizer(cls)
            made = new_container(self, cls, args, kwargs)
        elif maker is tuple.__new__:
            made = self.call(self.wrap_known(maker), [self.wrap_known(cls), *args], kwargs)
        else:
            made = self.new_object(cls)
            if issubclass(cls, BaseException):
                made.args = list(args)  # type: ignore[attr-defined]
        initialiser = self.class_entry(cls, "__init__")
        if isinstance(initialiser, types.FunctionType):
            result = self.call(self.bind_entry(initialiser, made, cls), args, kwargs)
            if result.type() is not types.NoneType:
                raise self.raised(TypeError, f"__init__() should return None, not '{result.type().__name__}'")
        elif initialiser is object.__init__:
            if (args or kwargs) and maker is object.__new__:
                raise self.raised(TypeError, f"{cls.__name__}() takes no arguments")
        elif (isinstance(made, ContainerObject) and not isinstance(made, PlainObject)) or issubclass(cls, types.SimpleNamespace):
            self.call(self.bind_entry(initialiser, made, cls), args, kwargs)
        elif issubclass(cls, BaseException):
            made.args = list(args)  # type: ignore[attr-defined]
        else:
            raise Break(f"making a {cls.__qualname__} is not captured")
        return made

    def new_object(self: Any, cls: type) -> Value:
        """What `object.__new__(cls)` gives."""
        if issubclass(cls, BaseException):
            if has_structure(cls):
                raise Break(f"making a {cls.__qualname__} is not captured", "make it outside of the compiled function, and pass it in")
            return ExceptionValue(cls, [])
        if not self.is_python_class(cls):
            raise Break(f"making a {cls.__qualname__} is not captured", "make it outside of the compiled function, and pass it in")
        refuse_finalizer(cls)
        if getattr(cls, "__abstractmethods__", None):
            self.concrete(object.__new__, cls)  # raises
        if held_class(cls) is not None:
            return new_container(self, cls, [], {})
        return ModuleObject(cls) if issubclass(cls, self.module_class) else ObjectValue(cls)


class ModuleObject(ObjectValue):
    """An nn.Module: an object that knows its path in the model, for the graph's nodes."""

    path: str | None = None

    def module_path(self) -> str | None:
        if self.path is None and self.source is not None:
            self.path = re.sub(r"\._modules\['([^']*)'\]", r".\1", self.source.text())
        return self.path


SUGGESTIONS = {
    "print": "print outside of the compiled function; the graph goes on behind it",
    "input": "read input outside of the compiled function",
    "open": "read files outside of the compiled function",
    **dict.fromkeys(
        (f"{name}{unit}" for name in ("time", "perf_counter", "monotonic", "process_time", "thread_time") for unit in ("", "_ns")), "measure time outside of the compiled function",
    ),
    **dict.fromkeys(("datetime.now", "datetime.utcnow", "datetime.today", "date.today", "localtime", "strftime"), "ask for the time outside of the compiled function, and pass it in"),
}


def refuse_finalizer(cls: type) -> None:
    if entry_of(cls, "__del__")[0] is not MISSING:
        raise Break(f"making a {cls.__qualname__}, which has a __del__, is not captured")


def too_many(code: types.CodeType, given: int, optional: int, keywords: int) -> str:
    """What Python says when a function gets more positional arguments than it takes; of those by keyword alone it got `keywords`."""
    count = code.co_argcount
    takes = f"from {count - optional} to {count}" if optional else str(count)
    plural = "" if count == 1 and not optional else "s"
    more = f" positional argument{'' if given == 1 else 's'} (and {keywords} keyword-only argument{'' if keywords == 1 else 's'})" if keywords else ""
    return f"takes {takes} positional argument{plural} but {given}{more} {'was' if given == 1 and not keywords else 'were'} given"


def missing(names: list[str], kind: str) -> str:
    """What Python says when a function does not get what it needs."""
    shown = [f"'{name}'" for name in names]
    listed = shown[0] if len(shown) == 1 else " and ".join(shown) if len(shown) == 2 else f"{', '.join(shown[:-1])}, and {shown[-1]}"
    return f"missing {len(names)} required {kind} argument{'' if len(names) == 1 else 's'}: {listed}"
