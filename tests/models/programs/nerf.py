"""A neural radiance field: positional encodings, volume rendering by cumprod, and a second pass where the first found something.

Mildenhall et al. 2020, "NeRF: representing scenes as neural radiance fields for view synthesis".
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class Embedder:
    """x -> x, sin(2^k x), cos(2^k x): a list of functions, made once."""

    def __init__(self, **kwargs):
        self.kwargs = kwargs
        self.embed_fns, self.out_dim = [lambda x: x], kwargs["input_dims"]
        for freq in 2.0 ** torch.linspace(0.0, kwargs["num_freqs"] - 1, steps=kwargs["num_freqs"]):
            for p_fn in kwargs["periodic_fns"]:
                self.embed_fns.append(lambda x, p_fn=p_fn, freq=freq: p_fn(x * freq))
                self.out_dim += kwargs["input_dims"]

    def __call__(self, inputs):
        return torch.cat([fn(inputs) for fn in self.embed_fns], -1)


class NeRF(nn.Module):
    def __init__(self, points, views, width=16, skips=(1,)):
        super().__init__()
        self.points, self.views, self.skips = points, views, skips
        self.pts_linears = nn.ModuleList([nn.Linear(points, width)] + [nn.Linear(width + points * (i in skips), width) for i in range(2)])
        self.views_linear = nn.Linear(views + width, width // 2)
        self.feature_linear, self.alpha_linear, self.rgb_linear = nn.Linear(width, width), nn.Linear(width, 1), nn.Linear(width // 2, 3)

    def forward(self, x):
        input_pts, input_views = torch.split(x, [self.points, self.views], dim=-1)
        h = input_pts
        for i, layer in enumerate(self.pts_linears):
            h = F.relu(layer(h))
            if i in self.skips:
                h = torch.cat([input_pts, h], -1)
        colour = F.relu(self.views_linear(torch.cat([self.feature_linear(h), input_views], -1)))
        return torch.cat([self.rgb_linear(colour), self.alpha_linear(h)], -1)


def raw2outputs(raw, z_vals, rays_d):
    """Colours and weights along rays."""
    dists = z_vals[..., 1:] - z_vals[..., :-1]
    dists = torch.cat([dists, torch.Tensor([1e10]).expand(dists[..., :1].shape)], -1) * torch.norm(rays_d[..., None, :], dim=-1)
    alpha = 1.0 - torch.exp(-F.relu(raw[..., 3]) * dists)
    weights = alpha * torch.cumprod(torch.cat([torch.ones((alpha.shape[0], 1)), 1.0 - alpha + 1e-10], -1), -1)[:, :-1]
    return torch.sum(weights[..., None] * torch.sigmoid(raw[..., :3]), -2) + (1.0 - torch.sum(weights, -1)[..., None]), weights


def sample_pdf(bins, weights, n_samples):
    """More depths where the weights are, by the inverse of their distribution."""
    weights = weights + 1e-5
    cdf = torch.cumsum(weights / torch.sum(weights, -1, keepdim=True), -1)
    cdf = torch.cat([torch.zeros_like(cdf[..., :1]), cdf], -1)
    u = torch.linspace(0.05, 0.95, steps=n_samples).expand(list(cdf.shape[:-1]) + [n_samples]).contiguous()
    inds = torch.searchsorted(cdf, u, right=True)
    below = torch.max(torch.zeros_like(inds - 1), inds - 1)
    above = torch.min((cdf.shape[-1] - 1) * torch.ones_like(inds), inds)
    inds_g = torch.stack([below, above], -1)
    matched = [inds_g.shape[0], inds_g.shape[1], cdf.shape[-1]]
    cdf_g = torch.gather(cdf.unsqueeze(1).expand(matched), 2, inds_g)
    bins_g = torch.gather(bins.unsqueeze(1).expand(matched), 2, inds_g)
    denom = cdf_g[..., 1] - cdf_g[..., 0]
    denom = torch.where(denom < 1e-5, torch.ones_like(denom), denom)
    return bins_g[..., 0] + (u - cdf_g[..., 0]) / denom * (bins_g[..., 1] - bins_g[..., 0])


class Job:
    """A model, its optimizer, and one step of training."""

    def __init__(self):
        functions = dict(input_dims=3, periodic_fns=[torch.sin, torch.cos])
        self.embed, self.embed_dirs = Embedder(num_freqs=3, **functions), Embedder(num_freqs=2, **functions)
        self.model = NeRF(self.embed.out_dim, self.embed_dirs.out_dim)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=5e-3)
        self.chunk = 48

    def batch(self, rng):
        rays_o, rays_d, target = (rng.standard_normal((8, 3)).astype("float32") for _ in range(3))
        return torch.from_numpy(rays_o), torch.from_numpy(rays_d), torch.from_numpy(target).sigmoid()

    def render(self, rays_o, rays_d, z_vals):
        pts = rays_o[..., None, :] + rays_d[..., None, :] * z_vals[..., :, None]
        viewdirs = (rays_d / np.sqrt(3)).unsqueeze(1).expand(pts.shape)
        embedded = torch.cat([self.embed(pts.reshape(-1, 3) / 4), self.embed_dirs(torch.reshape(viewdirs, [-1, 3]))], -1)
        outputs = torch.cat([self.model(embedded[i : i + self.chunk]) for i in range(0, embedded.shape[0], self.chunk)], 0)
        return raw2outputs(torch.reshape(outputs, list(pts.shape[:-1]) + [4]), z_vals, rays_d)

    def step(self, rays_o, rays_d, target):
        z_vals = torch.linspace(1.0, 3.0, 6).expand(rays_o.shape[0], 6)
        rgb_coarse, weights = self.render(rays_o, rays_d, z_vals)
        z_samples = sample_pdf(0.5 * (z_vals[..., 1:] + z_vals[..., :-1]), weights[..., 1:-1], 6).detach()
        z_vals, _ = torch.sort(torch.cat([z_vals, z_samples], -1), -1)
        rgb, _ = self.render(rays_o, rays_d, z_vals)
        loss = torch.mean((rgb - target) ** 2) + torch.mean((rgb_coarse - target) ** 2)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss
