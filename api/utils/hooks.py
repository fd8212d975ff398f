"""What registering a hook of a module returns."""

from segue.eager.nn.hooks import RemovableHandle

__all__ = ["RemovableHandle"]
