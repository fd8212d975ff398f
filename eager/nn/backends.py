"""`segue.nn.attention`: the choice among ways to compute attention, which here is one.

In come the names of PyTorch's ways, out goes a context in which nothing changes. The one idea: attention is a composition that the compiler fuses, and gives the
same result whatever way is asked for.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class SDPBackend(enum.IntEnum):
    """The ways that PyTorch has."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


@contextmanager
def sdpa_kernel(backends: Any, set_priority: bool = False) -> Iterator[None]:
    """Accepted, and without effect. Raises TypeError for what is no SDPBackend.

    >>> with sdpa_kernel(SDPBackend.MATH):
    ...     pass
    """
    chosen = [backends] if isinstance(backends, SDPBackend) else backends
    if not isinstance(chosen, (list, tuple)) or not all(isinstance(one, SDPBackend) for one in chosen):
        raise TypeError(f"sdpa_kernel(): backends must be a SDPBackend or a list of them, not {backends!r}")
    yield
