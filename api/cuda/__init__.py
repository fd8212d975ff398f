"""CUDA devices, by CuPy: what there is, its memory, its streams."""

from segue.eager.absent import CUDAGraph, graph, make_graphed_callables  # noqa: F401
from segue.eager.accelerators import (
    Event, Stream, current_device, current_stream, device_count, empty_cache, get_device_capability, get_device_name, get_device_properties, host_rows,
    is_available, is_bf16_supported, is_current_stream_capturing, is_initialized, manual_seed, manual_seed_all, max_memory_allocated, max_memory_reserved, mem_get_info,
    memory_allocated, memory_reserved, reset_peak_memory_stats, set_device, stream, synchronize,
)  # fmt: skip

from . import amp  # noqa: F401

StreamContext = Stream  # a stream is its own context here
