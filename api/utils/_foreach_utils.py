"""How optimizers part lists of tensors."""

from segue.eager.functional.foreach import _group_tensors_by_device_and_dtype

__all__ = ["_group_tensors_by_device_and_dtype"]
