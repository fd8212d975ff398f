"""Ready parametrisations of weights: weight norm and spectral norm, and their older forms that work by hooks.

In come a module and the name of its weight, out goes the module, whose weight is computed before use. The one idea: both forms share the two formulas at the top. Weight norm: Salimans and
Kingma, 2016; spectral norm: Miyato et al., 2018.
"""

from __future__ import annotations

from typing import Any

from ...autograd.mode import no_grad
from ...functional.creation import randn
from ...functional.normalization import normalize
from ...tensor import Tensor
from ..conv import _ConvTranspose
from ..module import Module
from ..parameter import Parameter
from . import parametrize


def _length(v: Tensor, dim: int | None) -> Tensor:
    """The 2-norm over every dimension but `dim`, which stays; None or -1: over all."""
    if dim is None or dim == -1:
        return v.square().sum().sqrt()
    dim = dim % v.ndim
    dims = tuple(d for d in range(v.ndim) if d != dim)
    return (v.square().sum(dims, keepdim=True) if dims else v.square()).sqrt()


def _scaled(g: Tensor, v: Tensor, dim: int | None) -> Tensor:
    return v * (g / _length(v, dim))


def _matrix(weight: Tensor, dim: int) -> Tensor:
    """The weight with `dim` as rows and all else as columns."""
    return (weight if dim == 0 else weight.movedim(dim, 0)).flatten(1)


def _iterate(matrix: Tensor, u: Tensor, v: Tensor, count: int, eps: float, right_first: bool = False) -> None:
    """Power iteration for the largest singular value, in place: the left vector first, or the right one."""
    with no_grad():
        matrix = matrix.detach()
        for _ in range(count):
            if right_first:
                v.copy_(normalize(matrix.t() @ u, dim=0, eps=eps))
            u.copy_(normalize(matrix @ v, dim=0, eps=eps))
            if not right_first:
                v.copy_(normalize(matrix.t() @ u, dim=0, eps=eps))


def _start(size: int, like: Tensor, eps: float) -> Tensor:
    with no_grad():
        return normalize(randn(size, dtype=like.dtype, device=like.device), dim=0, eps=eps)


# ---------------------------------------------------------------------------------------------------------------- as parametrisations


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return _scaled(weight_g, weight_v, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return _length(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """weight = g v / |v|, with one length g for each place of `dim` (None: one for all). The originals are g and v.

    >>> from segue import nn
    >>> list(weight_norm(nn.Linear(3, 2)).state_dict())
    ['bias', 'parametrizations.weight.original0', 'parametrizations.weight.original1']
    """
    return parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)


class _SpectralNorm(Module):
    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        if n_power_iterations <= 0:
            raise ValueError(f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}")
        if not -weight.ndim <= dim < weight.ndim:
            raise IndexError(f"Dimension out of range (expected to be in range of [{-weight.ndim}, {weight.ndim - 1}] but got {dim})")
        self.dim = dim % weight.ndim
        self.eps = eps
        if weight.ndim > 1:
            self.n_power_iterations = n_power_iterations
            matrix = _matrix(weight.detach(), self.dim)
            self.register_buffer("_u", _start(matrix.shape[0], weight, eps))
            self.register_buffer("_v", _start(matrix.shape[1], weight, eps))
            _iterate(matrix, self._u, self._v, 15, eps)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return normalize(weight, dim=0, eps=self.eps)
        matrix = _matrix(weight, self.dim)
        if self.training:
            _iterate(matrix, self._u, self._v, self.n_power_iterations, self.eps)
        u, v = self._u.clone(), self._v.clone()
        return weight / (u @ (matrix @ v))

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def _default_dim(module: Module, dim: int | None) -> int:
    return (1 if isinstance(module, _ConvTranspose) else 0) if dim is None else dim


def spectral_norm(module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None) -> Module:
    """weight / its largest singular value, found by power iteration, a step in each training forward.

    `dim` is the dimension of outputs: 1 for transposed convolutions, else 0. Raises ValueError for a name that the module does not have.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return parametrize.register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, _default_dim(module, dim), eps))


# ---------------------------------------------------------------------------------------------------------------- the older forms, as hooks


class _HookNorm:
    """A forward pre-hook that computes the weight `name` from other members."""

    def __init__(self, name: str) -> None:
        self.name = name

    def compute(self, module: Module) -> Tensor:
        raise NotImplementedError

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute(module))


class _WeightNormHook(_HookNorm):
    def __init__(self, name: str, dim: int) -> None:
        super().__init__(name)
        self.dim = dim

    def compute(self, module: Module) -> Tensor:
        return _scaled(getattr(module, self.name + "_g"), getattr(module, self.name + "_v"), self.dim)


class _SpectralNormHook(_HookNorm):
    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float) -> None:
        super().__init__(name)
        self.n_power_iterations, self.dim, self.eps = n_power_iterations, dim, eps

    def compute(self, module: Module) -> Tensor:
        weight = getattr(module, self.name + "_orig")
        u, v = getattr(module, self.name + "_u"), getattr(module, self.name + "_v")
        matrix = _matrix(weight, self.dim)
        if module.training:
            _iterate(matrix, u, v, self.n_power_iterations, self.eps, right_first=True)
            u, v = u.clone(), v.clone()
        return weight / (u @ (matrix @ v))


def _taken(module: Module, name: str, kind: type[_HookNorm]) -> Tensor:
    """The weight, taken out of the registry. Raises RuntimeError where a hook of this kind is already there."""
    if any(isinstance(hook, kind) and hook.name == name for hook, *_ in module._forward_pre_hooks.values()):
        raise RuntimeError(f"Cannot register two {kind.__name__[1:-4]} hooks on the same parameter {name}")
    weight = module._parameters[name]
    del module._parameters[name]
    return weight


def _removed(module: Module, name: str, kind: type[_HookNorm], leftovers: tuple[str, ...]) -> Module:
    for key, (hook, *_) in list(module._forward_pre_hooks.items()):
        if isinstance(hook, kind) and hook.name == name:
            with no_grad():
                weight = hook.compute(module)
            delattr(module, name)
            for suffix in leftovers:
                delattr(module, name + suffix)
            module.register_parameter(name, Parameter(weight.detach()))
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"{name} of {module} is not normalised by a hook of this kind")


def hook_weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """`torch.nn.utils.weight_norm`: parameters NAME_g and NAME_v, and a hook that computes the weight before each forward."""
    weight = _taken(module, name, _WeightNormHook)
    hook = _WeightNormHook(name, -1 if dim is None else dim)
    module.register_parameter(name + "_g", Parameter(_length(weight.detach(), dim)))
    module.register_parameter(name + "_v", Parameter(weight.detach()))
    setattr(module, name, hook.compute(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Undo `torch.nn.utils.weight_norm`: the weight keeps its value. Raises ValueError where there is none."""
    return _removed(module, name, _WeightNormHook, ("_g", "_v"))


def hook_spectral_norm(module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None) -> Module:
    """`torch.nn.utils.spectral_norm`: the parameter NAME_orig, buffers NAME_u and NAME_v, and a hook that computes the weight before each forward."""
    weight = _taken(module, name, _SpectralNormHook)
    hook = _SpectralNormHook(name, n_power_iterations, _default_dim(module, dim), eps)
    matrix = _matrix(weight.detach(), hook.dim)
    module.register_parameter(name + "_orig", Parameter(weight.detach()))
    setattr(module, name, weight.detach())
    module.register_buffer(name + "_u", _start(matrix.shape[0], weight, eps))
    module.register_buffer(name + "_v", _start(matrix.shape[1], weight, eps))
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Undo `torch.nn.utils.spectral_norm`: the weight keeps its value. Raises ValueError where there is none."""
    return _removed(module, name, _SpectralNormHook, ("_u", "_v", "_orig"))
