"""Burgers' equation learned by a physics-informed network (Raissi, Perdikaris and Karniadakis, 2019).

In comes nothing but the equation u_t + u u_x = nu u_xx on [-1, 1] with u(0, x) = -sin(pi x) and u(t, +-1) = 0; out go a network u(t, x) and, where
matplotlib is installed, a picture. The one idea: the residual is made of first and second derivatives of the network, so training it takes third ones,
and the whole step (all derivatives, the loss, backward, Adam) is one compiled graph.

    python examples/burgers.py [steps]
"""

import math
import sys

import segue
from segue import nn, optim
from segue.func import grad, vmap

NU = 0.01 / math.pi


def network(width=20, depth=4):
    layers = [nn.Linear(2, width), nn.Tanh()]
    for _ in range(depth - 1):
        layers += [nn.Linear(width, width), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(width, 1))


def residual(model, points):
    """u_t + u u_x - nu u_xx at each row (t, x) of `points`."""

    def u(t, x):
        return model(segue.stack([t, x])).squeeze(0)

    def at(t, x):
        return grad(u, 0)(t, x) + u(t, x) * grad(u, 1)(t, x) - NU * grad(grad(u, 1), 1)(t, x)

    return vmap(at)(points[:, 0], points[:, 1])


def train(steps=2000, inner=1000, boundary=100, lr=2e-3, compiled=True):
    """The trained network and the losses."""
    segue.manual_seed(0)
    model = network()
    optimizer = optim.Adam(model.parameters(), lr=lr)
    points = segue.rand(inner, 2) * segue.tensor([1.0, 2.0]) - segue.tensor([0.0, 1.0])
    start = segue.stack([segue.zeros(boundary), segue.linspace(-1, 1, boundary)], 1)
    sides = segue.stack([segue.linspace(0, 1, boundary), segue.ones(boundary)], 1)
    known = segue.cat([start, sides, sides * segue.tensor([1.0, -1.0])])
    values = segue.cat([-segue.sin(math.pi * start[:, 1]), segue.zeros(2 * boundary)])

    def step(points):
        optimizer.zero_grad()
        loss = residual(model, points).square().mean() + (model(known).squeeze(1) - values).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    run = segue.compile(step) if compiled else step
    return model, [run(points).item() for _ in range(steps)]


def draw(model, path="burgers.png", size=100):
    """u over time and place as a picture; says so where matplotlib is missing."""
    try:
        from matplotlib import pyplot
    except ImportError:
        print("no picture: matplotlib is not installed (pip install segue[demo])")
        return
    with segue.no_grad():
        t, x = segue.meshgrid(segue.linspace(0, 1, size), segue.linspace(-1, 1, size), indexing="ij")
        u = model(segue.stack([t.reshape(-1), x.reshape(-1)], 1)).reshape(size, size)
    pyplot.imshow(u.numpy().T, extent=(0, 1, -1, 1), origin="lower", aspect="auto", cmap="RdBu")
    pyplot.colorbar(label="u")
    pyplot.xlabel("t")
    pyplot.ylabel("x")
    pyplot.savefig(path, bbox_inches="tight")
    print(f"drawn: {path}")


if __name__ == "__main__":
    trained, losses = train(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
    print(f"loss {losses[0]:.4f} -> {losses[-1]:.4f}")
    draw(trained)
