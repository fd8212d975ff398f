"""Lazy modules: layers that learn from their first input how many features it has.

In comes a layer without its input's size, out goes, with the first call (or a loaded state), the ordinary layer. The one idea: parameters stand uninitialised
in the registries; a hook before the first forward gives them their shape, and the module then becomes an object of the ordinary class.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from ..autograd.mode import no_grad
from ..dtypes import int64
from ..functional.creation import empty, tensor
from ..tensor import Storage, Tensor
from .conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .linear import Linear
from .normalization import BatchNorm1d, BatchNorm2d, BatchNorm3d, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from .parameter import Parameter


class _Nothing(np.ndarray):
    """The array of a tensor without a shape. As no plain array it always goes the dispatcher's general way, which asks for the shape."""


class Uninitialized(Tensor):
    """A tensor without a shape. Asking for the shape raises RuntimeError; `materialize` gives it one."""

    __slots__ = ()
    becomes: type = Tensor

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Memory of that shape; the object becomes an ordinary one."""
        made = empty(tuple(shape), device=device, dtype=dtype or self.dtype)
        self._data, self._storage = made._data, Storage()
        self.__class__ = self.becomes  # type: ignore[assignment]

    @property
    def shape(self) -> Any:
        """Raises RuntimeError."""
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in `load_state_dict` when trying to load an "
            "uninitialized parameter into an initialized one. Call `forward` to initialize the parameters before accessing their attributes."
        )

    def detach(self) -> Any:
        """Itself: so it stands in a `state_dict`."""
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (self.requires_grad, None, self.dtype)

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"<{type(self).__name__}>"

    def __deepcopy__(self, memo: dict) -> Any:
        return type(self)(requires_grad=self.requires_grad, dtype=self.dtype)  # type: ignore[call-arg]


class UninitializedParameter(Uninitialized, Parameter):
    """A parameter whose shape is not known yet.

    >>> p = UninitializedParameter()
    >>> p.materialize((2, 3))
    >>> type(p).__name__, p.shape
    ('Parameter', segue.Size([2, 3]))
    """

    __slots__ = ()
    becomes = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> UninitializedParameter:
        made: Any = Parameter.__new__(cls, empty(0, device=device, dtype=dtype), requires_grad)
        made._data = made._data.view(_Nothing)
        return made


class UninitializedBuffer(Uninitialized):
    """A buffer whose shape is not known yet."""

    __slots__ = ()

    def __new__(cls, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True) -> UninitializedBuffer:
        made = empty(0, device=device, dtype=dtype)
        return cls._wrap(made._data.view(_Nothing), made._storage)  # type: ignore[return-value]


def is_lazy(param: Any) -> bool:
    """Whether a parameter or buffer has no shape yet."""
    return isinstance(param, Uninitialized)


def _infer(module: Any, args: tuple, kwargs: dict) -> None:
    """The hook: shapes from the first input, then the ordinary class."""
    module.initialize_parameters(*args, **kwargs)
    if module.has_uninitialized_params():
        raise RuntimeError(f"module {type(module).__name__} has not been fully initialized")
    module._initialize_hook.remove()
    del module._initialize_hook
    if module.cls_to_become is not None:
        module.__class__ = module.cls_to_become


class LazyModuleMixin:
    """For classes with lazy parameters: `initialize_parameters(*args)` gives them shapes from the first input; `cls_to_become` is the class afterwards."""

    cls_to_become: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._initialize_hook = self.register_forward_pre_hook(_infer, with_kwargs=True)  # type: ignore[attr-defined]

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Give the parameters their shapes. Raises NotImplementedError where a class has not written it."""
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer of this module has no shape yet."""
        return any(is_lazy(member) for registry in ("_parameters", "_buffers") for member in self.__dict__[registry].values())

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *rest: Any) -> None:
        for registry in ("_parameters", "_buffers"):
            for name, member in self.__dict__[registry].items():
                given = state_dict.get(prefix + name)
                if is_lazy(member) and isinstance(given, Tensor) and not is_lazy(given):
                    member.materialize(given.shape)
        super()._load_from_state_dict(state_dict, prefix, *rest)  # type: ignore[misc]


class LazyLinear(LazyModuleMixin, Linear):
    """A `Linear` whose in_features is the last size of its first input.

    >>> from segue import nn, ones
    >>> layer = LazyLinear(2)
    >>> layer(ones(5, 3)).shape, layer
    (segue.Size([5, 2]), Linear(in_features=3, out_features=2, bias=True))
    """

    cls_to_become = Linear

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(0, 0, False, device=device, dtype=dtype)
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_features = out_features
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw the parameters anew, where they have shapes."""
        if not self.has_uninitialized_params() and self.in_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        if not self.has_uninitialized_params():
            self.in_features = self.weight.shape[1]  # from a loaded state
            return
        with no_grad():
            self.in_features = input.shape[-1]
            self.weight.materialize((self.out_features, self.in_features))
            if self.bias is not None:
                self.bias.materialize((self.out_features,))
            self.reset_parameters()


class _LazyConv(LazyModuleMixin):
    """A convolution whose in_channels are those of its first input."""

    def __init__(self, out_channels: int, kernel_size: Any, *args: Any, **kwargs: Any) -> None:
        bound = inspect.signature(self.cls_to_become.__init__).bind(self, 0, 0, kernel_size, *args, **kwargs)
        bound.apply_defaults()
        given = dict(bound.arguments)
        for extra in ("args", "kwargs"):
            value = given.pop(extra, None)
            given.update(value if isinstance(value, dict) else {})
        given.pop("self")
        bias, options = given.pop("bias"), {name: given[name] for name in ("device", "dtype")}
        super().__init__(bias=False, **given)
        self.weight = UninitializedParameter(**options)
        self.out_channels = out_channels
        if bias:
            self.bias: Any = UninitializedParameter(**options)

    def reset_parameters(self) -> None:
        """Draw the parameters anew, where they have shapes."""
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self: Any, input: Tensor, *args: Any, **kwargs: Any) -> None:
        if not self.has_uninitialized_params():
            self.in_channels = self.weight.shape[0] if self.transposed else self.weight.shape[1] * self.groups
            return
        if input.ndim not in (self.rank + 1, self.rank + 2):
            raise RuntimeError(f"Expected {self.rank + 1}D (unbatched) or {self.rank + 2}D (batched) input to {type(self).__name__}, "
                               f"but got input of size: {tuple(input.shape)}")  # fmt: skip
        channels = input.shape[input.ndim - self.rank - 1]
        if channels % self.groups:
            raise ValueError(f"in_channels must be divisible by groups: {channels} by {self.groups}")
        with no_grad():
            self.in_channels = channels
            sides = (channels, self.out_channels // self.groups) if self.transposed else (self.out_channels, channels // self.groups)
            self.weight.materialize((*sides, *self.kernel_size))
            if self.bias is not None:
                self.bias.materialize((self.out_channels,))
            self.reset_parameters()


class _LazyNorm(LazyModuleMixin):
    """Batch or instance normalisation whose num_features are the channels of its first input."""

    def __init__(self, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True, track_running_stats: bool = True, device: Any = None,
                 dtype: Any = None, *, bias: bool = True) -> None:  # fmt: skip
        super().__init__(0, eps, momentum, False, False, device=device, dtype=dtype)
        self.affine, self.track_running_stats = affine, track_running_stats
        if affine:
            self.weight: Any = UninitializedParameter(device=device, dtype=dtype)
            if bias:
                self.bias: Any = UninitializedParameter(device=device, dtype=dtype)
        if track_running_stats:
            self.running_mean: Any = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var: Any = UninitializedBuffer(device=device, dtype=dtype)
            self.num_batches_tracked = tensor(0, dtype=int64, device=device)

    def reset_parameters(self) -> None:
        """As the ordinary class, where there are shapes."""
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self: Any, input: Tensor) -> None:
        members = (self.weight, self.bias, self.running_mean, self.running_var)
        if not self.has_uninitialized_params():
            self.num_features = next((m.shape[0] for m in members if m is not None), self.num_features)
            return
        unbatched = isinstance(self, (InstanceNorm1d, InstanceNorm2d, InstanceNorm3d)) and input.ndim == min(self.dims)
        self.num_features = input.shape[0 if unbatched else 1]
        for member in members:
            if member is not None:
                member.materialize((self.num_features,))
        self.reset_parameters()


def _lazy(base: type, mixin: type) -> Any:
    doc = f"A `{base.__name__}` that takes its number of channels from its first input."
    given = list(inspect.signature(base if mixin is _LazyConv else mixin).parameters.values())
    signature = inspect.Signature([p for p in given if p.name != "in_channels"])
    return type(f"Lazy{base.__name__}", (mixin, base), {"cls_to_become": base, "__doc__": doc, "__module__": __name__, "__signature__": signature})


LazyConv1d, LazyConv2d, LazyConv3d = (_lazy(base, _LazyConv) for base in (Conv1d, Conv2d, Conv3d))
LazyConvTranspose1d, LazyConvTranspose2d, LazyConvTranspose3d = (
    _lazy(base, _LazyConv) for base in (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)
)
LazyBatchNorm1d, LazyBatchNorm2d, LazyBatchNorm3d = (_lazy(base, _LazyNorm) for base in (BatchNorm1d, BatchNorm2d, BatchNorm3d))
LazyInstanceNorm1d, LazyInstanceNorm2d, LazyInstanceNorm3d = (_lazy(base, _LazyNorm) for base in (InstanceNorm1d, InstanceNorm2d, InstanceNorm3d))
