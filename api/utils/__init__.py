"""Utilities: data sets and the loader, checkpoints."""

from . import _mode_utils, checkpoint, data, dlpack, hooks

__all__ = ["_mode_utils", "checkpoint", "data", "dlpack", "hooks"]
