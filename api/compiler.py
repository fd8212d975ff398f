"""What surrounds `segue.compile`: forgetting, keeping code out, asking, counting."""

from segue.capture.compile import disable, graph_break, is_compiling, reset, stats
from segue.capture.marks import mark_dynamic, mark_static, maybe_mark_dynamic
from segue.graph.backends import register_backend

__all__ = ["disable", "graph_break", "is_compiling", "mark_dynamic", "mark_static", "maybe_mark_dynamic", "register_backend", "reset", "stats"]
