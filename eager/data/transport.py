"""How a batch comes from a worker process: small ones through its pipe, the arrays of large ones through shared memory.

In comes any picklable object, out goes an equal one in the other process. The one idea: pickle hands out the memory of arrays separately (protocol 5,
PEP 574), so that it is copied once into a segment and once out of it. The receiver removes the segment in the moment it takes it; one that nobody took is
removed by the sender, or in the end by Python's resource tracker.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from ..lazy import LazyModule

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

shared_memory: Any = LazyModule("multiprocessing.shared_memory")

LARGE = 1 << 16  # bytes of arrays from which shared memory is worth two system calls
ALIGNED = 64


def _places(sizes: list[int]) -> tuple[list[int], int]:
    starts, end = [], 0
    for size in sizes:
        starts.append(end)
        end += -(-size // ALIGNED) * ALIGNED
    return starts, end


def send(pipe: Connection, value: Any) -> None:
    """Send an object. Raises what pickling it raises, with nothing sent; OSError where the other end is closed, with nothing left behind."""
    buffers: list[pickle.PickleBuffer] = []
    whole = pickle.dumps(value, 5, buffer_callback=buffers.append)
    views = [buffer.raw() for buffer in buffers]
    sizes = [view.nbytes for view in views]
    if sum(sizes) < LARGE:
        pipe.send((whole, [bytes(view) for view in views], None))
        return
    starts, end = _places(sizes)
    try:
        segment = shared_memory.SharedMemory(create=True, size=end)
    except OSError:  # there is none on this machine
        pipe.send((whole, [bytes(view) for view in views], None))
        return
    try:
        memory: Any = segment.buf
        for start, view in zip(starts, views):
            memory[start : start + view.nbytes] = view
        pipe.send((whole, sizes, segment.name))
    except BaseException:
        segment.unlink()
        raise
    finally:
        segment.close()


def receive(pipe: Connection) -> Any:
    """The next object. Raises EOFError where the other end is closed."""
    return _taken(pipe.recv(), True)


def discard(pipe: Connection) -> None:
    """Take the next object without making it: its segment goes."""
    _taken(pipe.recv(), False)


def _taken(message: Any, wanted: bool) -> Any:
    whole, parts, name = message
    if name is not None:
        segment = shared_memory.SharedMemory(name)
        try:
            memory: Any = segment.buf
            if wanted:
                starts, _ = _places(parts)
                parts = [bytearray(memory[start : start + size]) for start, size in zip(starts, parts)]
        finally:
            segment.close()
            segment.unlink()
    else:
        parts = [bytearray(part) for part in parts]  # arrays over it can be written to
    return pickle.loads(whole, buffers=parts) if wanted else None  # noqa: S301  (from our own worker)
