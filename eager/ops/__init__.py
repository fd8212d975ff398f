"""The operators: one row each (see definition.py), in modules by kind. Importing this package fills `OPS`."""

from . import (
    bits,
    complex,
    convolution,
    creation,
    decompositions,
    draws,
    elementary,
    folds,
    fourier,
    indexing,
    pointwise,
    pooling,
    products,
    random,
    reductions,
    scans,
    scatter,
    solving,
    special,
    spectral,
    strided,
    transfers,
    views,
)
from .definition import OPS

NAMES = tuple(OPS)  # the rows of this package; a room above may define rows of its own that stand only in graphs

__all__ = [
    "NAMES", "OPS", "bits", "complex", "convolution", "creation", "decompositions", "draws", "elementary", "folds", "fourier", "indexing", "pointwise",
    "pooling", "products", "random", "reductions", "scans", "scatter", "solving", "special", "spectral", "strided", "transfers", "views",
]  # fmt: skip
