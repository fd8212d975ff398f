"""segue._dynamo: what PyTorch keeps under this name and programs call, from segue.compiler."""

from contextlib import nullcontext as TransformGetItemToIndex  # a 0-d tensor as an index stays one under vmap here, nothing needs to be switched

from segue.capture.marks import mark_static_address
from segue.compiler import allow_in_graph, assume_constant_result, disable, graph_break, is_compiling, mark_dynamic, mark_static, maybe_mark_dynamic, reset

__all__ = [
    "TransformGetItemToIndex", "allow_in_graph", "assume_constant_result", "disable", "graph_break", "is_compiling", "mark_dynamic", "mark_static",
    "mark_static_address", "maybe_mark_dynamic", "reset",
]  # fmt: skip
