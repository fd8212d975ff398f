"""A prefix language model in the manner of GLM: the context is read both ways, the masked span is written token by token, with two kinds of positions.

Du et al. 2021, "GLM: general language model pretraining with autoregressive blank infilling".
"""

import torch
import torch.nn.functional as F
from torch import nn


class SelfAttention(nn.Module):
    def __init__(self, hidden, heads):
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(hidden, 3 * hidden)
        self.dense = nn.Linear(hidden, hidden)

    def forward(self, x, mask):
        b, s, h = x.shape
        mixed = self.query_key_value(x).view(b, s, self.heads, 3 * h // self.heads).permute(0, 2, 1, 3)
        q, k, v = torch.split(mixed, h // self.heads, dim=-1)
        scores = q @ k.mT / (h // self.heads) ** 0.5
        scores = torch.where(mask[:, None], scores, torch.finfo(scores.dtype).min)
        return self.dense((scores.softmax(-1) @ v).permute(0, 2, 1, 3).reshape(b, s, h))


class Layer(nn.Module):
    def __init__(self, hidden, heads):
        super().__init__()
        self.input_layernorm = nn.LayerNorm(hidden)
        self.attention = SelfAttention(hidden, heads)
        self.post_attention_layernorm = nn.LayerNorm(hidden)
        self.mlp = nn.Sequential(nn.Linear(hidden, 4 * hidden), nn.GELU(approximate="tanh"), nn.Linear(4 * hidden, hidden))

    def forward(self, x, mask):
        x = x + self.attention(self.input_layernorm(x), mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class GLM(nn.Module):
    def __init__(self, vocab=31, hidden=24, heads=3, layers=2, length=16):
        super().__init__()
        self.word_embeddings = nn.Embedding(vocab, hidden)
        self.position_embeddings = nn.Embedding(length, hidden)
        self.block_position_embeddings = nn.Embedding(length, hidden)
        self.layers = nn.ModuleList(Layer(hidden, heads) for _ in range(layers))
        self.final_layernorm = nn.LayerNorm(hidden)

    def attention_mask(self, length, prefix):
        """(batch, length, length), True where a token may look: all see the prefix, the rest sees what came before."""
        causal = torch.ones(length, length, device=prefix.device).tril().bool()
        return causal[None] | (torch.arange(length, device=prefix.device)[None, None, :] < prefix[:, None, None])

    def forward(self, tokens, positions, block_positions, prefix):
        x = self.word_embeddings(tokens) + self.position_embeddings(positions) + self.block_position_embeddings(block_positions)
        mask = self.attention_mask(tokens.shape[1], prefix)
        for layer in self.layers:
            x = layer(x, mask)
        return F.linear(self.final_layernorm(x), self.word_embeddings.weight)


class Job:
    """A model, its optimizer, and one step of training."""

    def __init__(self):
        self.model = GLM()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=2e-3, betas=(0.9, 0.98), weight_decay=0.05)

    def batch(self, rng):
        tokens = torch.from_numpy(rng.integers(0, 31, (3, 12)))
        return tokens, torch.from_numpy(rng.integers(3, 9, 3))

    def step(self, tokens, prefix):
        places = torch.arange(tokens.shape[1]).expand_as(tokens)
        positions = torch.minimum(places, prefix[:, None])
        block_positions = (places - prefix[:, None]).clamp(min=0)
        logits = self.model(tokens, positions, block_positions, prefix)
        written = (places[:, 1:] >= prefix[:, None]).float()
        losses = F.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")
        loss = (losses * written).sum() / written.sum()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss
