"""The loader, `torch.utils.data.dataloader`."""

from segue.eager.data import DataLoader, default_collate, get_worker_info
from segue.eager.data.loader import _Epoch as _BaseDataLoaderIter, _Several as _MultiProcessingDataLoaderIter, _Single as _SingleProcessDataLoaderIter

__all__ = [
    "DataLoader", "_BaseDataLoaderIter", "_MultiProcessingDataLoaderIter", "_SingleProcessDataLoaderIter", "default_collate", "get_worker_info",
]  # fmt: skip
