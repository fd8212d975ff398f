"""A physics-informed network for Burgers' equation u_t + u u_x = nu u_xx: second derivatives of the network inside the loss.

Raissi et al. 2019, "Physics-informed neural networks".
"""

import math

import torch
import torch.nn as nn


class DNN(nn.Module):
    def __init__(self, layers):
        super().__init__()
        modules = []
        for i in range(len(layers) - 2):
            modules += [nn.Linear(layers[i], layers[i + 1]), nn.Tanh()]
        modules.append(nn.Linear(layers[-2], layers[-1]))
        self.layers = nn.Sequential(*modules)

    def forward(self, x):
        return self.layers(x)


class Job:
    """A model, its optimizer, and one step of training."""

    nu = 0.01 / math.pi

    def __init__(self):
        self.model = DNN([2, 12, 12, 1])
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)

    def batch(self, rng):
        column = lambda n, low, high: torch.from_numpy(rng.uniform(low, high, (n, 1)).astype("float32"))  # noqa: E731
        return column(16, -1, 1), column(16, 0, 1), column(8, -1, 1)

    def net_u(self, x, t):
        return self.model(torch.cat([x, t], dim=1))

    def net_f(self, x, t):
        """The residual of the equation."""
        u = self.net_u(x, t)
        u_t = torch.autograd.grad(u, t, grad_outputs=torch.ones_like(u), retain_graph=True, create_graph=True)[0]
        u_x = torch.autograd.grad(u, x, grad_outputs=torch.ones_like(u), retain_graph=True, create_graph=True)[0]
        u_xx = torch.autograd.grad(u_x, x, grad_outputs=torch.ones_like(u_x), retain_graph=True, create_graph=True)[0]
        return u_t + u * u_x - self.nu * u_xx

    def step(self, x, t, x_start):
        x = x.clone().requires_grad_(True)
        t = t.clone().requires_grad_(True)
        u_start = self.net_u(x_start, torch.zeros_like(x_start))
        loss = torch.mean((u_start + torch.sin(math.pi * x_start)) ** 2) + torch.mean(self.net_f(x, t) ** 2)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss
