"""`autograd.forward_ad`: tangents carried by tensors, between entering and leaving a level.

In come tensors and their directions, out go dual tensors and, when they are unpacked, the derivatives along them. The one idea: a level is the one that
`segue.func.jvp` makes (eager/transforms/dual.py), entered by hand; so levels nest, and operators, views and in-place operations are its.
"""

from __future__ import annotations

from typing import NamedTuple

from ..errors import AutogradError, DtypeError, ShapeError, error
from ..tensor import Tensor
from ..transforms.dual import DualLevel

_entered: list[DualLevel] = []


class UnpackedDualTensor(NamedTuple):
    """A value and its tangent (None: it has none)."""

    primal: Tensor
    tangent: Tensor | None


def enter_dual_level() -> int:
    """Enter a level, whose number is returned; tangents made from now on live in it."""
    _entered.append(DualLevel().__enter__())
    return len(_entered) - 1


def exit_dual_level(*, level: int | None = None) -> None:
    """Leave the innermost level, and with it forget its tangents. Raises RuntimeError for another level, or where there is none."""
    if not _entered or (level is not None and level != len(_entered) - 1):
        raise error(AutogradError, f"Trying to exit a forward AD level that was not the last one that was created: {level}; {len(_entered)} are entered")
    _entered.pop().__exit__()


class dual_level:  # noqa: N801  (PyTorch's name)
    """A level for the length of a block; the number of the level is what `with` gives.

    >>> import segue
    >>> with dual_level():
    ...     dual = make_dual(segue.tensor(3.0), segue.tensor(1.0))
    ...     unpack_dual(dual * dual)
    UnpackedDualTensor(primal=tensor(9.), tangent=tensor(6.))
    """

    def __enter__(self) -> int:
        self.number = enter_dual_level()
        return self.number

    def __exit__(self, *exception: object) -> None:
        exit_dual_level(level=self.number)


def _level(level: int | None, doing: str) -> DualLevel:
    number = len(_entered) - 1 if level is None else level
    if not 0 <= number < len(_entered):
        raise error(AutogradError, f"Trying to {doing} for forward AD but no level exists, make sure to enter_dual_level() first.", "with dual_level(): ...")
    return _entered[number]


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """The tensor with a tangent, at the innermost level. Raises RuntimeError without a level, or where shapes or dtypes differ."""
    found = _level(level, "create a dual Tensor")
    for what, x in (("primal", tensor), ("tangent", tangent)):
        if not (x.is_floating_point() or x.is_complex()):
            raise error(DtypeError, f"make_dual(): Expected {what} to be floating point or complex, but got: {x.dtype}")
    if tuple(tensor.shape) != tuple(tangent.shape):
        raise error(ShapeError, f"make_dual(): the tangent has shape {tuple(tangent.shape)} and the primal {tuple(tensor.shape)}")
    if tensor.dtype is not tangent.dtype:
        raise error(DtypeError, f"make_dual(): the tangent is {tangent.dtype} and the primal {tensor.dtype}", "tangent.to(primal.dtype)")
    return found.enter(tensor, tangent)


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """Value and tangent; outside of a level, or for a tensor that no dual reached, the tangent is None."""
    if not _entered and level is None:
        return UnpackedDualTensor(tensor, None)
    return UnpackedDualTensor(*_level(level, "unpack a Tensor").leave(tensor))

