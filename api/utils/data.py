"""Data sets and the loader that makes batches of them."""

from segue.eager.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    TensorDataset,
    default_collate,
    random_split,
)  # fmt: skip

__all__ = [
    "ConcatDataset", "DataLoader", "Dataset", "RandomSampler", "SequentialSampler", "Subset", "TensorDataset", "default_collate", "random_split",
]  # fmt: skip
