"""segue._higher_order_ops: control flow on data, where PyTorch keeps it."""

from segue.eager.control import cond, map, scan, while_loop  # noqa: A004

from . import associative_scan

__all__ = ["associative_scan", "cond", "map", "scan", "while_loop"]
