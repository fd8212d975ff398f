"""Results that are there already, under the names of torch.futures."""

from segue.eager.scripting import Future

__all__ = ["Future"]
