"""The operators: one row each (see definition.py), in modules by kind. Importing this package fills `OPS`."""

from . import creation, indexing, pointwise, pooling, products, random, reductions, scans, scatter, views
from .definition import OPS

__all__ = ["OPS", "creation", "indexing", "pointwise", "pooling", "products", "random", "reductions", "scans", "scatter", "views"]
