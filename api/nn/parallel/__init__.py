"""One device: `DataParallel` and `data_parallel` call the module."""

from segue.eager.nn.parallel import DataParallel, data_parallel

__all__ = ["DataParallel", "data_parallel"]
