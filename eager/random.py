"""Random numbers by counter: a seed and how many draws came before decide everything.

In comes a seed, out go (state, call) pairs for the random rows: the state is an int64 tensor (seed, offset), the call a static number. The one idea:
a draw is a pure function of seed, offset and place (Philox4x32-10, see eager/philox.py), so the compiled stream is the eager stream, whatever
the order in which kernels run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .autograd.mode import STATE
from .errors import error
from .tensor import Storage, Tensor
from .transforms.batched import for_each_example


class Generator:
    """A stream of random draws.

    >>> g = Generator().manual_seed(3)
    >>> g.initial_seed(), g.offset
    (3, 0)
    """

    def __init__(self, device: Any = "cpu") -> None:
        self.device = device
        self.seed_value = 0
        self.offset = 0  # draws made so far; one for each call of a random operator

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of `seed` (any int; taken modulo 2**64) at its beginning."""
        if not isinstance(seed, int):
            raise error(TypeError, f"manual_seed(): expected an int, not {type(seed).__name__}")
        self.seed_value = seed % 2**64
        self.offset = 0
        return self

    def initial_seed(self) -> int:
        return self.seed_value

    def seed(self) -> int:
        """Start at a seed from the operating system's entropy, and return it."""
        self.manual_seed(int.from_bytes(os.urandom(8), "little"))
        return self.seed_value

    def state_array(self) -> np.ndarray:
        """(seed, offset) as int64[2]: what a random row takes as its state."""
        return np.array([self.seed_value, self.offset], dtype=np.uint64).view(np.int64)

    def get_state(self) -> Tensor:
        return Tensor._wrap(self.state_array(), Storage())

    def set_state(self, state: Tensor) -> Generator:
        seed, offset = state.numpy().view(np.uint64).tolist()
        self.seed_value, self.offset = seed, offset
        return self


default_generator = Generator()


def next_call(generator: Generator | None = None) -> tuple[Tensor, int]:
    """The state and call number of the next draw. Under a tracer the state is an input of the graph and calls are counted from its start."""
    if STATE.tracers and generator in (None, default_generator):
        state, call = STATE.tracers[-1].random_call()
    else:
        chosen = generator or default_generator
        state, call = chosen.get_state(), 0
        chosen.offset += 1
    return (for_each_example(state, STATE.levels), call) if STATE.levels else (state, call)


def manual_seed(seed: int) -> Generator:
    """Seed the default generator. The same seed gives the same numbers eagerly and compiled.

    >>> import segue
    >>> _ = segue.manual_seed(0)
    >>> a = segue.rand(2)
    >>> _ = segue.manual_seed(0)
    >>> bool((a == segue.rand(2)).all())
    True
    """
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Seed the default generator from the operating system's entropy."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


@contextmanager
def fork_rng(devices: Any = None, enabled: bool = True, _caller: str = "fork_rng", _devices_kw: str = "devices", device_type: str = "cpu") -> Iterator[None]:
    """Draws within leave the default generator as it was.

    >>> import segue
    >>> before = segue.get_rng_state()
    >>> with fork_rng():
    ...     _ = segue.rand(2)
    >>> segue.equal(before, segue.get_rng_state())
    True
    """
    state = get_rng_state()
    try:
        yield
    finally:
        if enabled:
            set_rng_state(state)


def get_rng_state() -> Tensor:
    """The default generator's state."""
    return default_generator.get_state()


def set_rng_state(state: Tensor) -> None:
    """Put the default generator back to a state from `get_rng_state`."""
    default_generator.set_state(state)
