"""DLPack: `from_dlpack` takes memory in, `to_dlpack` gives it out."""

from segue.eager.functional.exchange import from_dlpack, to_dlpack

__all__ = ["from_dlpack", "to_dlpack"]
