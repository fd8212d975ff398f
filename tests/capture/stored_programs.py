"""Run by test_stored.py in processes of their own: each program compiled, beside its eager answer, and what was traced and loaded for it. Prints JSON."""

import json
import sys

import stored_facts as facts

import segue
from segue.compiler import stats

settings, sized = facts.Settings(), facts.Property()


def branch(x):
    return x + 1 if issubclass(facts.Derived, facts.A) else x - 1


def broken(x):
    x = x * facts.SCALE
    segue.compiler.graph_break()
    return x + 1


def effects(x):
    seen = []
    for n in range(3):
        seen.append(x * n)
    return sum(seen)


PROGRAMS = {
    "global": lambda x: x * facts.SCALE,
    "helper": lambda x: facts.helper(x),
    "default": lambda x: facts.defaulted(x),
    "closure": lambda x: facts.doubled(x),
    "class attribute": lambda x: settings.scaled(x),
    "enum": lambda x: x * facts.Mode.CHOSEN.value,
    "base": branch,
    "property": lambda x: x * sized.size,
    "patched": lambda x: segue.nn.functional.relu(x),
    "break": broken,
}
SAME = {"effects": effects, "random": lambda x: segue.dropout(x, 0.5, True), "mask": lambda x: x[x > 2] * x.sum(), "set": lambda x: x * (2 if "a" in {"a", "b"} else 3)}


def numbers(value):
    return value.detach().numpy().tolist()


def once(function, x):
    segue.manual_seed(0)
    eager = numbers(function(x))
    segue.manual_seed(0)
    before = stats()
    found = numbers(segue.compile(function)(x))
    return {"right": found == eager, **{name: stats()[name] - before[name] for name in ("captures", "captures_loaded", "captures_not_stored", "lowerings")}}


def at_sizes(x):
    """The same at three sizes: the second is captured with a symbol, and the third meets it."""
    compiled = segue.compile(lambda x: (x * x.shape[0]).cumsum(0)[:-1])
    before = stats()
    found = [numbers(compiled(part)) for part in (x, x[1:], x[2:])]
    right = found == [numbers((part * part.shape[0]).cumsum(0)[:-1]) for part in (x, x[1:], x[2:])]
    return {"right": right, **{name: stats()[name] - before[name] for name in ("captures", "captures_loaded", "captures_not_stored", "lowerings")}}


class Net(segue.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.outer = segue.nn.Linear(4, 8), segue.nn.Linear(8, 2)

    def forward(self, x):
        return self.outer(segue.nn.functional.gelu(self.inner(x)))


def trained(way):
    """Losses of three steps, and the second derivative at the end, which needs the graph."""
    segue.manual_seed(0)
    net, x = Net(), segue.randn(6, 4)
    optimizer = segue.optim.AdamW(net.parameters(), lr=0.1)

    def step():
        optimizer.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    if way == "model":
        net.compile()
    run = segue.compile(step) if way == "step" else step
    losses = [run().item() for _ in range(3)]
    if way != "step":
        x.requires_grad_()
        (slope,) = segue.autograd.grad(net(x).sum(), x, create_graph=True)
        losses.append(segue.autograd.grad(slope.square().sum(), net.inner.weight)[0].sum().item())
    return losses


def main():
    x = segue.arange(float(sys.argv[1])) - 1
    report = {name: once(function, x) for name, function in {**PROGRAMS, **SAME}.items()}
    report["sizes"] = at_sizes(x)
    eager = trained("eager")
    for way in ("model", "step"):
        before = stats()
        close = all(abs(a - b) <= 1e-5 * abs(b) for a, b in zip(trained(way), eager))
        report[way] = {"right": close, **{name: stats()[name] - before[name] for name in ("captures", "captures_loaded", "lowerings")}}
    print(json.dumps(report))


main()
