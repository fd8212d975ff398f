"""One device: `DataParallel` and `data_parallel` call the module."""

from segue.eager.nn.parallel import DataParallel, DistributedDataParallel, data_parallel

__all__ = ["DataParallel", "DistributedDataParallel", "data_parallel"]
