"""An inverse problem through a simulation: what conducts how well inside of a rod, from its temperatures alone.

In come the temperatures of a rod at a few moments, here simulated with a conductivity that is then forgotten; out go the conductivity that explains them and, where
matplotlib is installed, a picture of it. The one idea: the simulation of u_t = (k(x) u_x)_x is ordinary code, so the gradient of its misfit with respect to k is one
`backward()` through all of its time steps, and steps, misfit, backward and Adam are one compiled graph.

    python examples/heat.py [steps]
"""

import sys

import segue
from segue import optim

CELLS = 48
RECORDS = 8  # moments at which the temperatures are seen


def simulate(k, u, moves=8, ratio=0.4):
    """The temperatures (RECORDS, rods, cells) of rods that start at u (rods, cells), their ends kept; `moves` explicit steps between two records.

    k (cells - 1,) is the conductivity between neighbouring cells; `ratio` is dt / dx^2, and ratio * max(k) must stay under 1/2.
    """
    records = []
    for _ in range(RECORDS):
        for _ in range(moves):
            flow = k * (u[:, 1:] - u[:, :-1])
            u = segue.cat([u[:, :1], u[:, 1:-1] + ratio * (flow[:, 1:] - flow[:, :-1]), u[:, -1:]], 1)
        records.append(u)
    return segue.stack(records)


def starts():
    """Temperatures to begin with: a hot spot at each of six places."""
    place = segue.linspace(0, 1, CELLS)
    return segue.exp(-(((place - segue.linspace(0.1, 0.9, 6)[:, None]) / 0.07) ** 2))


def true_conductivity():
    """A rod of one stuff with a piece of another in it."""
    place = segue.linspace(0, 1, CELLS - 1)
    return 0.9 - 0.6 * ((place > 0.35) & (place < 0.6)).float()


def train(steps=400, noise=1e-3, smoothing=1e-4, lr=0.05, compiled=True):
    """The recovered conductivity and the losses."""
    segue.manual_seed(0)
    first = starts()
    seen = simulate(true_conductivity(), first)
    seen = seen + noise * segue.randn_like(seen)
    raw = segue.zeros(CELLS - 1, requires_grad=True)  # k = sigmoid(raw): between 0 and 1
    optimizer = optim.Adam([raw], lr=lr)

    def step():
        optimizer.zero_grad()
        k = segue.sigmoid(raw)
        loss = (simulate(k, first) - seen).square().mean() + smoothing * (k[1:] - k[:-1]).abs().mean()
        loss.backward()
        optimizer.step()
        return loss

    run = segue.compile(step) if compiled else step
    losses = [run().item() for _ in range(steps)]
    return segue.sigmoid(raw).detach(), losses


def draw(k, path="heat.png"):
    """The recovered and the true conductivity; says so where matplotlib is missing."""
    try:
        from matplotlib import pyplot
    except ImportError:
        print("no picture: matplotlib is not installed (pip install segue[demo])")
        return
    pyplot.figure()
    pyplot.plot(true_conductivity().numpy(), label="true", color="gray")
    pyplot.plot(k.numpy(), label="recovered")
    pyplot.xlabel("cell")
    pyplot.ylabel("conductivity")
    pyplot.legend()
    pyplot.savefig(path, bbox_inches="tight")
    print(f"drawn: {path}")


if __name__ == "__main__":
    found, losses = train(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
    error = (found - true_conductivity()).abs().mean().item()
    print(f"loss {losses[0]:.6f} -> {losses[-1]:.6f}; conductivity off by {error:.3f} on average")
    draw(found)
