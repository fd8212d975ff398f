"""torch.fx, as programs for PyTorch look it up: marks for a symbolic tracer that is not here."""

from segue.eager.absent import Graph, GraphModule, Interpreter, Node, Proxy, Tracer, Transformer, replace_pattern  # noqa: F401
from segue.eager.fx import *  # noqa: F403
