"""`segue fuzz` and `segue minimise`: programs by the number of their seed.

In come seeds, out go reports and the number of programs that differ. The one idea: a seed is all that one needs to note.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from .checker import BACKENDS, Difference, check
from .minimise import minimise
from .writer import write


def run(programs: int, seed: int, length: int = 12, report: Callable = print, backends: tuple[str, ...] = BACKENDS, smaller: bool = False) -> int:
    """Check `programs` programs from `seed` on, cut down what fails if `smaller`; the number that differ."""
    failures = 0
    for number in range(seed, seed + programs):
        found = check(write(random.Random(number), length), backends)
        if found is not None:
            failures += 1
            report(f"seed {number}: {cut_down(number, length, backends) if smaller else found}")
    return failures


def cut_down(seed: int, length: int = 12, backends: tuple[str, ...] = BACKENDS) -> Difference:
    """The difference that the program of a seed shows, in the smallest program found that shows it. Raises ValueError where there is none."""
    return minimise(write(random.Random(seed), length), backends)[1]
