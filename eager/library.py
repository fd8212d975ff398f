"""`segue.library`: operators of one's own under a name, as programs for PyTorch register them (`@custom_op("mine::sine", mutates_args=())`).

In comes a function, out goes an operator that also stands under `segue.ops`. The one idea: such an operator is a foreign function (opaque.py) of which shape and derivative
are said later; until its shape is known, and where it writes to its arguments, a graph ends in front of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

from .autograd.graph import increment_version
from .autograd.mode import no_grad
from .errors import error
from .opaque import Foreign, positional, refusing, rule_of
from .tensor import Tensor

OPERATORS: dict[str, CustomOpDef] = {}  # by "namespace::name"
NAMESPACES: dict[str, SimpleNamespace] = {}  # what `segue.ops` shows


class CustomOpDef:
    """An operator made by `custom_op`; a function like any other to who calls it."""

    def __init__(self, name: str, fn: Callable, mutates: tuple[str, ...], device_types: Any) -> None:
        self._name, self._mutates, self.__doc__ = name, mutates, fn.__doc__
        self._signature = inspect.signature(fn)
        if any(p.kind is p.KEYWORD_ONLY for p in self._signature.parameters.values()):
            raise error(NotImplementedError, f"custom_op {name}: arguments by keyword alone are not passed on", "def f(x, *, a) as def f(x, a)")
        self._defaults = tuple(p.default for p in self._signature.parameters.values())
        self._kernels: dict[str | None, Callable] = {}
        self._foreign = Foreign(self._run, self._unknown_shape, None)
        self._foreign.name = name.replace("::", ".")
        self._fake: Callable | None = None
        self._setup: Callable = _nothing
        self._backward = refusing(f"the operator {name} has no derivative", "register_autograd, which says one")
        self.default = self  # its one overload
        self.register_kernel(device_types, fn)
        self._make_rule()

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._name})>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = positional(self._signature, args, kwargs) if kwargs else (*args, *self._defaults[len(args):])
        return self._in_graphs(*given) if self._fake is not None and not self._mutates else self._in_front_of_graphs(given)

    def _in_front_of_graphs(self, given: tuple) -> Any:
        if not self._mutates:
            return self._in_graphs(*given)
        with no_grad():
            found = self._run(*given)
        for name, x in zip(self._signature.parameters, given):
            if name in self._mutates or self._mutates == ("unknown",):
                increment_version([each for each in (x if isinstance(x, (list, tuple)) else [x]) if isinstance(each, Tensor)])
        return found

    _in_front_of_graphs.__dict__["__segue_disabled__"] = True
    _in_front_of_graphs.__dict__["__segue_disabled_reason__"] = "an operator in graphs writes to none of its arguments, and register_fake says its shape"

    def _run(self, *args: Any) -> Any:
        tensors = [x for a in args for x in (a if isinstance(a, (list, tuple)) else [a]) if isinstance(x, Tensor)]
        kind = tensors[0].device.type if tensors else "cpu"
        kernel = self._kernels.get(kind) or self._kernels.get(None)
        if kernel is None:
            raise error(NotImplementedError, f"the operator {self._name} has no kernel for {kind}", f'@{self._name.partition("::")[2]}.register_kernel("{kind}")')
        return kernel(*args)

    def _unknown_shape(self, *args: Any) -> Any:
        raise error(RuntimeError, f"There was no fake impl registered for {self}", "register_fake, which says the shape of its results")

    def _make_rule(self) -> None:
        self._in_graphs = rule_of(self._foreign, self._setup, self._backward, checked=False).apply

    def register_fake(self, fn: Callable, /) -> Callable:
        """Say what the operator gives without running it: a function of the same arguments that returns tensors of the results' shapes and dtypes."""
        self._fake = self._foreign.shape = fn
        return fn

    def register_kernel(self, device_types: str | Iterable[str] | None, fn: Callable | None = None, /) -> Callable:
        """Another function for tensors of these devices (None: for all)."""

        def register(fn: Callable) -> Callable:
            for kind in [device_types] if device_types is None or isinstance(device_types, str) else device_types:
                self._kernels[kind] = fn
            return fn

        return register if fn is None else register(fn)

    def register_autograd(self, backward: Callable, /, *, setup_context: Callable | None = None) -> None:
        """Say the derivative, as `autograd.Function` has it: `setup_context(ctx, inputs, output)` and `backward(ctx, *gradients)`."""
        if self._mutates:
            raise error(RuntimeError, f"Cannot register autograd formula for non-functional operator {self}", "an operator that returns its result")
        self._backward, self._setup = backward, setup_context or _nothing
        self._make_rule()


def _nothing(ctx: Any, inputs: tuple, output: Any) -> None:
    """Nothing is kept for the derivative."""


def custom_op(
    name: str, fn: Callable | None = None, /, *, mutates_args: str | Iterable[str], device_types: str | Iterable[str] | None = None, schema: str | None = None,
    tags: Any = None,
) -> Any:  # fmt: skip
    """Make a function the operator "namespace::name". A decorator, or called with the function. `schema` and `tags` say nothing new here.

    >>> import segue
    >>> @segue.library.custom_op("mine::sine", mutates_args=())
    ... def sine(x: segue.Tensor) -> segue.Tensor:
    ...     return segue.from_numpy(x.numpy() * 2)
    >>> @sine.register_fake
    ... def _(x):
    ...     return segue.empty_like(x)
    >>> segue.compile(lambda x: sine(x) + 1, fullgraph=True)(segue.ones(2)), segue.ops.mine.sine(segue.ones(2))
    (tensor([3., 3.]), tensor([2., 2.]))
    """
    space, _, short = name.partition("::")
    if not short:
        raise error(ValueError, f"custom_op: the name is {name!r}", '"namespace::name"')

    def make(fn: Callable) -> CustomOpDef:
        mutates = (mutates_args,) if isinstance(mutates_args, str) else tuple(mutates_args)
        OPERATORS[name] = made = CustomOpDef(name, fn, mutates, device_types)
        setattr(NAMESPACES.setdefault(space, SimpleNamespace()), short, made)
        return made

    return make if fn is None else make(fn)


def _operator(op: Any) -> CustomOpDef:
    found = op if isinstance(op, CustomOpDef) else OPERATORS.get(op)
    if found is None:
        raise error(RuntimeError, f"operator {op} does not exist", "custom_op first")
    return found


def register_fake(op: Any, func: Callable | None = None, /, *, lib: Any = None, _stacklevel: int = 1, allow_override: bool = True) -> Any:
    """`register_fake` of the operator of that name; a decorator, or called with the function. Raises RuntimeError where there is none."""
    found = _operator(op)
    return found.register_fake if func is None else found.register_fake(func)


def register_kernel(op: Any, device_types: str | Iterable[str] | None, func: Callable | None = None, /, *, lib: Any = None) -> Any:
    """`register_kernel` of the operator of that name."""
    return _operator(op).register_kernel(device_types, func)


def register_autograd(op: Any, backward: Callable, /, *, setup_context: Callable | None = None, lib: Any = None) -> None:
    """`register_autograd` of the operator of that name."""
    _operator(op).register_autograd(backward, setup_context=setup_context)


def load_library(path: Any) -> None:
    """Raises OSError: libraries of PyTorch's operators are written against its C++ classes."""
    raise error(OSError, f"{path}: libraries of PyTorch's operators cannot be loaded", "segue.library.custom_op around a Python function")
