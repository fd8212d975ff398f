"""How this was built, as programs for PyTorch look it up."""

from segue.eager.switches import parallel_info, show

__all__ = ["parallel_info", "show"]
