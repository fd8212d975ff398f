"""Operators of one's own, under the names of torch.library."""

from segue.eager.library import CustomOpDef, custom_op, register_autograd, register_fake, register_kernel

impl_abstract = register_fake

__all__ = ["CustomOpDef", "custom_op", "impl_abstract", "register_autograd", "register_fake", "register_kernel"]
