"""What happens to the tensors that the tape keeps for the backward: hooks that pack and unpack them, and keeping them on the CPU.

In come two functions, `pack(tensor)`, called where a value is saved, and `unpack(packed)`, called where the backward needs it. The one idea: a saved
value is either the tensor itself or a `Packed`, which gives the tensor back with the place on the tape that it had.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import AutogradError, error
from .mode import STATE


class Packed:
    """A saved tensor in the form that a pack hook gave it."""

    __slots__ = ("content", "unpack", "edge", "requires_grad", "wrap")

    def __init__(self, tensor: Any, edge: Any, hooks: tuple[Callable, Callable], wrap: Callable) -> None:
        pack, self.unpack = hooks
        self.wrap = wrap
        self.edge = edge
        self.requires_grad = tensor._requires_grad
        enabled, STATE.enabled = STATE.enabled, False
        try:
            self.content = pack(wrap(tensor._data, tensor._storage))
        finally:
            STATE.enabled = enabled

    def get(self) -> Any:
        """The tensor, on the tape where the saved one was. Raises TypeError where unpack gives no tensor."""
        enabled, STATE.enabled = STATE.enabled, False
        try:
            found = self.unpack(self.content)
        finally:
            STATE.enabled = enabled
        if not hasattr(found, "_data"):
            raise TypeError(f"Output of saved tensor unpack_hook expected to be a Tensor but got result of type {type(found).__name__}")
        out = self.wrap(found._data, found._storage)
        out._edge, out._requires_grad = self.edge, self.requires_grad
        return out


class saved_tensors_hooks:  # noqa: N801  (PyTorch's name)
    """Within the block each tensor that the tape keeps goes through `pack_hook(tensor)`, and comes back by `unpack_hook(packed)`.

    The innermost pair counts. Raises RuntimeError inside of `disable_saved_tensors_hooks`, and TypeError in the backward where unpack gives no tensor.

    >>> import segue
    >>> x = segue.tensor([1.0, 2.0], requires_grad=True)
    >>> with saved_tensors_hooks(lambda t: t.numpy().copy(), segue.from_numpy):
    ...     y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    tensor([2., 4.])
    """

    def __init__(self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        if STATE.hooks_disabled is not None:
            raise error(AutogradError, STATE.hooks_disabled)
        STATE.saved_hooks = (*STATE.saved_hooks, (self.pack_hook, self.unpack_hook))

    def __exit__(self, *exception: object) -> None:
        STATE.saved_hooks = STATE.saved_hooks[:-1]


def whole(function: Callable, *args: Any) -> Any:
    """Call a function that also changes something: a second run of a checkpoint, which ends as soon as all that is saved is there, ends behind it, not in the midst of it."""
    pack, unpack = STATE.saved_hooks[-1] if STATE.saved_hooks else (None, None)
    if not hasattr(pack, "within_a_call"):
        return function(*args)
    with saved_tensors_hooks(pack.within_a_call, unpack):  # type: ignore[union-attr,arg-type]
        found = function(*args)
    pack.behind_a_call()  # type: ignore[union-attr]
    return found


class save_on_cpu(saved_tensors_hooks):  # noqa: N801  (PyTorch's name)
    """Within the block saved tensors wait on the CPU and go back to their device for the backward. `pin_memory` is accepted and changes nothing."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(lambda x: (x.device, x.detach().cpu().clone()), lambda packed: packed[1].to(packed[0]))


class disable_saved_tensors_hooks:  # noqa: N801  (PyTorch's name)
    """Within the block (also a decorator) hooks for saved tensors raise RuntimeError with this message."""

    def __init__(self, error_message: str) -> None:
        self.message = error_message
        self.before: str | None = None

    def __enter__(self) -> None:
        if STATE.saved_hooks:
            raise error(AutogradError, self.message)
        self.before, STATE.hooks_disabled = STATE.hooks_disabled, self.message

    def __exit__(self, *exception: object) -> None:
        STATE.hooks_disabled = self.before

    def __call__(self, function: Callable) -> Callable:
        def inside(*args: Any, **kwargs: Any) -> Any:
            with disable_saved_tensors_hooks(self.message):
                return function(*args, **kwargs)

        return inside
