"""PyTorch's place for these names, `torch.nn.modules.fold`."""

from segue.eager.nn import Fold, Unfold

__all__ = ["Fold", "Unfold"]
