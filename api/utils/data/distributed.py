"""The sampler for several processes, `torch.utils.data.distributed`."""

from segue.eager.data import DistributedSampler

__all__ = ["DistributedSampler"]
