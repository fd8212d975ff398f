"""What is kept between forward and backward: bytes of a GPT's and a ResNet's training step, under each policy.

In come models and inputs, out comes a table of megabytes: all operands kept as a tape would, the partitioner's minimum cut under several budgets, and
checkpointed blocks. The one idea: nothing runs. A step is traced, differentiated and split, and the sizes in the graph are counted, so the figures are
the same on every machine. `segue bench memory` prints it; docs/memory.md shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import segue
import segue.nn.functional as F
from segue import nn
from segue.func import functional_call
from segue.graph.derivative import Joint, joint_graph
from segue.graph.partition import partition
from segue.graph.passes import BEFORE_DERIVATIVE, run_passes
from segue.graph.trace import trace_function
from segue.utils.checkpoint import checkpoint

from ..demo import gpt

BUDGETS = (1.0, 0.5, 0.25, 0.0)


class Residual(nn.Module):
    """Two convolutions of 3 x 3 with batch norm, added to the input (He et al. 2015); the first may halve the image and widen it."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        stride = 1 if channels == width else 2
        self.conv1, self.norm1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.norm2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.short = nn.Identity() if stride == 1 else nn.Sequential(nn.Conv2d(channels, width, 1, 2, bias=False), nn.BatchNorm2d(width))

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.short(x))


class ResNet(nn.Module):
    """Four stages of residual blocks and a linear layer: (batch, 3, height, width) -> (batch, classes)."""

    def __init__(self, width: int, blocks: int, classes: int = 10) -> None:
        super().__init__()
        self.begin = nn.Sequential(nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        widths = [width << stage for stage in range(4) for _ in range(blocks)]
        self.blocks = nn.ModuleList([Residual(before, after) for before, after in zip([width, *widths], widths)])
        self.end = nn.Linear(width * 8, classes)

    def forward(self, x):
        x = self.begin(x)
        for block in self.blocks:
            x = block(x)
        return self.end(x.mean((2, 3)))


class Checkpointed(nn.Module):
    """A block whose inner values are computed again."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, x):
        return checkpoint(self.block, x, use_reentrant=False)


def joint_of(model: Any, inputs: Any, targets: Any) -> Joint:
    """The joint graph of a model's mean cross entropy, for all its parameters."""
    held = {**dict(model.named_parameters()), **dict(model.named_buffers())}

    def loss(*values: Any) -> Any:
        scores = functional_call(model, dict(zip(held, values[2:])), (values[0],))
        return F.cross_entropy(scores.reshape(-1, scores.shape[-1]), values[1])

    joint = joint_graph(run_passes(trace_function(loss, [inputs, targets, *held.values()]), BEFORE_DERIVATIVE))
    assert joint is not None
    return Joint(run_passes(joint.graph, BEFORE_DERIVATIVE), joint.results, joint.roots, joint.targets)


def bytes_kept(build: Callable[[], Any], inputs: Any, targets: Any) -> dict[str, int]:
    """Policy -> bytes kept between forward and backward beyond parameters and inputs."""
    model = build()
    joint = joint_of(model, inputs, targets)
    kept = {f"budget {budget}": partition(joint, budget) for budget in BUDGETS}
    model.blocks = nn.ModuleList([Checkpointed(block) for block in model.blocks])
    found = {"keep all": kept["budget 1.0"].keep_all_bytes, **{name: split.saved_bytes for name, split in kept.items()}}
    found["checkpointed blocks"] = partition(joint_of(model, inputs, targets), 1.0).saved_bytes
    return found


def cases(small: bool = False) -> dict[str, tuple]:
    """Name -> how to build the model, its inputs and targets. `small`: for a test."""
    layers, width, length, batch = (2, 32, 16, 2) if small else (6, 384, 256, 8)
    stage, blocks, side, images = (4, 1, 8, 2) if small else (64, 2, 32, 32)
    tokens = segue.zeros(batch, length, dtype=segue.int64)
    return {
        f"GPT, {layers} layers, {width} wide, {batch} x {length} tokens": (
            lambda: gpt.GPT(96, length, width, width // 64 or 2, layers), tokens, tokens.reshape(-1)),
        f"ResNet-{8 * blocks + 2}, {images} images of {side} x {side}": (
            lambda: ResNet(stage, blocks), segue.zeros(images, 3, side, side), segue.zeros(images, dtype=segue.int64)),
    }  # fmt: skip


def measure(small: bool = False) -> dict[str, dict[str, int]]:
    """Case -> policy -> bytes."""
    return {name: bytes_kept(*case) for name, case in cases(small).items()}


MEANING = {
    "keep all": "every operand that a backward formula reads",
    "budget 1.0": "the default: what is cheap is computed again",
    "budget 0.5": "`segue.compile(..., memory_budget=0.5)`",
    "budget 0.25": "`memory_budget=0.25`",
    "budget 0.0": "recompute all: only random draws and compared values are kept",
    "checkpointed blocks": "`utils.checkpoint` around each block",
}


def markdown(found: dict[str, dict[str, int]]) -> str:
    """The table as it stands in docs/memory.md."""
    lines = [f"| policy | what is kept | {' | '.join(found)} |", f"|---|---|{'---|' * len(found)}"]
    for policy, meaning in MEANING.items():
        cells = [f"{of[policy] / 1e6:.1f} MB ({100 * of[policy] / of['keep all']:.1f} %)" for of in found.values()]
        lines.append(f"| {policy} | {meaning} | {' | '.join(cells)} |")
    return "\n".join(lines)
