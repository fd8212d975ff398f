"""`Module`: a tree of parameters, buffers and submodules with a `forward`.

In come assignments (`self.weight = Parameter(...)`); they are sorted into three registries, from which names, `state_dict`, `to()`, `train()` and
printing follow. Out goes a callable. The one idea: the registries are plain dicts and every walk over them is a plain loop that returns a list, so
that people, `pickle`, and the symbolic interpreter of capture/ read a module in the same simple way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from ..autograd.mode import no_grad
from ..dtypes import as_dtype, bfloat16, device, dtype, float16, float32, float64
from ..functional.creation import empty_like
from ..tensor import Tensor
from .hooks import EVERYWHERE, Hooks, KindOfHooks, RemovableHandle, add_hook, call_with_hooks
from .parameter import Buffer, Parameter
from .state import Stateful

Self = TypeVar("Self", bound="Module")
REGISTRIES = ("_parameters", "_buffers", "_modules")

_compiler: list[Callable[..., Callable]] = []


def install_compiler(compile: Callable[..., Callable]) -> None:  # noqa: A002  (the public name)
    """Called once by capture/, which this room cannot import: what `Module.compile` compiles with."""
    _compiler[:] = [compile]


class Module(Stateful):
    """Base class of all modules: set submodules and parameters in `__init__`, compute in `forward`.

    >>> from segue.eager import nn
    >>> class Scale(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.inner = nn.Linear(3, 2)
    ...     def forward(self, x):
    ...         return self.inner(x) * 2
    >>> Scale()
    Scale(
      (inner): Linear(in_features=3, out_features=2, bias=True)
    )
    >>> [name for name, _ in Scale().named_parameters()]
    ['inner.weight', 'inner.bias']
    """

    training: bool
    forward: Callable[..., Any]
    _call_hooks: Hooks
    _compiled_call: Callable[..., Any] | None = None
    _forward_pre_hooks, _forward_hooks, _backward_pre_hooks, _backward_hooks = KindOfHooks(), KindOfHooks(), KindOfHooks(), KindOfHooks()

    def __init__(self) -> None:
        state = self.__dict__
        state["training"] = True
        state["_parameters"] = {}
        state["_buffers"] = {}
        state["_modules"] = {}
        state["_non_persistent"] = set()
        state["_call_hooks"] = {}
        state["_state_hooks"] = {}

    def forward(self, *args: Any, **kwargs: Any) -> Any:  # type: ignore[no-redef]
        """What the module computes; every subclass writes its own."""
        raise NotImplementedError(f"{type(self).__name__} has no forward(); write one to call the module")

    # ---------------------------------------------------------------------------------------------------------- calls

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        compiled = self._compiled_call
        if compiled is not None:
            return compiled(*args, **kwargs)
        return self._call(*args, **kwargs)

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        if self._call_hooks or EVERYWHERE:
            return call_with_hooks(self, args, kwargs)
        return self.forward(*args, **kwargs)

    def register_forward_pre_hook(self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False) -> RemovableHandle:
        """Call `hook(module, args)` before each forward; what it returns, unless None, replaces the arguments.

        With `with_kwargs` it is `hook(module, args, kwargs)`, and returns both.
        """
        return add_hook(self._call_hooks, "_forward_pre_hooks", hook, prepend, with_kwargs)

    def register_forward_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args, result)` after each forward; what it returns, unless None, replaces the result.

        With `with_kwargs` it is `hook(module, args, kwargs, result)`; with `always_call` it runs, on None, even when something raised.
        """
        return add_hook(self._call_hooks, "_forward_hooks", hook, prepend, with_kwargs, always_call)

    def register_full_backward_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_output)` when the gradients of the results are there; what it returns, unless None, replaces them."""
        return add_hook(self._call_hooks, "_backward_pre_hooks", hook, prepend)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` when the gradients of the positional inputs are there; it may return other ones."""
        self._one_kind_of_backward_hooks(True)
        return add_hook(self._call_hooks, "_backward_hooks", hook, prepend)

    def register_backward_hook(self, hook: Callable) -> RemovableHandle:
        """`register_full_backward_hook`, under the name that PyTorch deprecates. Raises RuntimeError on a module that has hooks of the other name."""
        self._one_kind_of_backward_hooks(False)
        return add_hook(self._call_hooks, "_backward_hooks", hook)

    def _one_kind_of_backward_hooks(self, full: bool) -> None:
        if self.__dict__.setdefault("_is_full_backward_hook", full) is not full:
            raise RuntimeError("Cannot use both regular backward hooks and full backward hooks on a single Module. Please use only one of them.")

    def compile(self, **options: Any) -> None:
        """Compile the module in place with `segue.compile`'s options: calls run compiled, all else (names, type, identity) stays as it was."""
        if not _compiler:
            raise RuntimeError("Module.compile() needs the compiler; import segue")
        self.__dict__["_compiled_call"] = _compiler[0](self._call, **options)

    # ------------------------------------------------------------------------------------------------------ registries

    def __setattr__(self, name: str, value: Any) -> None:
        state = self.__dict__
        if "_parameters" not in state:
            if isinstance(value, (Parameter, Module, Tensor)):
                raise AttributeError(f"cannot assign '{name}' before Module.__init__() ran; call super().__init__() first")
            object.__setattr__(self, name, value)
        elif isinstance(value, Parameter):
            self._forget(name, keep="_parameters")
            self.register_parameter(name, value)
        elif isinstance(value, Buffer):
            self._forget(name, keep="_buffers")
            self.register_buffer(name, value, value.persistent)
        elif isinstance(value, Module):
            self._forget(name, keep="_modules")
            state["_modules"][name] = value
        elif name in state["_parameters"]:
            if value is not None:
                raise TypeError(f"cannot assign {type(value).__name__} to the parameter '{name}'; assign an nn.Parameter or None")
            state["_parameters"][name] = None
        elif name in state["_modules"]:
            if value is not None:
                raise TypeError(f"cannot assign {type(value).__name__} to the submodule '{name}'; assign an nn.Module or None")
            state["_modules"][name] = None
        elif name in state["_buffers"]:
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(f"cannot assign {type(value).__name__} to the buffer '{name}'; assign a Tensor or None")
            state["_buffers"][name] = value
        else:
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        state = self.__dict__
        for registry in REGISTRIES:
            if registry in state and name in state[registry]:
                return state[registry][name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __delattr__(self, name: str) -> None:
        for registry in REGISTRIES:
            if name in self.__dict__[registry]:
                del self.__dict__[registry][name]
                self._non_persistent.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        names = set(object.__dir__(self))
        for registry in REGISTRIES:
            names |= self.__dict__.get(registry, {}).keys()
        return sorted(names)

    def _forget(self, name: str, keep: str) -> None:
        """Remove a name wherever it stands but in the registry `keep`, so that a name means one thing."""
        self.__dict__.pop(name, None)
        for registry in REGISTRIES:
            if registry != keep:
                self.__dict__[registry].pop(name, None)
        self._non_persistent.discard(name)

    def _check_new_name(self, name: str, registry: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"the name of a member is a str, not {type(name).__name__}")
        if not name or "." in name:
            raise KeyError(f"a member's name is not empty and holds no '.': {name!r}")
        if hasattr(self, name) and name not in self.__dict__[registry]:
            raise KeyError(f"attribute '{name}' already exists")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under a name (None keeps the name for later). Raises KeyError for a bad or taken name, TypeError for other values."""
        self._check_new_name(name, "_parameters")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"parameter '{name}' is an nn.Parameter or None, not {type(param).__name__}")
        if param is not None and not param.is_leaf:
            raise ValueError(f"parameter '{name}' was computed by an operation; a parameter is a leaf: wrap its .detach() in nn.Parameter")
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that belongs to the module's state but is not trained; it is saved in `state_dict` only when persistent."""
        self._check_new_name(name, "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"buffer '{name}' is a Tensor or None, not {type(tensor).__name__}")
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent.discard(name)
        else:
            self._non_persistent.add(name)

    def register_module(self, name: str, module: Module | None) -> None:
        """Add a submodule under a name. Raises KeyError for a bad or taken name, TypeError for other values."""
        self._check_new_name(name, "_modules")
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"submodule '{name}' is an nn.Module or None, not {type(module).__name__}")
        self._modules[name] = module

    add_module = register_module

    # ----------------------------------------------------------------------------------------------------------- walks

    def _list_modules(self, prefix: str, seen: set | None) -> list[tuple[str, Module]]:
        """(name, module) of this module and all below it, parents first; `seen` leaves out what it holds."""
        if seen is not None:
            if self in seen:
                return []
            seen.add(self)
        found: list[tuple[str, Module]] = [(prefix, self)]
        for name, module in self._modules.items():
            if module is not None:
                found.extend(module._list_modules(f"{prefix}.{name}" if prefix else name, seen))
        return found

    def _list_members(self, registry: str, prefix: str, recurse: bool, remove_duplicate: bool) -> list[tuple[str, Any]]:
        found: list[tuple[str, Any]] = []
        seen: set[int] = set()
        modules = self._list_modules(prefix, set() if remove_duplicate else None) if recurse else [(prefix, self)]
        for module_name, module in modules:
            for name, member in module.__dict__[registry].items():
                if member is None or id(member) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(member))
                found.append((f"{module_name}.{name}" if module_name else name, member))
        return found

    def named_modules(self, memo: set | None = None, prefix: str = "", remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """(name, module) of this module ("" by default) and all below it, each once."""
        return iter(self._list_modules(prefix, (memo if memo is not None else set()) if remove_duplicate else None))

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all below it, each once, or without `remove_duplicate` as often as it is met."""
        return iter([module for _, module in self.named_modules(remove_duplicate=remove_duplicate)])

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of the direct submodules, each once."""
        found: dict[int, tuple[str, Module]] = {}
        for name, module in self._modules.items():
            if module is not None and id(module) not in found:
                found[id(module)] = (name, module)
        return iter(found.values())

    def children(self) -> Iterator[Module]:
        """The direct submodules, each once."""
        return iter([module for _, module in self.named_children()])

    def named_parameters(self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True) -> Iterator[tuple[str, Parameter]]:
        """(name, parameter) of this module and, with `recurse`, of all below it; shared ones once."""
        return iter(self._list_members("_parameters", prefix, recurse, remove_duplicate))

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters of this module and, with `recurse`, of all below it; shared ones once."""
        return iter([parameter for _, parameter in self._list_members("_parameters", "", recurse, True)])

    def named_buffers(self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True) -> Iterator[tuple[str, Tensor]]:
        """(name, buffer) of this module and, with `recurse`, of all below it; shared ones once."""
        return iter(self._list_members("_buffers", prefix, recurse, remove_duplicate))

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers of this module and, with `recurse`, of all below it; shared ones once."""
        return iter([buffer for _, buffer in self._list_members("_buffers", "", recurse, True)])

    def get_submodule(self, target: str) -> Module:
        """The submodule at a dotted path ("" is the module itself). Raises AttributeError naming the part that is missing."""
        module = self
        for part in filter(None, target.split(".")):
            if part not in module._modules or module._modules[part] is None:
                raise AttributeError(f"{type(module).__name__} has no submodule '{part}' (on the way to '{target}')")
            module = module._modules[part]
        return module

    def _get_member(self, target: str, registry: str, what: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if name not in module.__dict__[registry]:
            raise AttributeError(f"{type(module).__name__} has no {what} '{name}' (asked for '{target}')")
        return module.__dict__[registry][name]

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path. Raises AttributeError naming the part that is missing."""
        return self._get_member(target, "_parameters", "parameter")

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path. Raises AttributeError naming the part that is missing."""
        return self._get_member(target, "_buffers", "buffer")

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a module at a dotted path; with `strict` one must stand there already. Raises AttributeError or ValueError for a path that is not there."""
        path, _, name = target.rpartition(".")
        if not name:
            raise ValueError("Cannot set the submodule without a target name!")
        parent = self.get_submodule(path)
        if strict and name not in parent._modules:
            raise AttributeError(f"{type(parent).__name__} has no attribute '{name}' (on the way to '{target}')")
        setattr(parent, name, module)

    def apply(self: Self, fn: Callable[[Module], None]) -> Self:
        """Call `fn` on every submodule, children first, then on this module."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # ----------------------------------------------------------------------------------------------------------- modes

    def train(self: Self, mode: bool = True) -> Self:
        """Set training mode (dropout drops, batch norm uses the batch) here and below."""
        if not isinstance(mode, bool):
            raise ValueError(f"training mode is a bool, not {mode!r}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: Self) -> Self:
        """Set evaluation mode here and below; the same as `train(False)`."""
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Say for every parameter whether a gradient is wanted."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or fill them with zeros."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad = parameter.grad.detach().zero_()

    def _apply(self: Self, fn: Callable[[Tensor], Tensor]) -> Self:
        """Replace the data of every parameter (identity kept), its gradient, and every buffer by `fn` of it."""
        with no_grad():
            for module in self.modules():
                for parameter in module._parameters.values():
                    if parameter is None:
                        continue
                    changed = fn(parameter)
                    gradient = parameter.grad
                    if changed is not parameter:
                        parameter.grad = None
                        parameter.data = changed
                        if gradient is not None:
                            parameter.grad = fn(gradient)
                for name, buffer in module._buffers.items():
                    if buffer is not None:
                        module._buffers[name] = fn(buffer)
        return self

    def to(self: Self, *targets: Any, **named: Any) -> Self:
        """Move to a device and/or cast floating parameters and buffers to a dtype, in place: `to(device)`, `to(dtype)`, `to(device, dtype)`.

        Raises TypeError for a dtype that is neither floating nor complex.
        """
        where, what = named.get("device"), named.get("dtype")  # non_blocking and memory_format are accepted and change nothing
        for target in targets:
            if isinstance(target, Tensor):
                where, what = target.device, target.dtype
            elif isinstance(target, dtype):
                what = target
            elif isinstance(target, (str, int, device)) and not isinstance(target, bool):
                where = target
        if what is not None:
            what = as_dtype(what)
            if not (what.is_floating_point or what.is_complex):
                raise TypeError(f"Module.to() takes a floating or complex dtype, not {what}")

        def convert(tensor: Tensor) -> Tensor:
            if where is not None:
                tensor = tensor.to(device=where)
            return tensor.to(dtype=what) if what is not None and tensor.is_floating_point() else tensor

        return self._apply(convert)

    def float(self: Self) -> Self:
        """Cast floating parameters and buffers to float32."""
        return self.to(float32)

    def double(self: Self) -> Self:
        """Cast floating parameters and buffers to float64."""
        return self.to(float64)

    def half(self: Self) -> Self:
        """Cast floating parameters and buffers to float16."""
        return self.to(float16)

    def bfloat16(self: Self) -> Self:
        """Cast floating parameters and buffers to bfloat16."""
        return self.to(bfloat16)

    def type(self: Self, dst_type: Any) -> Self:
        """Cast all parameters and buffers to a dtype."""
        wanted = as_dtype(dst_type)
        return self._apply(lambda tensor: tensor.to(dtype=wanted))

    def to_empty(self: Self, *, device: Any, recurse: bool = True) -> Self:
        """Fresh, unfilled memory on a device for all parameters and buffers: what a module that was made on the meta device needs."""
        return self._apply(lambda tensor: empty_like(tensor, device=device))

    def share_memory(self: Self) -> Self:
        """The module itself: its memory is shared with processes that are forked."""
        return self

    def cpu(self: Self) -> Self:
        """Move to the processor's memory."""
        return self.to("cpu")

    def cuda(self: Self, device: Any = None) -> Self:
        """Move to a GPU."""
        return self.to(f"cuda:{device}" if isinstance(device, int) else device or "cuda")

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        state.pop("_compiled_call", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for hooks in ("_call_hooks", "_state_hooks"):
            self.__dict__.setdefault(hooks, {})

    # -------------------------------------------------------------------------------------------------------- printing

    def extra_repr(self) -> str:
        """What stands between the brackets when a module is printed; subclasses write their own."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr().splitlines()
        children = [f"({name}): " + repr(module).replace("\n", "\n  ") for name, module in self._modules.items()]
        if not children and len(extra) < 2:
            return f"{self._get_name()}({''.join(extra)})"
        return "\n  ".join([f"{self._get_name()}(", *extra, *children]) + "\n)"
