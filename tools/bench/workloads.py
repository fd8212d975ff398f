"""Training steps that are timed in more than one library.

In comes a library, segue or PyTorch, out comes a step: a function without arguments that trains once and returns the loss. The one idea: the two have the
same names, so one text serves both, and what differs between two rows of a table is the library alone. JAX's names are its own: the one step that is
compared with it is written again here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from segue.eager.lazy import LazyModule

Step = Callable[[], Any]
jax: Any = LazyModule("jax")

VISCOSITY = 0.01 / math.pi
PINN_WIDTH, PINN_DEPTH, INNER, EDGE = 20, 8, 2000, 100  # of Raissi, Perdikaris and Karniadakis (2019), with fewer points
VOCABULARY = 96


def _optimise(optimizer: Any, loss_of: Callable[[], Any]) -> Step:
    def step() -> Any:
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        optimizer.step()
        return loss

    return step


def _numbers(M: Any, *shape: int, seed: int = 0) -> Any:
    return M.from_numpy(np.random.default_rng(seed).standard_normal(shape, dtype=np.float32))


def _classes(M: Any, count: int, *shape: int) -> Any:
    return M.from_numpy(np.random.default_rng(1).integers(0, count, shape))


# --------------------------------------------------------------------------------------------------------------------
# Burgers' equation: second derivatives of a network inside the loss


def burgers_points() -> tuple[np.ndarray, ...]:
    """(t, x) inside, (t, x) on the edges, u on the edges: float32."""
    random = np.random.default_rng(0)
    inner = random.random((INNER, 2)) * [1.0, 2.0] - [0.0, 1.0]
    start = np.stack([np.zeros(EDGE), np.linspace(-1, 1, EDGE)], 1)
    sides = np.stack([np.linspace(0, 1, 2 * EDGE), np.repeat([-1.0, 1.0], EDGE)], 1)
    known = np.concatenate([-np.sin(math.pi * start[:, 1:]), np.zeros((2 * EDGE, 1))])
    return tuple(array.astype(np.float32) for array in (inner[:, :1], inner[:, 1:], np.concatenate([start, sides]), known))


def burgers(M: Any, small: bool = False) -> Step:
    """Adam on the mean squared residual of u_t + u u_x - nu u_xx and on the initial and boundary values."""
    depth = 2 if small else PINN_DEPTH
    layers = [M.nn.Linear(2, PINN_WIDTH), M.nn.Tanh()]
    for _ in range(depth - 1):
        layers += [M.nn.Linear(PINN_WIDTH, PINN_WIDTH), M.nn.Tanh()]
    model = M.nn.Sequential(*layers, M.nn.Linear(PINN_WIDTH, 1))
    t, x, edge, known = (M.from_numpy(array) for array in burgers_points())
    t.requires_grad_()
    x.requires_grad_()

    def slope(u: Any, of: Any) -> Any:
        return M.autograd.grad(u, of, M.ones_like(u), create_graph=True)[0]

    def loss() -> Any:
        u = model(M.cat([t, x], 1))
        u_t, u_x = slope(u, t), slope(u, x)
        residual = u_t + u * u_x - VISCOSITY * slope(u_x, x)
        return (residual**2).mean() + ((model(edge) - known) ** 2).mean()

    return _optimise(M.optim.Adam(model.parameters(), lr=1e-3), loss)


def burgers_in_jax() -> Step:
    """The same step for jax.jit: derivatives of u at one point, mapped over the points, and Adam written out."""
    jnp = jax.numpy
    sizes = [2, *[PINN_WIDTH] * PINN_DEPTH, 1]
    random = np.random.default_rng(0)
    weights = [(random.uniform(-1, 1, (a, b)).astype(np.float32) / math.sqrt(a), np.zeros(b, np.float32)) for a, b in zip(sizes, sizes[1:])]
    t, x, edge, known = map(jnp.asarray, burgers_points())

    def model(weights: Any, point: Any) -> Any:
        for w, b in weights[:-1]:
            point = jnp.tanh(point @ w + b)
        return point @ weights[-1][0] + weights[-1][1]

    def residual(weights: Any, t: Any, x: Any) -> Any:
        def u(t: Any, x: Any) -> Any:
            return model(weights, jnp.stack([t, x]))[0]

        u_x = jax.grad(u, 1)
        return jax.grad(u)(t, x) + u(t, x) * u_x(t, x) - VISCOSITY * jax.grad(u_x, 1)(t, x)

    def loss(weights: Any) -> Any:
        inside = jax.vmap(residual, (None, 0, 0))(weights, t[:, 0], x[:, 0])
        return (inside**2).mean() + ((model(weights, edge) - known) ** 2).mean()

    def adam(weights: Any, mean: Any, square: Any, count: Any) -> Any:
        value, slopes = jax.value_and_grad(loss)(weights)
        mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, slopes)
        square = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, square, slopes)
        size, root = 1e-3 / (1 - 0.9**count), jnp.sqrt(1 - 0.999**count)
        weights = jax.tree.map(lambda p, m, v: p - size * m / (jnp.sqrt(v) / root + 1e-8), weights, mean, square)
        return weights, mean, square, count + 1, value

    train = jax.jit(adam, donate_argnums=(0, 1, 2))
    zeros = jax.tree.map(jnp.zeros_like, weights)
    state = [jax.tree.map(jnp.asarray, weights), zeros, jax.tree.map(jnp.zeros_like, weights), jnp.float32(1)]

    def step() -> Any:
        *state[:], value = train(*state)
        return value

    return step


# --------------------------------------------------------------------------------------------------------------------
# A GPT, a convolutional network, an optimiser alone


def gpt(M: Any, small: bool = False) -> Step:
    """AdamW on the cross entropy of a GPT: 6 layers, 384 wide, 6 heads, 256 tokens, batch 8."""
    nn, F = M.nn, M.nn.functional
    module: Any = M.nn.Module
    layers, width, heads, length, batch = (1, 32, 2, 16, 2) if small else (6, 384, 6, 256, 8)

    class Block(module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.project_in, self.project_out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

        def forward(self, x: Any) -> Any:
            parts = [part.view(batch, length, heads, -1).transpose(1, 2) for part in self.project_in(self.norm1(x)).split(width, 2)]
            y = F.scaled_dot_product_attention(*parts, is_causal=True)
            x = x + self.project_out(y.transpose(1, 2).reshape(batch, length, width))
            return x + self.mlp(self.norm2(x))

    class GPT(module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.positions = nn.Embedding(VOCABULARY, width), nn.Embedding(length, width)
            self.blocks = nn.Sequential(*[Block() for _ in range(layers)])
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, VOCABULARY, bias=False)

        def forward(self, indices: Any) -> Any:
            return self.head(self.norm(self.blocks(self.tokens(indices) + self.positions.weight)))

    model = GPT()
    inputs, targets = _classes(M, VOCABULARY, batch, length), _classes(M, VOCABULARY, batch * length)
    optimizer = M.optim.AdamW(model.parameters(), lr=1e-3)
    return _optimise(optimizer, lambda: F.cross_entropy(model(inputs).view(-1, VOCABULARY), targets))


def cnn(M: Any, small: bool = False) -> Step:
    """SGD with momentum on a convolutional network: three times convolution, batch norm, ReLU, pooling; 64 images of 3 x 32 x 32."""
    nn, F = M.nn, M.nn.functional
    widths, batch = ((4, 8), 2) if small else ((32, 64, 128), 64)
    layers: list[Any] = []
    for before, after in zip((3, *widths), widths):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * (32 >> len(widths)) ** 2, 10))
    images, targets = _numbers(M, batch, 3, 32, 32), _classes(M, 10, batch)
    optimizer = M.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    return _optimise(optimizer, lambda: F.cross_entropy(model(images), targets))


def adamw(M: Any, small: bool = False) -> Step:
    """AdamW over 150 tensors, the weights and biases of 75 linear layers 64 wide, with gradients that stay."""
    layers = M.nn.ModuleList([M.nn.Linear(64, 64) for _ in range(2 if small else 75)])
    optimizer = M.optim.AdamW(layers.parameters(), lr=1e-3)
    for number, p in enumerate(layers.parameters()):
        p.grad = _numbers(M, *p.shape, seed=number)
    first = next(iter(layers.parameters()))

    def step() -> Any:
        optimizer.step()
        return first.detach()[0, 0]

    return step


WORKLOADS: dict[str, Callable[..., Step]] = {"Burgers PINN": burgers, "GPT": gpt, "small CNN": cnn, "AdamW, 150 tensors": adamw}


__all__ = ["WORKLOADS", "Step", "burgers_in_jax"]
