"""Learning to learn sines: model-agnostic meta-learning (Finn, Abbeel and Levine, 2017).

In come tasks, each a sine of its own amplitude and phase with ten points to learn from; out goes a network from which one gradient step fits a new task.
The one idea: the step on a task is a gradient, and training goes through it, so each update takes second derivatives; `vmap` runs all tasks at
once, and the whole meta-step is one compiled graph.

    python examples/maml.py [steps]
"""

import math
import sys

import segue
from segue import nn, optim
from segue.func import functional_call, grad, vmap

RATE = 0.05  # of the step on a task


def tasks(count, points):
    """(x to learn from, y, x to be judged on, y), each (count, points, 1)."""
    amplitude, phase = segue.rand(count, 1, 1) * 4.9 + 0.1, segue.rand(count, 1, 1) * math.pi
    found = []
    for _ in range(2):
        x = segue.rand(count, points, 1) * 10 - 5
        found += [x, amplitude * segue.sin(x + phase)]
    return found


def task_loss(model, parameters, x, y):
    return (functional_call(model, parameters, (x,)) - y).square().mean()


def adapted(model, parameters, x, y):
    """The parameters after one gradient step on a task."""
    slopes = grad(lambda p: task_loss(model, p, x, y))(parameters)
    return {name: p - RATE * slopes[name] for name, p in parameters.items()}


def train(steps=2000, count=16, points=10, width=40, lr=2e-3, compiled=True):
    """The network and the losses after adaptation."""
    segue.manual_seed(0)
    model = nn.Sequential(nn.Linear(1, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1))
    optimizer = optim.Adam(model.parameters(), lr=lr)

    def step(x, y, new_x, new_y):
        optimizer.zero_grad()
        parameters = dict(model.named_parameters())
        after = lambda a, b, c, d: task_loss(model, adapted(model, parameters, a, b), c, d)
        loss = vmap(after)(x, y, new_x, new_y).mean()
        loss.backward()
        optimizer.step()
        return loss

    run = segue.compile(step) if compiled else step
    return model, [run(*tasks(count, points)).item() for _ in range(steps)]


def draw(losses, path="maml.png"):
    """The losses as a picture; says so where matplotlib is missing."""
    try:
        from matplotlib import pyplot
    except ImportError:
        print("no picture: matplotlib is not installed (pip install segue[demo])")
        return
    pyplot.semilogy(losses)
    pyplot.xlabel("step")
    pyplot.ylabel("loss after one gradient step on the task")
    pyplot.savefig(path, bbox_inches="tight")
    print(f"drawn: {path}")


if __name__ == "__main__":
    _, history = train(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
    print(f"loss after one step on a task: {history[0]:.3f} -> {sum(history[-50:]) / len(history[-50:]):.3f}")
    draw(history)
