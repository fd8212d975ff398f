"""A variational autoencoder; the noise comes in with the batch, so that one run can be compared with another framework's.

Kingma and Welling 2013, "Auto-encoding variational Bayes".
"""

import torch
from torch import nn
from torch.nn import functional as F


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(36, 24)
        self.fc21 = nn.Linear(24, 4)
        self.fc22 = nn.Linear(24, 4)
        self.fc3 = nn.Linear(4, 24)
        self.fc4 = nn.Linear(24, 36)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar, eps=None):
        std = torch.exp(0.5 * logvar)
        if eps is None:
            eps = torch.randn_like(std)
        return mu + eps * std

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x, eps=None):
        mu, logvar = self.encode(x.view(-1, 36))
        z = self.reparameterize(mu, logvar, eps)
        return self.decode(z), mu, logvar


def loss_function(recon_x, x, mu, logvar):
    """Reconstruction and KL divergence, summed over all elements and the batch."""
    BCE = F.binary_cross_entropy(recon_x, x.view(-1, 36), reduction="sum")
    KLD = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return BCE + KLD


class Job:
    """A model, its optimizer, and one step of training."""

    def __init__(self):
        self.model = VAE()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)

    def batch(self, rng):
        return torch.from_numpy(rng.random((5, 1, 6, 6), dtype="float32")), torch.from_numpy(rng.standard_normal((5, 4)).astype("float32"))

    def step(self, data, eps):
        self.optimizer.zero_grad()
        recon_batch, mu, logvar = self.model(data, eps)
        loss = loss_function(recon_batch, data, mu, logvar)
        loss.backward()
        self.optimizer.step()
        return loss
