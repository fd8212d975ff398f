"""How a tensor's elements are stored: `strided`, and the names of other ways that programs compare with."""

from __future__ import annotations

from typing import Any

from .errors import error


class layout:  # noqa: N801  (PyTorch's name)
    """How a tensor's elements are stored. All tensors are `strided`; the others are names that programs compare with."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"segue.{self.name}"

    def __reduce__(self) -> str:
        return self.name  # copies and pickles are it


class memory_format(layout):  # noqa: N801  (PyTorch's name)
    """The order of dimensions in memory. Accepted where PyTorch takes one; tensors here are row-major, so the strides asked for may not come."""


strided = layout("strided")
sparse_coo, sparse_csr, sparse_csc, sparse_bsr, sparse_bsc = map(layout, ("sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc"))
contiguous_format, channels_last, channels_last_3d, preserve_format = map(
    memory_format, ("contiguous_format", "channels_last", "channels_last_3d", "preserve_format")
)


def need_strided(asked: Any) -> None:
    """Raise NotImplementedError for a tensor that is to be stored in another way."""
    if asked is not None and asked is not strided:
        if not isinstance(asked, layout):
            raise error(TypeError, f"argument 'layout' must be a layout, not {type(asked).__name__}")
        raise error(NotImplementedError, f"a tensor of layout {asked}: segue has no sparse tensors", "a dense tensor: layout=strided")
