"""What programs ask about the accelerator of this machine: a GPU, or none."""

from segue.eager.accelerators import (
    current_accelerator, current_device_index, current_stream, device_count, empty_cache, is_available, set_device_index, synchronize,
)  # fmt: skip
