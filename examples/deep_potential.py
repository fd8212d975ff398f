"""A learned interatomic potential in the manner of Deep Potential (Zhang, Han, Wang, Car and E, 2018): energies by a network, forces by its derivative.

In come configurations of a small cluster of argon-like atoms with their Lennard-Jones energies and forces, made here by molecular dynamics in reduced units; out go a
smooth, symmetric potential learned from them and, where matplotlib is installed, a picture of its forces against the true ones. The one idea: the loss compares
forces, which are derivatives of the network, so its gradient takes second ones; and the step (forces, loss, backward, Adam) is one compiled graph.

The descriptor of atom i sees its neighbours j through s(r) = switch(r) / r and the unit vector to them: with rows R_j = s (1, x/r, y/r, z/r) and an embedding
network's G_j = G(s(r)), it is (G^T R)(R^T G') / N^2, with G' the first columns of G: unchanged by rotations, translations and permutations.

    python examples/deep_potential.py [steps]
"""

import sys

import segue
from segue import nn, optim
from segue.func import grad, vmap

CUTOFF = 3.0
SMOOTH_FROM = 1.0


def lennard_jones(positions):
    """The energy of a cluster of positions (atoms, 3), in units of the well's depth; lengths in units of sigma."""
    r6 = 1 / pairs(positions)[1].square() ** 3
    return 2 * (r6 * r6 - r6).sum()  # each pair counts twice in the sum


def pairs(positions):
    """For each atom the vectors to the others (atoms, atoms - 1, 3) and the distances."""
    count = positions.shape[0]
    others = segue.arange(count * (count - 1)).reshape(count, count - 1) % (count - 1)
    others = others + (others >= segue.arange(count)[:, None])
    vectors = positions[others] - positions[:, None]
    return vectors, vectors.square().sum(-1).sqrt()


def simulate(frames, atoms=8, every=20, dt=0.004, temperature=0.25):
    """Positions (frames, atoms, 3), energies (frames,) and forces of molecular dynamics: velocity Verlet, velocities drawn anew for every frame."""
    corners = segue.tensor([[i & 1, i >> 1 & 1, i >> 2 & 1] for i in range(8)], dtype=segue.float32)
    shells = [corners + 2.0 * segue.tensor([float(k), 0.0, 0.0]) for k in range((atoms + 7) // 8)]
    x = 1.15 * segue.cat(shells)[:atoms]
    force = grad(lambda x: -lennard_jones(x))

    @segue.compile
    def move(x, v, f):
        v = v + 0.5 * dt * f
        x = x + dt * v
        f = force(x)
        return x, v + 0.5 * dt * f, f

    seen, f = [], force(x)
    for _ in range(frames):
        v = temperature**0.5 * segue.randn(atoms, 3)
        for _ in range(every):
            x, v, f = move(x, v, f)
        seen.append((x, lennard_jones(x), f))
    return tuple(segue.stack(part) for part in zip(*seen))


def switch(r):
    """1 up to SMOOTH_FROM, 0 from CUTOFF on, two continuous derivatives between."""
    u = ((r - SMOOTH_FROM) / (CUTOFF - SMOOTH_FROM)).clamp(0, 1)
    return u**3 * (-6 * u**2 + 15 * u - 10) + 1


def layers(*widths):
    found = []
    for before, after in zip(widths[:-2], widths[1:-1]):
        found += [nn.Linear(before, after), nn.Tanh()]
    return nn.Sequential(*found, nn.Linear(widths[-2], widths[-1]))


class DeepPotential(nn.Module):
    """The energy (0-d) of positions (atoms, 3)."""

    def __init__(self, width=16, axes=4, hidden=32):
        super().__init__()
        self.axes = axes
        self.embedding = layers(1, width, width, width)
        self.fitting = layers(width * axes, hidden, hidden, 1)

    def forward(self, positions):
        vectors, r = pairs(positions)
        s = (switch(r) / r)[..., None]
        rows = s * segue.cat([segue.ones_like(s), vectors / r[..., None]], -1)  # (atoms, neighbours, 4)
        seen = self.embedding(s).mT @ rows / r.shape[-1]  # (atoms, width, 4)
        descriptor = seen @ seen[:, : self.axes].mT
        return self.fitting(descriptor.flatten(1)).sum()


def energies_and_forces(model, positions):
    """Of a batch of positions (frames, atoms, 3)."""

    def one(x):
        pull, energy = segue.func.grad_and_value(model)(x)
        return energy, -pull

    return vmap(one)(positions)


def train(steps=1500, frames=200, atoms=8, batch=8, lr=5e-3, compiled=True):
    """The trained potential, the losses, and a held-out fifth of the data."""
    segue.manual_seed(0)
    data = simulate(frames, atoms)
    held = frames // 5
    test, known = [part[:held] for part in data], [part[held:] for part in data]
    shift = known[1].mean()
    model = DeepPotential()
    optimizer = optim.Adam(model.parameters(), lr=lr)

    def step(x, energy, force):
        optimizer.zero_grad()
        found, pull = energies_and_forces(model, x)
        loss = (pull - force).square().mean() + 0.1 * ((found - energy) / atoms).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    run = segue.compile(step) if compiled else step
    losses = []
    for _ in range(steps):
        chosen = segue.randint(0, frames - held, (batch,))
        losses.append(run(known[0][chosen], known[1][chosen] - shift, known[2][chosen]).item())
    return model, losses, test


def error(model, test):
    """The root mean square of the forces' error, over that of the forces."""
    _, pull = energies_and_forces(model, test[0])
    return ((pull - test[2]).square().mean() / test[2].square().mean()).sqrt().item()


def draw(model, test, path="deep_potential.png"):
    """Predicted against true forces; says so where matplotlib is missing."""
    try:
        from matplotlib import pyplot
    except ImportError:
        print("no picture: matplotlib is not installed (pip install segue[demo])")
        return
    _, pull = energies_and_forces(model, test[0])
    pyplot.figure()
    pyplot.plot(test[2].flatten().numpy(), pull.detach().flatten().numpy(), ".", markersize=2)
    pyplot.axline((0, 0), slope=1, color="gray", linewidth=0.5)
    pyplot.xlabel("true force")
    pyplot.ylabel("learned force")
    pyplot.savefig(path, bbox_inches="tight")
    print(f"drawn: {path}")


if __name__ == "__main__":
    trained, losses, held_out = train(int(sys.argv[1]) if len(sys.argv) > 1 else 1500)
    print(f"loss {losses[0]:.4f} -> {losses[-1]:.4f}; error of held-out forces {100 * error(trained, held_out):.1f} %")
    draw(trained, held_out)
