"""Exchanges among processes that have derivatives: there are none, as there are no groups."""

from segue.distributed.nn import functional
from segue.eager.groups import all_gather, all_reduce, broadcast, gather, reduce, scatter

__all__ = ["all_gather", "all_reduce", "broadcast", "functional", "gather", "reduce", "scatter"]
