"""What programs ask about accelerators before they use one: `segue.cuda`, `segue.accelerator`, `segue.mps`, `segue.xpu`.

In come questions, out go answers: about CUDA from CuPy (eager/cuda.py), about other kinds that there are none. The one idea: on a machine without a GPU a program that asks
first runs on the CPU unchanged, and one that demands a GPU is told so by an error, never given something else.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from .cuda import Cuda, accelerator, needed
from .dtypes import device
from .dtypes import device as Device  # noqa: N812  (parameters are called device)
from .errors import DeviceError, refusing
from .ops.transfers import HOST_ROWS
from .random import default_generator


def is_available() -> bool:
    """Whether there is a GPU that tensors can be on: CuPy is installed and finds one."""
    return accelerator() is not None


def device_count() -> int:
    """How many GPUs there are."""
    found = accelerator()
    return 0 if found is None else found.count


def is_initialized() -> bool:
    """Whether the GPU is in use; it is from the first question on."""
    return is_available()


def is_built() -> bool:
    """Whether a GPU can be used."""
    return is_available()


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether the GPU computes in bfloat16 (from compute capability 8.0 on)."""
    return is_available() and (including_emulation or get_device_capability()[0] >= 8)


def current_accelerator(check_available: bool = False) -> device | None:
    """The accelerator of this machine: device("cuda"), or None where there is none."""
    return Device("cuda") if is_available() else None


def manual_seed(seed: int) -> None:
    """Seed the GPU's random numbers. They come from the one default generator, as the CPU's do; without a GPU this does nothing, as in PyTorch."""
    if is_available():
        default_generator.manual_seed(seed)


manual_seed_all = manual_seed


def _number(found: Cuda, which: Any) -> int:
    """The number of the device that is meant; None is the current one."""
    return found.current if which is None else found.index(Device(which))


def empty_cache() -> None:
    """Give memory that is cached and not in use back to the device."""
    found = accelerator()
    if found is not None:
        found.xp.get_default_memory_pool().free_all_blocks()


def _pool(what: str, which: Any) -> int:
    found = accelerator()
    if found is None:
        return 0
    with found.on(_number(found, which)):
        return int(getattr(found.xp.get_default_memory_pool(), what)())


def memory_allocated(device: Any = None) -> int:
    """Bytes in use by arrays on a GPU; 0 without one."""
    return _pool("used_bytes", device)


def memory_reserved(device: Any = None) -> int:
    """Bytes that CuPy's pool has taken from a GPU, in use or cached; 0 without one."""
    return _pool("total_bytes", device)


def max_memory_allocated(device: Any = None) -> int:
    """An upper bound of the bytes that were in use at once since the last `empty_cache()`: the pool, which never shrinks by itself, keeps no closer record."""
    return memory_reserved(device)


max_memory_reserved = max_memory_allocated


def reset_peak_memory_stats(device: Any = None) -> None:
    """Forget the peak of memory: gives back what is cached, so that the pool holds what is in use."""
    empty_cache()


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """(free, total) bytes of a GPU. Raises DeviceError where there is none."""
    found = needed("mem_get_info()")
    with found.on(_number(found, device)):
        free, total = found.xp.cuda.runtime.memGetInfo()
    return int(free), int(total)


def synchronize(device: Any = None) -> None:
    """Wait until all work on a GPU is done. Raises DeviceError where there is none."""
    found = needed("synchronize()")
    found.on(_number(found, device)).synchronize()


def current_device() -> int:
    """The number of the GPU on which new tensors are made. Raises DeviceError where there is none."""
    return needed("current_device()").current


def set_device(device: Any) -> None:
    """Make new tensors on this GPU. Raises DeviceError where it is not there."""
    found = needed("set_device()")
    found.on(_number(found, device)).use()


current_device_index = current_device
set_device_index = set_device


def get_device_properties(device: Any = None) -> SimpleNamespace:
    """name, major, minor, total_memory (bytes), multi_processor_count of a GPU. Raises DeviceError where there is none."""
    found = needed("get_device_properties()")
    given = found.xp.cuda.runtime.getDeviceProperties(_number(found, device))
    return SimpleNamespace(
        name=given["name"].decode(), major=given["major"], minor=given["minor"], total_memory=given["totalGlobalMem"],
        multi_processor_count=given["multiProcessorCount"],
    )  # fmt: skip


def get_device_name(device: Any = None) -> str:
    """What a GPU calls itself. Raises DeviceError where there is none."""
    needed("get_device_name()")
    return get_device_properties(device).name


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """The compute capability, (9, 0) for Hopper. Raises DeviceError where there is none."""
    needed("get_device_capability()")
    given = get_device_properties(device)
    return given.major, given.minor


def host_rows() -> dict[str, str]:
    """The operators that went to the host so far, as CuPy lacks something for them: "row(dtypes)" -> what it said. `stats["host_rows"]` counts the calls."""
    return {f"{name}({', '.join(codes)})": why for (name, *codes), why in HOST_ROWS.items()}


class Event:
    """A mark in a stream's work. `enable_timing` lets `elapsed_time` measure. Raises DeviceError where there is no GPU."""

    def __init__(self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False) -> None:
        self._event = needed("Event()").xp.cuda.Event(block=blocking, disable_timing=not enable_timing)

    def record(self, stream: Stream | None = None) -> None:
        """Put the mark behind what a stream (the current one) was given so far."""
        self._event.record(None if stream is None else stream._stream)

    def synchronize(self) -> None:
        """Wait until the work in front of the mark is done."""
        self._event.synchronize()

    def query(self) -> bool:
        """Whether the work in front of the mark is done."""
        return bool(self._event.done)

    def wait(self, stream: Stream | None = None) -> None:
        """Let a stream's (the current one's) further work wait for the mark."""
        (current_stream() if stream is None else stream)._stream.wait_event(self._event)

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds between this mark and a later one, both reached."""
        return float(needed("Event()").xp.cuda.get_elapsed_time(self._event, end_event._event))


class Stream:
    """A queue of a GPU's work; as a context, the one that operators go to. Raises DeviceError where there is no GPU."""

    def __init__(self, device: Any = None, priority: int = 0, *, _stream: Any = None) -> None:
        found = needed("Stream()")
        with found.on(_number(found, device)):
            self._stream = found.xp.cuda.Stream(non_blocking=True) if _stream is None else _stream

    def __enter__(self) -> Stream:
        self._stream.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stream.__exit__(*exception)

    def synchronize(self) -> None:
        """Wait until its work is done."""
        self._stream.synchronize()

    def query(self) -> bool:
        """Whether its work is done."""
        return bool(self._stream.done)

    def record_event(self, event: Event | None = None) -> Event:
        """A mark behind its work so far."""
        made = Event() if event is None else event
        made.record(self)
        return made

    def wait_event(self, event: Event) -> None:
        """Further work waits for the mark."""
        event.wait(self)

    def wait_stream(self, stream: Stream) -> None:
        """Further work waits for what another stream was given so far."""
        self.wait_event(stream.record_event())


def current_stream(device: Any = None) -> Stream:
    """The stream that operators go to. Raises DeviceError where there is no GPU."""
    return Stream(device, _stream=needed("current_stream()").xp.cuda.get_current_stream())


def stream(stream: Stream) -> Stream:
    """A context in which operators go to a stream: the stream itself."""
    return stream


# ---------------------------------------------------------------------------------------------------------------- kinds that are not here


def never_available() -> bool:
    """Whether there is such an accelerator: no.

    >>> never_available()
    False
    """
    return False


def is_current_stream_capturing() -> bool:
    """Whether a graph of CUDA's own is being recorded: no.

    >>> is_current_stream_capturing()
    False
    """
    return False


def no_devices() -> int:
    """How many there are: 0."""
    return 0


def no_seed(seed: int) -> None:
    """Seed an accelerator's generator: there is none, so this does nothing, as in PyTorch. `segue.manual_seed` seeds the CPU's."""


def no_cache() -> None:
    """Give cached memory back: there is none."""


no_work = refusing(
    "synchronize", "Wait for an accelerator. Raises DeviceError (a RuntimeError): there is none.", DeviceError,
    "synchronize() needs an accelerator of this kind, and segue has none", "ask is_available() first, or use device='cpu'",
)  # fmt: skip
