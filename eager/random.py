"""Random numbers by counter: a seed and how many draws came before decide everything.

In comes a seed, out go (state, call) pairs for the random rows: the state is an int64 tensor (seed, offset), the call a static number. The one idea:
a draw is a pure function of seed, offset and place (Philox4x32-10, see eager/philox.py), so the compiled stream is the eager stream, whatever
the order in which kernels run.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .autograd.mode import STATE
from .cuda import exact
from .dtypes import device as as_device
from .dtypes import uint8
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
        self._device = as_device(device)
        if self._device.type != "cpu":
            self._device = exact(self._device, f"Generator(): there are no random numbers of device {self._device}")
        self.seed_value = 0
        self.offset = 0  # draws made so far; one for each call of a random operator

    @property
    def device(self) -> as_device:
        """Where it was made for; the numbers are the same on every device."""
        return self._device

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of `seed` (from -2**63 to 2**64 - 1; a negative one means 2**64 more) at its beginning. Raises RuntimeError for others."""
        if not hasattr(seed, "__index__"):
            raise error(TypeError, f"manual_seed(): expected an int, not {type(seed).__name__}")
        number = operator.index(seed)
        if not -(2**63) <= number < 2**64:
            raise error(RuntimeError, f"manual_seed(): Overflow: the seed {number} is not within [-2**63, 2**64 - 1]")
        self.seed_value, self.offset = number % 2**64, 0
        return self

    def initial_seed(self) -> int:
        """The seed that the stream started at."""
        return self.seed_value

    def seed(self) -> int:
        """Start at a seed from the operating system's entropy, and return it."""
        self.manual_seed(int.from_bytes(os.urandom(8), "little"))
        return self.seed_value

    def get_offset(self) -> int:
        """How many draws were made since the stream's beginning."""
        return self.offset

    def set_offset(self, offset: int) -> None:
        """Go to a place of the stream. Raises RuntimeError for a negative one."""
        if offset < 0:
            raise error(RuntimeError, f"set_offset(): expected offset >= 0, but got {offset}")
        self.offset = operator.index(offset)

    def state_array(self) -> np.ndarray:
        """(seed, offset) as int64[2]: what a random row takes as its state."""
        return np.array([self.seed_value, self.offset], dtype=np.uint64).view(np.int64)

    def next_call(self) -> tuple[Tensor, int]:
        """The state of the next draw, and its number from there on."""
        state = Tensor._wrap(self.state_array(), Storage())
        self.offset += 1
        return state, 0

    def get_state(self) -> Tensor:
        """Where the stream is, for `set_state`: 16 bytes (uint8), seed and offset."""
        return Tensor._wrap(self.state_array().view(np.uint8), Storage())

    def set_state(self, new_state: Tensor) -> Generator:
        """Go to where another stream was. Raises TypeError for what is no tensor of bytes, RuntimeError for another number of them."""
        if not isinstance(new_state, Tensor) or new_state.dtype is not uint8:
            raise error(TypeError, f"set_state(): the state must be a tensor of uint8, not {getattr(new_state, 'dtype', type(new_state).__name__)}")
        if tuple(new_state.shape) != (2 * 8,):
            raise error(RuntimeError, f"set_state(): the state must have 16 bytes, not the shape {tuple(new_state.shape)}: it is none of segue's")
        self.seed_value, self.offset = np.ascontiguousarray(new_state.numpy()).view(np.uint64).tolist()
        return self

    def clone_state(self) -> Generator:
        """Another generator at the same place of the same stream."""
        return Generator().set_state(self.get_state())

    graphsafe_get_state = clone_state

    def graphsafe_set_state(self, state: Generator) -> Generator:
        """Go to where another generator is."""
        return self.set_state(state.get_state())


default_generator = Generator()


def next_call(generator: Generator | None = None) -> tuple[Tensor, int]:
    """The state and call number of the next draw. Under a tracer the state is an input of the graph and calls are counted from its start."""
    if generator is not None and not isinstance(generator, Generator):
        raise TypeError(f"argument 'generator' must be a Generator, not {type(generator).__name__}")
    if STATE.tracers and generator in (None, default_generator):
        state, call = STATE.tracers[-1].random_call()
    else:
        state, call = (generator or default_generator).next_call()
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
    return default_generator.manual_seed(seed if hasattr(seed, "__index__") else int(seed))


def seed() -> int:
    """Seed the default generator from the operating system's entropy."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


@contextmanager
def fork_rng(devices: Any = None, enabled: bool = True, _caller: str = "fork_rng", _devices_kw: str = "devices", device_type: str | None = None) -> Iterator[None]:
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


def set_rng_state(new_state: Tensor) -> None:
    """Put the default generator back to a state from `get_rng_state`."""
    default_generator.set_state(new_state)
