"""Saving and loading: segue's own format, safetensors, and PyTorch's checkpoints.

In come objects and files. The one idea: a checkpoint is data. `front.py` chooses the format, `tree.py` is segue's own, `torch_reader.py` with `machine.py` and
`torch_writer.py` are PyTorch's, `safetensors.py` is the third; `archive.py`, `files.py` and `storages.py` are what they share.
"""

from .front import MAP_LOCATION, load, save
from .safe import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals

__all__ = ["MAP_LOCATION", "add_safe_globals", "clear_safe_globals", "get_safe_globals", "load", "safe_globals", "save"]
