"""PyTorch's place for these names, `torch.nn.modules.sparse`."""

from segue.eager.nn import Embedding, EmbeddingBag

__all__ = ["Embedding", "EmbeddingBag"]
