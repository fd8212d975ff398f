"""Regions of a forward that are computed again in the backward."""

from segue.eager.checkpoint import (
    CheckpointError, checkpoint, checkpoint_sequential, detach_variable, get_device_states, noop_context_fn, set_checkpoint_early_stop, set_device_states,
)  # fmt: skip

__all__ = [
    "CheckpointError", "checkpoint", "checkpoint_sequential", "detach_variable", "get_device_states", "noop_context_fn", "set_checkpoint_early_stop",
    "set_device_states",
]  # fmt: skip
