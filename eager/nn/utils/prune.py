"""Pruning: a mask over a parameter, so that some of its elements are zero and stay so.

In come a module and the name of a parameter, out goes the module, whose `name` is now the product of `name_orig` (a parameter) and `name_mask` (a buffer),
computed anew before each forward. The one idea: a method only makes a mask from what an element is worth (its importance); pruning again looks only at
what is left (magnitude pruning: Han et al., 2015, "Learning both weights and connections for efficient neural networks").
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...autograd.mode import no_grad
from ...errors import error
from ...functional.creation import rand_like, randperm, zeros_like
from ...functional.joining import cat
from ...functional.linalg.legacy import norm
from ...tensor import Tensor
from ..module import Module
from ..parameter import Parameter


def _count(amount: float, size: int, what: str) -> int:
    """How many of `size` to prune. Raises TypeError and ValueError for an amount that is no share and no number of them."""
    if isinstance(amount, bool) or not isinstance(amount, (int, float)):
        raise error(TypeError, f"Invalid type of amount: {amount!r}. Must be int or float.")
    if amount < 0 or (isinstance(amount, float) and amount > 1):
        raise error(ValueError, f"amount={amount} should either be a float in the range [0.0, 1.0] or a non-negative integer")
    if isinstance(amount, int) and amount > size:
        raise error(ValueError, f"amount={amount} should be smaller than the number of {what} to prune={size}")
    return amount if isinstance(amount, int) else round(amount * size)


def _lowest(worth: Tensor, count: int) -> Tensor:
    """A mask over a row that is 0 at the `count` lowest."""
    mask = worth.detach() * 0 + 1
    if count:
        mask[worth.topk(count, largest=False).indices] = 0
    return mask


class BasePruningMethod:
    """A way to make a mask. Subclasses give `compute_mask(t, default_mask)` and, where it is not "unstructured", `PRUNING_TYPE`."""

    PRUNING_TYPE = "unstructured"
    _tensor_name: str

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask for elements worth `t`, of which `default_mask` is 0 where they are pruned already."""
        raise NotImplementedError(f"{type(self).__name__} has no compute_mask()")

    def further(self, t: Tensor, mask: Tensor) -> Tensor:
        """The mask after pruning what `mask` has left."""
        out = mask.detach().clone()
        if self.PRUNING_TYPE == "global":
            return self.compute_mask(t, mask)
        if self.PRUNING_TYPE == "unstructured":
            left = mask == 1
            out[left] = self.compute_mask(t[left], mask[left])
            return out
        dim = self.dim % t.ndim  # type: ignore[attr-defined]
        left = mask.sum([d for d in range(t.ndim) if d != dim]) != 0
        places = left.nonzero().reshape(-1)
        return out.index_copy(dim, places, self.compute_mask(t.index_select(dim, places), mask.index_select(dim, places)))

    def apply_mask(self, module: Module) -> Tensor:
        """The parameter times its mask."""
        original, mask = getattr(module, self._tensor_name + "_orig"), getattr(module, self._tensor_name + "_mask")
        return mask.to(original.dtype) * original

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    @classmethod
    def apply(cls, module: Module, name: str, *args: Any, importance_scores: Tensor | None = None, **kwargs: Any) -> BasePruningMethod:
        """Prune `module.name` by a method made from the further arguments. Raises ValueError for scores of another shape."""
        method = cls(*args, **kwargs)
        method._tensor_name = name
        key = next((k for k, (hook, *_) in module._forward_pre_hooks.items() if _prunes(hook, name)), None)
        original = getattr(module, name) if key is None else getattr(module, name + "_orig")
        worth = original if importance_scores is None else importance_scores
        if tuple(worth.shape) != tuple(original.shape):
            raise error(ValueError, f"importance_scores should have the same shape as parameter {name} of {module}")
        if key is not None:
            before = module._forward_pre_hooks.pop(key)[0]
            if importance_scores is None:
                worth = getattr(module, name)
            with no_grad():
                mask = method.further(worth, getattr(module, name + "_mask"))
            container = before if isinstance(before, PruningContainer) else PruningContainer(before)
            container.add_pruning_method(method)
            setattr(module, name + "_mask", mask)
            method = container
        else:
            with no_grad():
                mask = method.further(worth.detach(), zeros_like(original) + 1)
            del module._parameters[name]
            module.register_parameter(name + "_orig", Parameter(original.detach(), original.requires_grad))
            module.register_buffer(name + "_mask", mask)
        setattr(module, name, method.apply_mask(module))
        module.register_forward_pre_hook(method)
        return method

    def prune(self, t: Tensor, default_mask: Tensor | None = None, importance_scores: Tensor | None = None) -> Tensor:
        """A tensor with what the method prunes set to zero."""
        start = zeros_like(t) + 1 if default_mask is None else default_mask
        return t * self.further(t if importance_scores is None else importance_scores, start)

    def remove(self, module: Module) -> None:
        """Make the pruned tensor the parameter again."""
        name = self._tensor_name
        parameter = getattr(module, name + "_orig")
        with no_grad():
            parameter.data = self.apply_mask(module).detach()
        if name in module.__dict__:
            delattr(module, name)
        del module._parameters[name + "_orig"], module._buffers[name + "_mask"]
        module.register_parameter(name, parameter)


def _prunes(hook: Any, name: str) -> bool:
    return isinstance(hook, BasePruningMethod) and hook._tensor_name == name


class PruningContainer(BasePruningMethod):
    """Several methods, one after the other."""

    def __init__(self, *args: BasePruningMethod) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: BasePruningMethod) -> None:
        """One more. Raises TypeError for what is no method, ValueError for one of another tensor."""
        if not isinstance(method, BasePruningMethod):
            raise error(TypeError, f"{type(method)} is not a BasePruningMethod subclass")
        if self._pruning_methods and method._tensor_name != self._tensor_name:
            raise error(ValueError, f"a container of {self._tensor_name} cannot hold a method that acts on {method._tensor_name}")
        self._tensor_name = method._tensor_name
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Any:
        return iter(self._pruning_methods)

    def __getitem__(self, place: int) -> BasePruningMethod:
        return self._pruning_methods[place]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask of the newest method."""
        return self._pruning_methods[-1].further(t, default_mask)


class Identity(BasePruningMethod):
    """Prunes nothing: what it leaves is a mask of ones."""

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask


class RandomUnstructured(BasePruningMethod):
    """Prunes elements at random: `amount` of them, or that share."""

    def __init__(self, amount: float) -> None:
        _count(amount, int(amount) if isinstance(amount, (int, float)) else 0, "elements")
        self.amount = amount

    def worth(self, t: Tensor) -> Tensor:
        """What an element is worth: chance."""
        return rand_like(t)

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        count = _count(self.amount, t.numel(), "parameters")
        return default_mask * _lowest(self.worth(t).reshape(-1), count).reshape(tuple(t.shape)).to(default_mask.dtype)


class L1Unstructured(RandomUnstructured):
    """Prunes the elements of the smallest absolute value."""

    def worth(self, t: Tensor) -> Tensor:
        """What an element is worth: its size."""
        return t.abs()


class RandomStructured(BasePruningMethod):
    """Prunes whole slices along `dim` at random."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, dim: int = -1) -> None:
        _count(amount, int(amount) if isinstance(amount, (int, float)) else 0, "channels")
        self.amount, self.dim = amount, dim

    def worth(self, t: Tensor) -> Tensor:
        """What a slice is worth: chance."""
        return randperm(t.shape[self.dim], device=t.device).to(t.dtype)

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if t.ndim < 2:
            raise error(ValueError, f"structured pruning needs a tensor of at least 2 dimensions, not {t.ndim}")
        if not -t.ndim <= self.dim < t.ndim:
            raise error(IndexError, f"Invalid index {self.dim} for tensor of size {tuple(t.shape)}")
        keep = _lowest(self.worth(t), _count(self.amount, t.shape[self.dim], "channels"))
        return default_mask * keep.reshape([-1 if d == self.dim % t.ndim else 1 for d in range(t.ndim)]).to(default_mask.dtype)


class LnStructured(RandomStructured):
    """Prunes the slices along `dim` of the smallest n-norm."""

    def __init__(self, amount: float, n: Any, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def worth(self, t: Tensor) -> Tensor:
        """What a slice is worth: its norm."""
        return norm(t, p=self.n, dim=[d for d in range(t.ndim) if d != self.dim % t.ndim])


class CustomFromMask(BasePruningMethod):
    """Prunes where a given mask is 0."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask * self.mask.to(default_mask.dtype)


def identity(module: Module, name: str) -> Module:
    """A mask of ones for `module.name`."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Module, name: str, amount: float) -> Module:
    """Prune elements of `module.name` at random."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: Module, name: str, amount: float, importance_scores: Tensor | None = None) -> Module:
    """Prune the elements of `module.name` of the smallest absolute value (or score).

    >>> from segue import nn
    >>> layer = l1_unstructured(nn.Linear(4, 2), "weight", amount=3)
    >>> int((layer.weight == 0).sum()), sorted(name for name, _ in layer.named_parameters())
    (3, ['bias', 'weight_orig'])
    """
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: Module, name: str, amount: float, dim: int) -> Module:
    """Prune slices of `module.name` along `dim` at random."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(module: Module, name: str, amount: float, n: Any, dim: int, importance_scores: Tensor | None = None) -> Module:
    """Prune the slices of `module.name` along `dim` of the smallest n-norm."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def global_unstructured(parameters: Any, pruning_method: type[BasePruningMethod], importance_scores: Any = None, **kwargs: Any) -> None:
    """Prune many parameters, given as (module, name) pairs, as if they were one. Raises TypeError for other methods than unstructured ones."""
    if not isinstance(parameters, Iterable):
        raise error(TypeError, "global_unstructured(): parameters is not an Iterable")
    pairs, scores = list(parameters), importance_scores or {}
    if pruning_method.PRUNING_TYPE != "unstructured":
        raise error(TypeError, f'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method of type {pruning_method.PRUNING_TYPE}')
    worth = [scores.get(pair, getattr(*pair)).detach() for pair in pairs]
    masks = [getattr(module, name + "_mask", zeros_like(getattr(module, name)) + 1) for module, name in pairs]
    method = pruning_method(**kwargs)
    flat = method.further(cat([w.reshape(-1) for w in worth]), cat([m.detach().reshape(-1) for m in masks]))
    start = 0
    for (module, name), mask in zip(pairs, masks):
        custom_from_mask(module, name, flat[start : start + mask.numel()].reshape(tuple(mask.shape)))
        start += mask.numel()


def custom_from_mask(module: Module, name: str, mask: Tensor) -> Module:
    """Prune `module.name` where `mask` is 0."""
    CustomFromMask.apply(module, name, mask)
    return module


def remove(module: Module, name: str) -> Module:
    """Make the pruned tensor the parameter again: the zeros stay until it is trained. Raises ValueError where nothing is pruned."""
    for key, (hook, *_) in list(module._forward_pre_hooks.items()):
        if _prunes(hook, name):
            hook.remove(module)
            del module._forward_pre_hooks[key]
            return module
    raise error(ValueError, f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed")


def is_pruned(module: Module) -> bool:
    """Whether a parameter of the module, or of one below it, is pruned."""
    return any(isinstance(hook, BasePruningMethod) for one in module.modules() for hook, *_ in one._forward_pre_hooks.values())
