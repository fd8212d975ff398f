"""A U-Net as a diffusion model: time embedding, residual blocks with group norm, self-attention at the coarse level, trained to tell the noise.

Ho et al. 2020, "Denoising diffusion probabilistic models".
"""

import math

import torch
import torch.nn.functional as F
from torch import nn


class SinusoidalPositionEmbeddings(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, time):
        half_dim = self.dim // 2
        embeddings = math.log(10000) / (half_dim - 1)
        embeddings = torch.exp(torch.arange(half_dim, device=time.device) * -embeddings)
        embeddings = time[:, None] * embeddings[None, :]
        return torch.cat((embeddings.sin(), embeddings.cos()), dim=-1)


class ResnetBlock(nn.Module):
    def __init__(self, dim, dim_out, *, time_emb_dim, groups=4):
        super().__init__()
        self.mlp = nn.Sequential(nn.SiLU(), nn.Linear(time_emb_dim, dim_out * 2))
        self.proj1 = nn.Conv2d(dim, dim_out, 3, padding=1)
        self.norm1 = nn.GroupNorm(groups, dim_out)
        self.proj2 = nn.Conv2d(dim_out, dim_out, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, dim_out)
        self.act = nn.SiLU()
        self.res_conv = nn.Conv2d(dim, dim_out, 1) if dim != dim_out else nn.Identity()

    def forward(self, x, time_emb):
        scale, shift = self.mlp(time_emb)[:, :, None, None].chunk(2, dim=1)
        h = self.norm1(self.proj1(x))
        h = self.act(h * (scale + 1) + shift)
        h = self.act(self.norm2(self.proj2(h)))
        return h + self.res_conv(x)


class Attention(nn.Module):
    def __init__(self, dim, heads=2, dim_head=8):
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(1, dim)
        self.to_qkv = nn.Conv2d(dim, heads * dim_head * 3, 1, bias=False)
        self.to_out = nn.Conv2d(heads * dim_head, dim, 1)

    def forward(self, x):
        b, _, h, w = x.shape
        q, k, v = (t.reshape(b, self.heads, -1, h * w).transpose(-2, -1) for t in self.to_qkv(self.norm(x)).chunk(3, dim=1))
        out = F.scaled_dot_product_attention(q, k, v)
        out = out.transpose(-2, -1).reshape(b, -1, h, w)
        return self.to_out(out) + x


class Unet(nn.Module):
    def __init__(self, dim=8, channels=1, dim_mults=(1, 2)):
        super().__init__()
        dims = [dim, *[dim * m for m in dim_mults]]
        in_out = list(zip(dims[:-1], dims[1:]))
        time_dim = dim * 4
        self.init_conv = nn.Conv2d(channels, dim, 7, padding=3)
        self.time_mlp = nn.Sequential(SinusoidalPositionEmbeddings(dim), nn.Linear(dim, time_dim), nn.GELU(), nn.Linear(time_dim, time_dim))
        self.downs, self.ups = nn.ModuleList([]), nn.ModuleList([])
        for dim_in, dim_out in in_out:
            block = ResnetBlock(dim_in, dim_in, time_emb_dim=time_dim)
            self.downs.append(nn.ModuleList([block, nn.Conv2d(dim_in, dim_out, 4, 2, 1)]))
        self.mid_block1 = ResnetBlock(dims[-1], dims[-1], time_emb_dim=time_dim)
        self.mid_attn = Attention(dims[-1])
        self.mid_block2 = ResnetBlock(dims[-1], dims[-1], time_emb_dim=time_dim)
        for dim_in, dim_out in reversed(in_out):
            upsample = nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(dim_out, dim_in, 3, padding=1))
            self.ups.append(nn.ModuleList([upsample, ResnetBlock(2 * dim_in, dim_in, time_emb_dim=time_dim)]))
        self.final_conv = nn.Conv2d(dim, channels, 1)

    def forward(self, x, time):
        x = self.init_conv(x)
        t = self.time_mlp(time)
        h = []
        for block, downsample in self.downs:
            x = block(x, t)
            h.append(x)
            x = downsample(x)
        x = self.mid_block2(self.mid_attn(self.mid_block1(x, t)), t)
        for upsample, block in self.ups:
            x = block(torch.cat((upsample(x), h.pop()), dim=1), t)
        return self.final_conv(x)


class Job:
    """A model, its optimizer, and one step of training."""

    timesteps = 50

    def __init__(self):
        self.model = Unet()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        betas = torch.linspace(1e-4, 0.02, self.timesteps)
        self.alphas_cumprod = torch.cumprod(1.0 - betas, dim=0)

    def batch(self, rng):
        image, noise = (torch.from_numpy(rng.standard_normal((2, 1, 8, 8)).astype("float32")) for _ in range(2))
        return image, noise, torch.from_numpy(rng.integers(0, self.timesteps, 2))

    def step(self, x_start, noise, t):
        kept = self.alphas_cumprod.gather(-1, t).reshape(-1, 1, 1, 1)
        x_noisy = kept.sqrt() * x_start + (1.0 - kept).sqrt() * noise
        loss = F.smooth_l1_loss(noise, self.model(x_noisy, t))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss
