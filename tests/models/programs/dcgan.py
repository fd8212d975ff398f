"""A deep convolutional GAN: two networks, two optimizers, three backward passes in one step.

Radford et al. 2015, "Unsupervised representation learning with deep convolutional generative adversarial networks".
"""

import torch
import torch.nn as nn

NZ, NGF, NDF, NC = 6, 4, 4, 1


def weights_init(m):
    classname = m.__class__.__name__
    if classname.find("Conv") != -1:
        torch.nn.init.normal_(m.weight, 0.0, 0.02)
    elif classname.find("BatchNorm") != -1:
        torch.nn.init.normal_(m.weight, 1.0, 0.02)
        torch.nn.init.zeros_(m.bias)


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(NZ, NGF * 2, 4, 1, 0, bias=False),
            nn.BatchNorm2d(NGF * 2),
            nn.ReLU(True),
            nn.ConvTranspose2d(NGF * 2, NGF, 4, 2, 1, bias=False),
            nn.BatchNorm2d(NGF),
            nn.ReLU(True),
            nn.ConvTranspose2d(NGF, NC, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, input):
        return self.main(input)


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(NC, NDF, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(NDF, NDF * 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(NDF * 2),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(NDF * 2, 1, 4, 1, 0, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, input):
        return self.main(input).view(-1, 1).squeeze(1)


class Job:
    """Two models, their optimizers, and one step of training."""

    def __init__(self):
        self.netG, self.netD = Generator().apply(weights_init), Discriminator().apply(weights_init)
        self.model = nn.ModuleList([self.netG, self.netD])
        self.criterion = nn.BCELoss()
        self.optimizerD = torch.optim.Adam(self.netD.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.optimizerG = torch.optim.Adam(self.netG.parameters(), lr=2e-4, betas=(0.5, 0.999))

    def batch(self, rng):
        return torch.from_numpy(rng.standard_normal((4, NC, 16, 16)).astype("float32")), torch.from_numpy(rng.standard_normal((4, NZ, 1, 1)).astype("float32"))

    def step(self, real, noise):
        self.netD.zero_grad()
        label = torch.full((real.size(0),), 1.0, dtype=real.dtype, device=real.device)
        errD_real = self.criterion(self.netD(real), label)
        errD_real.backward()
        fake = self.netG(noise)
        label.fill_(0.0)
        errD_fake = self.criterion(self.netD(fake.detach()), label)
        errD_fake.backward()
        self.optimizerD.step()
        self.netG.zero_grad()
        label.fill_(1.0)
        errG = self.criterion(self.netD(fake), label)
        errG.backward()
        self.optimizerG.step()
        return errD_real + errD_fake + errG
