"""The state of modules: `state_dict`, and loading one.

In comes a module's tree, out goes a dict of its tensors by dotted name, or the other way round. The one idea: loading first walks the whole tree and only notes what it would write where; it is
written when nothing was wrong, so that a bad state dict changes nothing.
"""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..autograd.mode import no_grad
from ..tensor import Tensor
from .hooks import Hooks, RemovableHandle, add_hook, hooks_of
from .parameter import Parameter

EXTRA = "_extra_state"


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` left out: names that the module has and the dict has not, and the other way round."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


_pending: list[list[Callable[[], None]]] = []  # what the loads in progress will write


class Stateful:
    """The part of `Module` that saves and loads."""

    _version = 1
    _parameters: dict
    _buffers: dict
    _modules: dict
    _non_persistent: set
    _state_hooks: Hooks

    # ------------------------------------------------------------------------------------------------------------ hooks

    def _add_state_hook(self, kind: str, hook: Callable) -> RemovableHandle:
        return add_hook(self._state_hooks, kind, hook)

    def _run_state_hooks(self, kind: str, *args: Any) -> Any:
        result = None
        for (hook,) in hooks_of(self._state_hooks, kind):
            result = hook(*args)
        return result

    def register_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(module, prefix, keep_vars)` before the module's state is taken."""
        return self._add_state_hook("before saving", hook)

    def register_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata)` behind it; it may change the dict in place."""

        def checked(*args: Any) -> None:
            if hook(*args) is not None:
                raise RuntimeError("state_dict post-hook must return None")

        return self._add_state_hook("after saving", checked)

    def _register_state_dict_hook(self, hook: Callable) -> RemovableHandle:
        """The older form: what the hook returns, unless None, replaces the dict."""
        return self._add_state_hook("after saving", hook)

    def register_load_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)` before the module loads."""
        return self._add_state_hook("before loading", hook)

    def _register_load_state_dict_pre_hook(self, hook: Callable, with_module: bool = False) -> RemovableHandle:
        return self._add_state_hook("before loading", hook if with_module else lambda module, *args: hook(*args))

    def register_load_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(module, incompatible_keys)` when everything was loaded; it may change the lists of names in place."""
        return self._add_state_hook("after loading", hook)

    # ------------------------------------------------------------------------------------------------------------ saving

    def get_extra_state(self) -> Any:
        """What else belongs to the state; a class that has some writes this and `set_extra_state`."""
        raise NotImplementedError(f"{type(self).__name__}.get_extra_state() is missing; write it beside set_extra_state()")

    def set_extra_state(self, state: Any) -> None:
        """Take back what `get_extra_state` gave."""
        raise NotImplementedError(f"{type(self).__name__}.set_extra_state() is missing; write it beside get_extra_state()")

    def _has_extra(self, method: str) -> bool:
        return getattr(type(self), method) is not getattr(Stateful, method)

    def _own_state(self) -> dict[str, Tensor]:
        members = dict(self._parameters)
        members.update((name, buffer) for name, buffer in self._buffers.items() if name not in self._non_persistent)
        return {name: member for name, member in members.items() if member is not None}

    def _save_to_state_dict(self, destination: dict, prefix: str, keep_vars: bool) -> None:
        for name, member in self._own_state().items():
            destination[prefix + name] = member if keep_vars else member.detach()
        if self._has_extra("get_extra_state"):
            destination[prefix + EXTRA] = self.get_extra_state()

    def state_dict(self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> dict[str, Any]:
        """Name -> tensor of every parameter and persistent buffer. The tensors share memory with the module; they are detached unless `keep_vars`."""
        if args:  # by position, as PyTorch still takes them
            given: tuple[Any, ...] = (*args, *(destination, prefix, keep_vars)[len(args) :])
            destination, prefix, keep_vars = given
        found: Any = OrderedDict() if destination is None else destination
        if destination is None:
            found._metadata = OrderedDict()  # the version of each module by prefix, as in PyTorch
        metadata = {"version": self._version}
        if hasattr(found, "_metadata"):
            found._metadata[prefix[:-1]] = metadata
        self._run_state_hooks("before saving", self, prefix, keep_vars)
        self._save_to_state_dict(found, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=found, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        replaced = self._run_state_hooks("after saving", self, found, prefix, metadata)
        return found if replaced is None else replaced

    # ------------------------------------------------------------------------------------------------------------ loading

    def _load_from_state_dict(
        self, state_dict: dict, prefix: str, local_metadata: dict, strict: bool, missing_keys: list, unexpected_keys: list, error_msgs: list
    ) -> None:
        """Note what to write into this module's own members, and what is wrong; submodules come after it."""
        self._run_state_hooks("before loading", self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        own = self._own_state()
        assign = local_metadata.get("assign_to_params_buffers", False)
        for name, member in own.items():
            key = prefix + name
            if key in state_dict:
                error_msgs.extend(self._note(name, member, key, state_dict[key], assign))
            elif strict:
                missing_keys.append(key)
        if self._has_extra("set_extra_state"):
            if prefix + EXTRA in state_dict:
                _pending[-1].append(functools.partial(self.set_extra_state, state_dict[prefix + EXTRA]))
            elif strict:
                missing_keys.append(prefix + EXTRA)
        if strict:
            unexpected_keys.extend(key for key in state_dict if key.startswith(prefix) and not self._knows(key[len(prefix) :], own))

    def _knows(self, key: str, own: dict) -> bool:
        head, _, rest = key.partition(".")
        if key == EXTRA and self._has_extra("set_extra_state"):
            return True
        return head in self._modules and bool(rest) or key in own

    def _note(self, name: str, member: Tensor, key: str, value: Any, assign: bool) -> list[str]:
        if not isinstance(value, Tensor):
            return [f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like object from checkpoint but received '
                f"{type(value)}"]  # fmt: skip
        if value.ndim == 1 and value.numel() == 1 and member.ndim == 0:
            value = value.reshape(())
        if tuple(value.shape) != tuple(member.shape):
            return [f"size mismatch for {key}: copying a param with shape {value.shape} from checkpoint, the shape in current model is {member.shape}."]
        if member.is_meta and not value.is_meta and not assign:
            warnings.warn(f"for {key}: copying to a meta parameter, which has no memory, is a no-op; pass assign=True, or call to_empty() first", stacklevel=6)
            return []
        if assign:
            _pending[-1].append(lambda: self._assign(name, member, value))
        else:
            if value.dtype.is_complex and not member.dtype.is_complex:
                return [f'While copying the parameter named "{key}": a complex tensor does not go into {member.dtype}']
            _pending[-1].append(lambda: _copy(member, value))
        return []

    def _assign(self, name: str, member: Tensor, value: Tensor) -> None:
        if not isinstance(member, Parameter):
            self._buffers[name] = value
        else:
            self._parameters[name] = value if isinstance(value, Parameter) else Parameter(value.detach(), member.requires_grad)

    def _load(self, state_dict: dict, prefix: str, strict: bool, assign: bool, found: tuple[list, list, list], after: list) -> None:
        metadata = dict(getattr(state_dict, "_metadata", {}).get(prefix[:-1], {}), assign_to_params_buffers=assign)
        self._load_from_state_dict(state_dict, prefix, metadata, True, *found)
        for name, module in self._modules.items():
            if module is not None:
                below = f"{prefix}{name}."
                module._load(_below(state_dict, below), below, strict, assign, found, after)
        after.append(self)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> IncompatibleKeys:
        """Copy values into the parameters and buffers by name (or, with `assign`, put the tensors themselves there).

        Returns the names that did not match. Raises RuntimeError listing every problem when shapes differ, or, with `strict`, when names do; then nothing
        was changed.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        values: Any = OrderedDict(state_dict)
        values._metadata = getattr(state_dict, "_metadata", OrderedDict())
        missing, unexpected, problems = found = ([], [], [])  # type: ignore[var-annotated]
        after: list[Stateful] = []
        _pending.append([])
        try:
            self._load(values, "", strict, assign, found, after)
            writes = _pending[-1]
        finally:
            _pending.pop()
        keys = IncompatibleKeys(missing, unexpected)
        for module in after:
            if module._run_state_hooks("after loading", module, keys) is not None:
                raise AssertionError("Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return new values; they change the keys in place")
        if strict:
            for what, names in (("Missing", missing), ("Unexpected", unexpected)):
                if names:
                    problems.insert(0, f"{what} key(s) in state_dict: {', '.join(chr(34) + name + chr(34) for name in names)}. ")
        if problems:
            raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}:\n\t" + "\n\t".join(problems))
        for write in writes:
            write()
        return keys


def _copy(member: Tensor, value: Tensor) -> None:
    with no_grad():
        member.copy_(value)


def _below(state_dict: Any, prefix: str) -> Any:
    part: Any = OrderedDict((key, value) for key, value in state_dict.items() if key.startswith(prefix))
    part._metadata = state_dict._metadata
    return part
