"""The loader, `torch.utils.data.dataloader`."""

from segue.eager.data import DataLoader, default_collate, get_worker_info

__all__ = ["DataLoader", "default_collate", "get_worker_info"]
