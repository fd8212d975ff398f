"""Utilities: data sets and the loader, checkpoints."""

from . import _mode_utils, checkpoint, data

__all__ = ["_mode_utils", "checkpoint", "data"]
