"""What programs ask about accelerators before they use one: `segue.cuda`, `segue.accelerator`, `segue.mps`, `segue.xpu`.

In come questions, out go the answers of a machine without any: not available, count 0. The one idea: a program that asks first runs on the CPU
unchanged; one that demands a GPU is told so by an error, never given something else. Seeding and synchronising are harmless and do nothing.
"""

from __future__ import annotations

from typing import Any

from .dtypes import device
from .errors import DeviceError, refusing


def is_available() -> bool:
    """Whether there is such an accelerator: no.

    >>> is_available()
    False
    """
    return False


def device_count() -> int:
    """How many there are: 0."""
    return 0


def is_initialized() -> bool:
    """Whether one is in use: no."""
    return False


def is_built() -> bool:
    """Whether this build could use one: no."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether one computes in bfloat16: there is none."""
    return False


def current_accelerator(check_available: bool = False) -> device | None:
    """The accelerator of this machine: None, there is none."""
    return None


def manual_seed(seed: int) -> None:
    """Seed an accelerator's generator: there is none, so this does nothing, as in PyTorch. `segue.manual_seed` seeds the CPU's."""


manual_seed_all = manual_seed


def empty_cache() -> None:
    """Give cached memory back: there is none."""


def memory_allocated(device: Any = None) -> int:
    """Bytes in use on an accelerator: 0."""
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated


def reset_peak_memory_stats(device: Any = None) -> None:
    """Forget the peak of memory: there is none."""


def _unavailable(name: str) -> Any:
    said = f"{name}() needs an accelerator, and segue has none here"
    return refusing(name, f"`{name}` of an accelerator. Raises DeviceError (a RuntimeError): there is none.", DeviceError, said, "ask is_available() first, or use device='cpu'")


synchronize = _unavailable("synchronize")
current_device = _unavailable("current_device")
current_device_index = _unavailable("current_device_index")
set_device = _unavailable("set_device")
set_device_index = _unavailable("set_device_index")
get_device_name = _unavailable("get_device_name")
get_device_properties = _unavailable("get_device_properties")
get_device_capability = _unavailable("get_device_capability")
mem_get_info = _unavailable("mem_get_info")
current_stream = _unavailable("current_stream")
Stream = _unavailable("Stream")
Event = _unavailable("Event")
