"""What programs ask about Intel's GPUs: there are none."""

from segue.eager.accelerators import (
    never_available as is_available, no_cache as empty_cache, no_devices as device_count, no_seed as manual_seed, no_work as synchronize,
)  # fmt: skip
