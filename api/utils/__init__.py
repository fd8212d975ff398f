"""Utilities; `segue.utils.data` has the data sets and the loader."""

from . import data

__all__ = ["data"]
