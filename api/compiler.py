"""What surrounds `segue.compile`: forgetting, keeping code out, asking, counting, and what holds for all compiled objects."""

from segue.capture.compile import allow_in_graph, assume_constant, assume_constant_result, disable, graph_break, is_compiling, reset, stats
from segue.capture.marks import mark_dynamic, mark_static, maybe_mark_dynamic
from segue.capture.shapes import Dim
from segue.capture.stance import set_stance
from segue.graph.backends import register_backend

is_dynamo_compiling = is_compiling

__all__ = [
    "Dim", "allow_in_graph", "assume_constant", "assume_constant_result", "disable", "graph_break", "is_compiling", "is_dynamo_compiling", "mark_dynamic", "mark_static", "maybe_mark_dynamic",
    "register_backend", "reset", "set_stance", "stats",
]  # fmt: skip
