"""PyTorch's place for these names, `torch.nn.modules.distance`."""

from segue.eager.nn import CosineSimilarity, PairwiseDistance

__all__ = ["CosineSimilarity", "PairwiseDistance"]
