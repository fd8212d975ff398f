"""segue._dynamo: what PyTorch keeps under this name and programs call, from segue.compiler."""

from segue.compiler import disable, graph_break, is_compiling, mark_dynamic, mark_static, maybe_mark_dynamic, reset

__all__ = ["disable", "graph_break", "is_compiling", "mark_dynamic", "mark_static", "maybe_mark_dynamic", "reset"]
