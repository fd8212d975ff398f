"""EfficientNet-lite0 for inference: inverted residual blocks with depthwise convolutions, ReLU6, padding as TensorFlow's "same".

Tan and Le 2019, "EfficientNet"; the lite variants leave out squeeze-and-excitation and swish.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

# (kernel, stride, expansion, channels in, channels out) of each block
BLOCKS = [
    (3, 1, 1, 32, 16),
    (3, 2, 6, 16, 24), (3, 1, 6, 24, 24),
    (5, 2, 6, 24, 40), (5, 1, 6, 40, 40),
    (3, 2, 6, 40, 80), (3, 1, 6, 80, 80), (3, 1, 6, 80, 80),
    (5, 1, 6, 80, 112), (5, 1, 6, 112, 112), (5, 1, 6, 112, 112),
    (5, 2, 6, 112, 192), (5, 1, 6, 192, 192), (5, 1, 6, 192, 192), (5, 1, 6, 192, 192),
    (3, 1, 6, 192, 320),
]  # fmt: skip


class Conv2dSame(nn.Conv2d):
    """A convolution whose padding makes the output ceil(input / stride), more of it behind than before."""

    def forward(self, x):
        pads = []
        for size, kernel, stride in reversed(list(zip(x.shape[-2:], self.kernel_size, self.stride))):
            total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return F.conv2d(F.pad(x, pads), self.weight, self.bias, self.stride, 0, 1, self.groups)


class MBConvBlock(nn.Module):
    def __init__(self, kernel, stride, expansion, channels_in, channels_out):
        super().__init__()
        wide = channels_in * expansion
        self.expands = expansion != 1
        self.skips = stride == 1 and channels_in == channels_out
        if self.expands:
            self._expand_conv = Conv2dSame(channels_in, wide, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(wide, momentum=0.01, eps=1e-3)
        self._depthwise_conv = Conv2dSame(wide, wide, kernel, stride=stride, groups=wide, bias=False)
        self._bn1 = nn.BatchNorm2d(wide, momentum=0.01, eps=1e-3)
        self._project_conv = Conv2dSame(wide, channels_out, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(channels_out, momentum=0.01, eps=1e-3)
        self._relu = nn.ReLU6(inplace=True)

    def forward(self, inputs):
        x = inputs
        if self.expands:
            x = self._relu(self._bn0(self._expand_conv(x)))
        x = self._relu(self._bn1(self._depthwise_conv(x)))
        x = self._bn2(self._project_conv(x))
        return x + inputs if self.skips else x


class EfficientNetLite0(nn.Module):
    def __init__(self, num_classes=1000):
        super().__init__()
        self._conv_stem = Conv2dSame(3, 32, 3, stride=2, bias=False)
        self._bn0 = nn.BatchNorm2d(32, momentum=0.01, eps=1e-3)
        self._blocks = nn.ModuleList([MBConvBlock(*block) for block in BLOCKS])
        self._conv_head = Conv2dSame(320, 1280, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(1280, momentum=0.01, eps=1e-3)
        self._dropout = nn.Dropout(0.2)
        self._fc = nn.Linear(1280, num_classes)
        self._relu = nn.ReLU6(inplace=True)

    def forward(self, inputs):
        x = self._relu(self._bn0(self._conv_stem(inputs)))
        for block in self._blocks:
            x = block(x)
        x = self._relu(self._bn1(self._conv_head(x)))
        x = F.adaptive_avg_pool2d(x, 1).flatten(start_dim=1)
        return self._fc(self._dropout(x))


@torch.no_grad()
def classify(model, image):
    """Class probabilities of a picture: (height, width, 3) of bytes -> (1000,). The shorter side becomes 256, the middle 224 are looked at."""
    x = torch.from_numpy(image).permute(2, 0, 1).unsqueeze(0).float()
    height, width = x.shape[-2:]
    scale = 256 / min(height, width)
    x = F.interpolate(x, size=(round(height * scale), round(width * scale)), mode="bilinear", align_corners=False)
    top, left = (x.shape[-2] - 224) // 2, (x.shape[-1] - 224) // 2
    x = (x[:, :, top : top + 224, left : left + 224] - 127.0) / 128.0
    return model(x).softmax(-1)[0]
