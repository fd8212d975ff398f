"""torch.fx, as programs for PyTorch look it up: marks for a symbolic tracer that is not here."""

from segue.eager.fx import *  # noqa: F403
