"""Data sets and the loader that makes batches of them, under PyTorch's names."""

from .dataset import ConcatDataset, Dataset, Subset, TensorDataset, random_split
from .loader import DataLoader, RandomSampler, SequentialSampler, default_collate

__all__ = [
    "ConcatDataset", "DataLoader", "Dataset", "RandomSampler", "SequentialSampler", "Subset", "TensorDataset", "default_collate", "random_split",
]  # fmt: skip
