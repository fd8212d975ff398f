"""What programs ask about other processes before they train with them: `segue.distributed`.

In come questions, out go the answers of one process: no group is available, none is initialised. The one idea: a program that asks first runs alone unchanged;
one that demands a group is told so by an error.
"""

from __future__ import annotations

from typing import Any

from .errors import refusing


def is_available() -> bool:
    """Whether processes can form a group: no.

    >>> is_available()
    False
    """
    return False


is_initialized = is_nccl_available = is_gloo_available = is_mpi_available = is_torchelastic_launched = is_available


def _needs_group(name: str) -> Any:
    said = f"{name}() needs a process group, and segue has none"
    return refusing(name, f"`{name}` of a process group. Raises RuntimeError: there is none.", RuntimeError, said, "ask is_available() and is_initialized() first")


init_process_group = _needs_group("init_process_group")
destroy_process_group = _needs_group("destroy_process_group")
get_rank = _needs_group("get_rank")
get_world_size = _needs_group("get_world_size")
get_backend = _needs_group("get_backend")
new_group = _needs_group("new_group")
barrier = _needs_group("barrier")
broadcast = _needs_group("broadcast")
reduce = _needs_group("reduce")
all_reduce = _needs_group("all_reduce")
all_gather = _needs_group("all_gather")
all_gather_object = _needs_group("all_gather_object")
broadcast_object_list = _needs_group("broadcast_object_list")
gather = _needs_group("gather")
scatter = _needs_group("scatter")
send = _needs_group("send")
recv = _needs_group("recv")


class ReduceOp:
    """The names of the ways to reduce over a group."""

    SUM, AVG, PRODUCT, MIN, MAX = "sum", "avg", "product", "min", "max"
