"""`Parameter`: a tensor that a module trains, and `Buffer`: one that it only keeps.

In comes a tensor, out goes one that shares its memory, a parameter wanting a gradient. The one idea: the class itself is the mark; assigning one to an
attribute of a `Module` registers it.
"""

from __future__ import annotations

from typing import Any

from ..errors import AutogradError, error
from ..functional.creation import empty
from ..tensor import Tensor


class Parameter(Tensor):
    """A leaf tensor that `Module` registers and optimizers change.

    Shares memory with `data`. Raises TypeError for what is no tensor, RuntimeError for a dtype that has no gradient.

    >>> import segue
    >>> Parameter(segue.tensor([1.0, 2.0]))
    Parameter containing:
    tensor([1., 2.], requires_grad=True)
    """

    __slots__ = ()

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Parameter:
        if data is None:
            data = empty(0)
        if not isinstance(data, Tensor):
            raise error(TypeError, f"a Parameter is made from a Tensor, not from {type(data).__name__}", "nn.Parameter(segue.tensor(data))")
        if requires_grad and not (data.dtype.is_floating_point or data.dtype.is_complex):
            raise error(AutogradError, f"a Parameter of dtype {data.dtype} cannot require a gradient", "nn.Parameter(data, requires_grad=False)")
        made = cls._wrap(data._data, data._storage)
        made._requires_grad = requires_grad
        return made  # type: ignore[return-value]

    def __deepcopy__(self, memo: dict) -> Parameter:
        """A parameter of the same values, in memory of its own; neither its gradient nor what a user put on it goes along."""
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.detach().clone(), self.requires_grad)
        return memo[id(self)]


class Buffer(Tensor):
    """A tensor that `Module` registers as a buffer when it is assigned to an attribute; saved in `state_dict` unless not `persistent`.

    Raises TypeError for what is no tensor.
    """

    __slots__ = ()

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Buffer:
        if data is None:
            data = empty(0)
        if not isinstance(data, Tensor):
            raise error(TypeError, f"a Buffer is made from a Tensor, not from {type(data).__name__}", "nn.Buffer(segue.tensor(data))")
        made: Any = cls._wrap(data._data, data._storage)
        made.persistent = persistent
        return made
