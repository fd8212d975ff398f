"""Utilities; `segue.utils.data` has the data sets and the loader."""

from . import _mode_utils, data

__all__ = ["_mode_utils", "data"]
