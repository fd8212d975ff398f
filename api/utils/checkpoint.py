"""Regions of a forward that are computed again in the backward."""

from segue.eager.checkpoint import CheckpointError, checkpoint, checkpoint_sequential, detach_variable, noop_context_fn, set_checkpoint_early_stop

__all__ = ["CheckpointError", "checkpoint", "checkpoint_sequential", "detach_variable", "noop_context_fn", "set_checkpoint_early_stop"]
