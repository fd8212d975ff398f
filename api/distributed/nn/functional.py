"""The functions of `segue.distributed.nn`."""

from segue.eager.groups import all_gather, all_reduce, broadcast, gather, reduce, scatter

__all__ = ["all_gather", "all_reduce", "broadcast", "gather", "reduce", "scatter"]
