"""How PyTorch's linear_cross_entropy cuts its product into chunks: settings that are accepted and checked, and change nothing here.

In come the settings, out goes an object that holds them. The one idea: the compiler decides how a product and a loss are joined, so only their names and limits are PyTorch's.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import dtypes


@dataclass(slots=True, frozen=True)
class LinearCrossEntropyOptions:
    """The chunks of `linear_cross_entropy`. Raises ValueError for settings that mean nothing.

    >>> LinearCrossEntropyOptions(batch_chunk_size=4, chunking_method=None).acc_policy
    'auto'
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: dtypes.dtype | None = None

    def __post_init__(self) -> None:
        if self.acc_policy not in ("auto", "accurate", "balanced", "compact"):
            raise ValueError(f"invalid acc_policy: {self.acc_policy!r}; there are auto, accurate, balanced and compact")
        if self.chunking_method not in (None, "auto"):
            name, colon, factor = self.chunking_method.partition(":")
            if name != "aspect_ratio" or colon and not (factor.isdigit() and int(factor)):
                raise ValueError(f"invalid chunking_method: {self.chunking_method!r}; there are None, auto, aspect_ratio and aspect_ratio:N")
        if self.batch_chunk_size is not None and not (isinstance(self.batch_chunk_size, int) and self.batch_chunk_size > 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {self.batch_chunk_size!r}")
        if self.acc_dtype not in (None, dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64):
            raise ValueError(f"acc_dtype must be a floating dtype or None, got {self.acc_dtype!r}")
