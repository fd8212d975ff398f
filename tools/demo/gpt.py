"""A small GPT (4 layers, 4 heads, 128 wide) on the characters of the Python standard library's own source.

In comes a seed, out go the model, random windows of text, and sampled characters. Written as anyone would write it for PyTorch, the import aside.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import segue
import segue.nn.functional as F
from segue import nn

CHARACTERS = "\n" + "".join(map(chr, range(32, 127)))
CONTEXT = 64
BATCH = 16
LEARNING_RATE = 2e-3
CORPUS_BYTES = 2_000_000


class Attention(nn.Module):
    """Causal self-attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project_in = nn.Linear(width, 3 * width)
        self.project_out = nn.Linear(width, width)

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = self.project_in(x).split(width, dim=2)
        q = q.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
        k = k.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
        v = v.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.project_out(y.transpose(1, 2).reshape(batch, length, width))


class Block(nn.Module):
    """Attention and a two-layer network, each behind a layer norm and added to its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    """Characters in, scores of the next character out: (batch, length) -> (batch, length, characters)."""

    def __init__(self, vocabulary: int, context: int = CONTEXT, width: int = 128, heads: int = 4, layers: int = 4) -> None:
        super().__init__()
        self.context = context
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.ModuleList([Block(width, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)

    def forward(self, indices):
        x = self.tokens(indices) + self.positions(segue.arange(indices.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


class Text:
    """The standard library's source as numbers, and random windows of it."""

    def __init__(self, steps: int) -> None:
        self.data = encode(standard_library(CORPUS_BYTES))
        self.count = steps

    def build(self):
        """A new model and its optimizer."""
        model = GPT(len(CHARACTERS))
        return model, segue.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.1)

    def loss(self, model, inputs, targets):
        """What training makes small: nats a character."""
        return F.cross_entropy(model(inputs).view(-1, len(CHARACTERS)), targets.view(-1))

    def steps(self) -> int:
        """How many batches `batches()` gives."""
        return self.count

    def batches(self) -> Iterator:
        """Random windows and the same windows one character later."""
        random = np.random.default_rng(1)
        for _ in range(self.count):
            starts = random.integers(0, len(self.data) - CONTEXT - 1, BATCH)
            windows = np.stack([self.data[start : start + CONTEXT + 1] for start in starts])
            yield segue.tensor(windows[:, :-1]), segue.tensor(windows[:, 1:])


def standard_library(size: int) -> str:
    """The first `size` characters of the standard library's modules, in the order of their names."""
    parts, total = [], 0
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        text = path.read_text(encoding="utf-8", errors="replace")
        parts.append(text)
        total += len(text)
        if total >= size:
            break
    return "".join(parts)[:size]


def encode(text: str) -> np.ndarray:
    """Characters as numbers; those outside `CHARACTERS` become "?"."""
    numbers = {character: number for number, character in enumerate(CHARACTERS)}
    return np.array([numbers.get(character, numbers["?"]) for character in text], dtype=np.int64)


def sample(model: GPT, count: int = 200, prompt: str = "def ", temperature: float = 0.8) -> str:
    """`count` characters that the model writes behind the prompt."""
    model.eval()
    indices = segue.tensor(encode(prompt)).unsqueeze(0)
    with segue.no_grad():
        for _ in range(count):
            scores = model(indices[:, -model.context :])[:, -1] / temperature
            drawn = segue.multinomial(F.softmax(scores, -1), 1)
            indices = segue.cat([indices, drawn], 1)
    model.train()
    return "".join(CHARACTERS[number] for number in indices[0].tolist())
