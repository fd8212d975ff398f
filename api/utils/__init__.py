"""Utilities: data sets and the loader, checkpoints."""

from . import _foreach_utils, _mode_utils, checkpoint, data, dlpack, hooks

__all__ = ["_foreach_utils", "_mode_utils", "checkpoint", "data", "dlpack", "hooks"]
