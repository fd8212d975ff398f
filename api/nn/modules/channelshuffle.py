"""PyTorch's place for these names, `torch.nn.modules.channelshuffle`."""

from segue.eager.nn import ChannelShuffle

__all__ = ["ChannelShuffle"]
