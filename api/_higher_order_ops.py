"""segue._higher_order_ops: control flow on data, where PyTorch keeps it."""

from segue.eager.control import cond, map, scan, while_loop  # noqa: A004

__all__ = ["cond", "map", "scan", "while_loop"]
