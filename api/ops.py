"""Operators under PyTorch's internal names, `segue.ops.aten.add.Tensor(x, y)`, and those that programs made: `segue.ops.mine.sine(x)`."""

from typing import Any

from segue.eager.aten import aten
from segue.eager.library import NAMESPACES, load_library


def __getattr__(name: str) -> Any:
    """The operators of a namespace that a program has made. Raises AttributeError where there is none."""
    if name not in NAMESPACES:
        raise AttributeError(f"segue.ops has no namespace {name!r}; segue.library.custom_op makes operators")
    return globals().setdefault(name, NAMESPACES[name])


__all__ = ["aten", "load_library"]
