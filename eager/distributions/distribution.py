"""The base classes of all distributions: shapes, checks of arguments, and what follows from other methods.

In come parameters, out go draws and log-densities. The one idea: a draw has shape `sample_shape + batch_shape + event_shape`; a log-density has one number
for each event. Whether values lie within their constraints is checked where they are known; captured code is not broken for it.
"""

from __future__ import annotations

from typing import Any

from .. import functional as F
from ..autograd.engine import grad
from ..autograd.mode import enable_grad, no_grad
from ..shapes import Size
from ..tensor import Tensor
from . import constraints
from .utils import lazy_property


class Distribution:
    """Base class. `validate_args=False` leaves out the checks of parameters and values.

    Raises ValueError for a parameter or a value outside of its constraint, NotImplementedError for what a distribution has not.
    """

    has_rsample = False
    has_enumerate_support = False
    _validate_args = __debug__
    arg_constraints: Any = {}
    support: Any = None

    def __init__(self, batch_shape: Any = (), event_shape: Any = (), validate_args: bool | None = None) -> None:
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether arguments are checked where `validate_args` is not given."""
        if value not in (True, False):
            raise ValueError(f"set_default_validate_args() takes True or False, not {value!r}")
        Distribution._validate_args = value

    def _check_parameters(self) -> None:
        for name, constraint in self.arg_constraints.items():
            if constraints.is_dependent(constraint) or (name in self._derived and name not in self.__dict__):
                continue
            value = getattr(self, name)
            if not constraints.all_hold(constraint.check(value)):
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of distribution {self!r} "
                    f"to satisfy the constraint {constraint!r}, but found invalid values:\n{value}"
                )

    def _validate_sample(self, value: Any) -> None:
        """Raise ValueError where `value` is no tensor, does not broadcast with the distribution, or lies outside of its support."""
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        count = len(self._event_shape)
        if count and tuple(value.shape[value.ndim - count :]) != tuple(self._event_shape):
            raise ValueError(
                f"The right-most size of value must match event_shape: {tuple(value.shape)} vs {tuple(self._event_shape)}."
            )
        for i, j in zip(reversed(value.shape), reversed(self._batch_shape + self._event_shape)):
            if i != 1 and j != 1 and i != j:
                raise ValueError(f"Value is not broadcastable with batch_shape+event_shape: {tuple(value.shape)} vs "
                                 f"{tuple(self._batch_shape + self._event_shape)}.")  # fmt: skip
        support = self.support
        if support is not None and not constraints.all_hold(support.check(value)):
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(value.shape)}) to be within the support ({support!r}) "
                f"of the distribution {self!r}, but found invalid values:\n{value}"
            )

    def _get_checked_instance(self, cls: type, _instance: Any = None) -> Any:
        """A bare object for `expand` to fill. Raises NotImplementedError for a subclass with an `__init__` and no `expand` of its own."""
        if _instance is None and type(self).__init__ is not cls.__init__:  # type: ignore[misc]
            raise NotImplementedError(f"Subclass {type(self).__name__} of {cls.__name__} that defines a custom __init__ method must also define a custom "
                                      ".expand() method.")  # fmt: skip
        return type(self).__new__(type(self)) if _instance is None else _instance

    # Parameters that expand with the batch, in the order of __init__; what most distributions need for `expand` and `repr`.
    _parameters: tuple[str, ...] = ()

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same distribution with its batch broadcast to `batch_shape`."""
        if not self._parameters:
            raise NotImplementedError(f"{type(self).__name__} has no expand()")
        new = self._get_checked_instance(type(self)._owner, _instance)
        shape = Size(batch_shape)
        for name in self._parameters:
            if name in self.__dict__:
                value = self.__dict__[name]
                rest = tuple(value.shape[len(self._batch_shape) :])
                setattr(new, name, F.expand(value, tuple(shape) + rest))
        self._copy_rest(new)
        Distribution.__init__(new, shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def _copy_rest(self, new: Any) -> None:
        """What `expand` copies besides the parameters."""

    _owner: Any = None  # the class whose __init__ made `_parameters`
    _derived: Any = frozenset()  # the parameters that follow from others unless an instance has them

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "_parameters" in cls.__dict__:
            cls._owner = cls
        if isinstance(cls.arg_constraints, dict):
            cls._derived = frozenset(name for name in cls.arg_constraints if isinstance(getattr(cls, name, None), (property, lazy_property)))

    @property
    def batch_shape(self) -> Size:
        """The shape of the distributions that this one stands for."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of one draw."""
        return self._event_shape

    @property
    def mean(self) -> Tensor:
        """The mean."""
        raise NotImplementedError(f"{type(self).__name__} has no mean")

    @property
    def mode(self) -> Tensor:
        """The place of the highest density."""
        raise NotImplementedError(f"{type(self)} does not implement mode")

    @property
    def variance(self) -> Tensor:
        """The variance."""
        raise NotImplementedError(f"{type(self).__name__} has no variance")

    @property
    def stddev(self) -> Tensor:
        """The standard deviation."""
        return F.sqrt(self.variance)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """A draw of shape sample_shape + batch_shape + event_shape, without a gradient."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """A draw that moves with the parameters: its gradient is that of the draw."""
        raise NotImplementedError(f"{type(self).__name__} has no rsample(): its draws are no differentiable function of the parameters")

    def sample_n(self, n: int) -> Tensor:
        """`sample((n,))`, the older name."""
        return self.sample((n,))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density or probability at `value`, one number for each event."""
        raise NotImplementedError(f"{type(self).__name__} has no log_prob()")

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of no more than `value`."""
        raise NotImplementedError(f"{type(self).__name__} has no cdf()")

    def icdf(self, value: Tensor) -> Tensor:
        """The value whose cdf is `value`."""
        raise NotImplementedError(f"{type(self).__name__} has no icdf()")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values of a discrete distribution along dimension 0."""
        raise NotImplementedError(f"{type(self).__name__} has no enumerate_support()")

    def entropy(self) -> Tensor:
        """The entropy in nats."""
        raise NotImplementedError(f"{type(self).__name__} has no entropy()")

    def perplexity(self) -> Tensor:
        """exp(entropy)."""
        return F.exp(self.entropy())

    def _extended_shape(self, sample_shape: Any = ()) -> Size:
        return Size((*Size(sample_shape), *self._batch_shape, *self._event_shape))

    def __repr__(self) -> str:
        names = [name for name in self.arg_constraints if name in self.__dict__]
        parts = []
        for name in names:
            value = self.__dict__[name]
            parts.append(f"{name}: {value if value.numel() == 1 else value.shape}")
        return f"{type(self).__name__}({', '.join(parts)})"


class ExponentialFamily(Distribution):
    """Densities h(x) exp(<eta, t(x)> - A(eta)): the entropy follows from A by automatic derivatives (Nielsen and Nock 2010)."""

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        raise NotImplementedError(f"{type(self).__name__} names no natural parameters")

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no _log_normalizer()")

    @property
    def _mean_carrier_measure(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no _mean_carrier_measure")

    def entropy(self) -> Tensor:
        """A(eta) - <eta, grad A(eta)> - the mean of log h."""
        parameters = [p.detach().requires_grad_() for p in self._natural_params]
        with enable_grad():
            normalizer = self._log_normalizer(*parameters)
            slopes = grad(F.sum(normalizer), parameters, create_graph=True)
        found = -self._mean_carrier_measure + normalizer
        for parameter, slope in zip(parameters, slopes):
            found = found - F.reshape(parameter * slope, (*self._batch_shape, -1)).sum(-1)
        return found
