"""Functions of Python's library that are answered here in place of being followed: regular expressions, single dispatch, namespaces, facts of the machine.

In come Values, out go Values. The one idea: patterns and matches do not change, so they are constants like the strings they are made of; and of a generic function only the table of
its implementations matters.
"""

from __future__ import annotations

import _hashlib
import abc
import array
import ast
import binascii
import functools
import hashlib
import inspect
import io
import json
import logging
import os
import pickle
import random
import re
import struct
import sys
import types
import zlib
from typing import Any

import numpy as np

from ...eager.accelerators import device_count, is_available, is_current_stream_capturing
from ...eager.cuda import accelerator
from ...eager.functional.creation import empty
from ...eager.functional.elementary import is_tensor
from ...eager.nn.parameter import Parameter
from ...eager.scripting import is_scripting, tracing_state
from ...eager.tensor import Tensor
from ...graph.symbolic import SymInt
from .. import guards, sources
from . import followed
from .builtins import BUILTINS, FUNCTIONS, METHODS, pure
from .constructors import CONSTRUCTORS
from .outcome import Break
from .values.base import Value
from .values.buffers import pack_into
from .values.constants import Constant, constant
from .values.exceptions import new_group, same_history
from .values.functions import FunctionValue, MethodValue
from .values.library_objects import making, plain_data
from .values.patterns import PatternValue, compiled, pattern_function
from .values.texts import text_of, varying

# -- re ------------------------------------------------------------------------------------------------------------------------


for _function in (re.match, re.search, re.fullmatch, re.findall, re.split, re.sub, re.subn, re.finditer):
    FUNCTIONS[_function] = pattern_function(_function.__name__)
FUNCTIONS[re.compile] = lambda run, pattern, flags=Constant(0): pattern if isinstance(pattern, PatternValue) else run.make(compiled(run, pattern, flags))
FUNCTIONS[re.escape] = lambda run, text: run.make(run.concrete(re.escape, run.python(text)))


# -- functools.singledispatch --------------------------------------------------------------------------------------------------


DISPATCH = functools.singledispatch(len).dispatch.__code__  # type: ignore[attr-defined]


def dispatch(run: Any, function: Any, cls: Value) -> Value:
    """The implementation that a generic function has for a class: its table is guarded, and what it inherits from. """
    place = DISPATCH.co_freevars.index("registry")
    cell: Any = run.cell(function.real.__closure__[place], sources.Item(sources.Closure(function.path()), place))
    registry = cell.get(run)
    registry.guard_keys(run)
    run.guard_order(cls.real)
    if not any(hasattr(key, "__abstractmethods__") for key in registry.real):
        return registry.item(run, run.wrap_known(next(base for base in cls.real.__mro__ if base in registry.real)))
    fact(abc.get_cache_token)(run)  # what belongs to abstract classes stays so
    chosen = run.concrete(function.real, cls.real)
    return registry.item(run, run.wrap_known(next(key for key, item in registry.real.items() if item is chosen)))


if sys.version_info >= (3, 13):
    FUNCTIONS[functools.singledispatchmethod.__get__] = lambda run, *args: run.call(run.wrap_known(followed.bind_dispatched), list(args), {})


# -- struct: as bytes, but for what writes into memory


BUILTINS[struct.pack_into] = pack_into
BUILTINS[struct.iter_unpack] = lambda run, *args: run.sequence_iterator(run.make(run.concrete(lambda *plain: list(struct.iter_unpack(*plain)), *map(run.plain, args))))


# -- JSON, checksums, hashes, and other functions and objects of plain data


def _dumps(run: Any, obj: Value, **named: Value) -> Value:
    options = plain_options(run, "json.dumps", named)
    if (held := varying(run, obj)) is not None and (text := text_of(run, "json_of", held, run.make(options))) is not None:
        return text
    return run.make(run.concrete(json.dumps, plain_data(run, obj), **options))


def plain_options(run: Any, what: str, named: dict[str, Value]) -> dict[str, Any]:
    if any(issubclass(value.type(), (type, types.FunctionType, types.MethodType)) for value in named.values()):
        raise Break(f"{what}() with a function or class of its own is not captured", "call it outside of the compiled function")
    return {name: plain_data(run, value) for name, value in named.items()}


def computed(function: Any) -> Any:
    """A function of plain data, which is called."""
    return lambda run, *args, **named: run.make(run.concrete(function, *[plain_data(run, arg) for arg in args], **plain_options(run, function.__qualname__, named)))


FUNCTIONS[json.dumps] = _dumps
for _reader in (json.loads, ast.literal_eval):
    FUNCTIONS[_reader] = computed(_reader)
for _coder in (*(f for f in vars(binascii).values() if isinstance(f, types.BuiltinFunctionType)), zlib.crc32, zlib.adler32, zlib.compress, zlib.decompress):
    BUILTINS[_coder] = computed(_coder)
for _hash in (*(f for name, f in vars(_hashlib).items() if name.startswith("openssl_")), _hashlib.new, np.random.default_rng):
    BUILTINS[_hash] = making(_hash)
for _class in (hashlib.blake2b, hashlib.blake2s, random.Random, np.random.RandomState, io.StringIO, io.BytesIO, array.array):
    CONSTRUCTORS[_class] = lambda run, cls, args, kwargs: making(cls)(run, *args, **kwargs)


# -- logging ---------------------------------------------------------------------------------------------------------------------


def _logger(run: Any, name: Value = Constant(None)) -> Value:
    """The logger of a name, which is always the same one."""
    plain = run.python(name)
    with run.outside():
        found = run.concrete(logging.getLogger, plain)
    run.guard(guards.Predicate((), functools.partial(_still, logging.getLogger, (plain,), found), f"getLogger({plain!r}) is {found!r}"))
    return run.wrap(found, sources.Constant(found, f"logger {plain!r}"))


def _log(run: Any, *args: Value, **named: Value) -> Value:
    raise Break("a message that is logged ends the graph", "log outside of the compiled function; what its level leaves out ends nothing")


FUNCTIONS[logging.getLogger] = _logger
FUNCTIONS[logging.Logger._log] = _log


# -- pickle: the bytes of plain data -------------------------------------------------------------------------------------------


def dumps(run: Any, value: Value, protocol: Value = Constant(None)) -> Value:
    """What a cache makes of its keyword arguments. Pickle writes an object that it meets again as the one before: what is equal, and may be one object or two, is not captured."""
    return run.make(run.concrete(pickle.dumps, _each_once(run.python(value), set()), run.python(protocol)))


def _each_once(value: Any, seen: set) -> Any:
    """Plain data, sizes as they are in this call. Raises Break for anything else, and for texts that occur twice."""
    if type(value) in (list, tuple):
        return type(value)([_each_once(item, seen) for item in value])
    if type(value) is dict:
        return {_each_once(key, seen): _each_once(item, seen) for key, item in value.items()}
    if isinstance(value, SymInt):
        return int(value)
    if type(value) not in (bool, int, float, type(None), str, bytes) or (type(value) in (str, bytes) and value in seen):
        raise Break("pickle.dumps() of what holds more than plain data, each text once, is not captured")
    seen.add(value)
    return value


BUILTINS[pickle.dumps] = dumps


# -- groups of exceptions --------------------------------------------------------------------------------------------------------


def _group_init(run: Any, owner: Any, *args: Value) -> Value:
    owner.args = list(args)
    return constant(None)


BUILTINS[BaseExceptionGroup.__new__] = lambda run, cls, *args: new_group(run, cls.real, *args)
FUNCTIONS[followed.same_history] = same_history
METHODS[BaseExceptionGroup, "__init__"] = _group_init
METHODS[BaseExceptionGroup, "__str__"] = lambda run, owner: owner.text(run)
for _name in ("split", "subgroup", "derive"):
    METHODS[BaseExceptionGroup, _name] = lambda run, *args, _follow=getattr(followed, _name): run.call(run.wrap_known(_follow), list(args), {})


# -- types.SimpleNamespace -----------------------------------------------------------------------------------------------------


def _fill(run: Any, owner: Any, *args: Value, **kwargs: Value) -> Value:
    if args:
        raise Break("a SimpleNamespace of a mapping is not captured")
    for name, value in kwargs.items():
        owner.store_own(run, name, value)
    return constant(None)


METHODS[types.SimpleNamespace, "__init__"] = _fill
for _name in ("__setattr__", "__delattr__", "__getattribute__", "__ne__"):
    METHODS[types.SimpleNamespace, _name] = METHODS[object, _name]
METHODS[types.SimpleNamespace, "__eq__"] = lambda run, *args: run.call(run.wrap_known(followed.equal_namespaces), list(args), {})
METHODS[types.SimpleNamespace, "__repr__"] = lambda run, *args: run.call(run.wrap_known(followed.text_of_namespace), list(args), {})


# -- inspect -------------------------------------------------------------------------------------------------------------------


def _signature(run: Any, obj: Value, **named: Value) -> Value:
    """The signature of a plain function, or of one bound to an object, as it is; others are found out by following the library."""
    function = obj.function if isinstance(obj, MethodValue) else obj
    if named or not isinstance(function, FunctionValue) or not function.real.__dict__.keys().isdisjoint(("__wrapped__", "__signature__")):
        return run.follow(run.wrap_known(inspect.signature), [obj], named)
    run.guard_code(function)
    run.guard(guards.Is(sources.FunctionDefaults(function.path()), function.real.__defaults__))
    named, place = function.real.__kwdefaults__, sources.FunctionKwDefaults(function.path())
    run.guard(guards.Is(place, None) if named is None else guards.DictKeys(place, tuple(named)))
    for name, value in (named or {}).items():
        run.guard(guards.Is(sources.DictValue(place, name), value))
    found = inspect.signature(function.real if function is obj else types.MethodType(function.real, run))
    run.only_here = "a signature is an object of this process"
    return run.wrap(found, sources.Constant(found, f"signature of {function.describe()}"))


FUNCTIONS[inspect.signature] = _signature


# -- os, and what the machine has ----------------------------------------------------------------------------------------------


def _fspath(run: Any, path: Value) -> Value:
    return path if type(path.real) in (str, bytes) else run.call(path.attribute(run, "__fspath__"), [], {})


def fact(function: Any) -> Any:
    """A function of the machine or the process, of plain data: what it answers is guarded, by asking again."""

    def handler(run: Any, *args: Value) -> Value:
        plain = tuple(plain_data(run, arg) for arg in args)
        found = run.concrete(function, *plain)
        run.guard(guards.Predicate((), functools.partial(_still, function, plain, found), f"{function.__qualname__}({', '.join(map(repr, plain))}) is {found!r:.60}"))
        return constant(found)

    return handler


def _still(function: Any, args: tuple, found: Any) -> bool:
    return function(*args) == found


BUILTINS[os.fspath] = _fspath
for _name in ("normpath", "splitroot"):  # since 3.13 written in C
    if isinstance(getattr(os.path, _name, None), types.BuiltinFunctionType):
        BUILTINS[getattr(os.path, _name)] = pure(getattr(os.path, _name))
for _fact in (is_available, is_current_stream_capturing, device_count, os.path.exists, os.path.isfile, os.path.isdir):
    FUNCTIONS[_fact] = BUILTINS[_fact] = fact(_fact)
for _asked in (os.getpid, os.cpu_count, os.getcwd, sys.getrecursionlimit):
    BUILTINS[_asked] = fact(_asked)
FUNCTIONS[is_scripting] = lambda run: Constant(False)  # is_tracing is the same function
FUNCTIONS[tracing_state] = lambda run: Constant(None)
FUNCTIONS[accelerator] = lambda run: run.wrap(accelerator(), sources.Constant(accelerator(), "the GPU's library"))
FUNCTIONS[is_tensor] = lambda run, obj: BUILTINS[isinstance](run, obj, run.make(Tensor))


# -- einops --------------------------------------------------------------------------------------------------------------------


def fill_registries() -> None:
    """einops looks for the library of a type of tensors at its first call with one, walks subclasses and writes a registry, which would end the graphs of all
    callers of a first `rearrange`: it is asked before a capture, where it takes segue for PyTorch (`segue.torch`)."""
    backends, torch = sys.modules.get("einops._backends"), sys.modules.get("torch")
    known = getattr(backends, "_type2backend", None)
    if backends is None or known is None or getattr(torch, "Tensor", None) is not Tensor:
        return
    for example in (empty(0), Parameter(empty(0))):
        if type(example) not in known:
            backends.get_backend(example)
