"""What programs ask about Apple's GPUs: there are none."""

from segue.eager.accelerators import device_count, empty_cache, is_available, manual_seed, synchronize
