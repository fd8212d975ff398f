"""`segue.quasirandom`: Sobol points, which fill a cube more evenly than random ones.

In comes a dimension, out go points in order. The one idea: SciPy has the sequence, of the same direction numbers as PyTorch's, so the points that are not scrambled are
PyTorch's; scrambled ones follow the seed, and are others.
"""

from __future__ import annotations

import operator
from typing import Any

from .data.sampler import drawn_seed
from .dtypes import dtype as DType  # noqa: N812
from .dtypes import get_default_dtype
from .errors import error
from .functional.exchange import from_numpy
from .lazy import LazyModule
from .tensor import Tensor

qmc: Any = LazyModule("scipy.stats.qmc")


class SobolEngine:
    """Points of the Sobol sequence, `dimension` numbers in [0, 1) each; with `scramble` moved at random, by `seed` or the default generator.

    Raises ValueError for dimensions other than 1 to 21201.

    >>> SobolEngine(2).draw(3)
    tensor([[0.0000, 0.0000],
            [0.5000, 0.5000],
            [0.7500, 0.2500]])
    """

    MAXBIT = 30
    MAXDIM = 21201

    def __init__(self, dimension: int, scramble: bool = False, seed: int | None = None) -> None:
        if not 1 <= dimension <= self.MAXDIM:
            raise error(ValueError, f"Supported range of dimensionality for SobolEngine is [1, {self.MAXDIM}], got {dimension}")
        self.dimension, self.scramble, self.seed = dimension, scramble, seed
        start = seed if seed is not None or not scramble else drawn_seed()
        self._points = qmc.Sobol(dimension, scramble=scramble, bits=self.MAXBIT, seed=None if start is None else operator.index(start) % 2**63)

    @property
    def num_generated(self) -> int:
        """How many points were drawn or passed over."""
        return int(self._points.num_generated)

    def draw(self, n: int = 1, out: Tensor | None = None, dtype: DType | None = None) -> Tensor:
        """The next `n` points, as rows."""
        found = from_numpy(self._points.random(n)).to(dtype or get_default_dtype())
        return found if out is None else out.resize_(found.shape).copy_(found)

    def draw_base2(self, m: int, out: Tensor | None = None, dtype: DType | None = None) -> Tensor:
        """The next 2**m points. Raises ValueError where they do not end at a power of 2, which is where the points are balanced."""
        total = self.num_generated + 2**m
        if total & (total - 1):
            said = f"n={self.num_generated}+2**{m}={total}"
            raise error(ValueError, f"The balance properties of Sobol' points require n to be a power of 2, not {said}", "SobolEngine.draw()")
        return self.draw(2**m, out=out, dtype=dtype)

    def reset(self) -> SobolEngine:
        """Begin again."""
        self._points.reset()
        return self

    def fast_forward(self, n: int) -> SobolEngine:
        """Pass over `n` points."""
        self._points.fast_forward(n)
        return self

    def __repr__(self) -> str:
        words = [f"dimension={self.dimension}", *(["scramble=True"] if self.scramble else []), *([f"seed={self.seed}"] if self.seed is not None else [])]
        return f"SobolEngine({', '.join(words)})"


__all__ = ["SobolEngine"]
