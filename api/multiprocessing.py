"""Python's multiprocessing, with PyTorch's names beside it."""

from multiprocessing import *  # noqa: F403
from multiprocessing import __all__ as _standard

from segue.eager.processes import (
    ProcessRaisedException, SpawnContext, get_all_sharing_strategies, get_sharing_strategy, set_sharing_strategy, spawn, start_processes,
)  # fmt: skip

__all__ = [
    *_standard, "ProcessRaisedException", "SpawnContext", "get_all_sharing_strategies", "get_sharing_strategy", "set_sharing_strategy", "spawn",
    "start_processes",
]  # fmt: skip
