"""Function transforms inside of compiled functions, and compiled functions inside of transforms.

In come programs with grad, vmap and their kin. The one idea: the transforms run on twins, so a program that uses them is one graph, and its results,
with what they require of the tape, are those of eager code; and a compiled function may stand wherever a function may.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segue
from segue import func, nn
from segue.utils._pytree import tree_leaves

X = segue.tensor([[0.3, -0.7, 1.1], [0.5, 0.25, -1.5]])
W = segue.tensor([1.0, -2.0, 3.0], requires_grad=True)
NET = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
STATE = {name: p.detach() for name, p in NET.named_parameters()}
square_sine = func.grad(lambda y: (y.sin() * y).sum())  # made outside of the compiled functions


def loss(state, row):
    return func.functional_call(NET, state, (row,)).square().sum()


def through_a_pullback(x):
    output, pull = func.vjp(lambda y: {"a": y**3 * y.sum(), "b": (y.exp(),)}, x)
    return output, pull({"a": x, "b": (x,)})[0]


def with_writes(row):
    doubled = row * 2
    doubled.add_(row)
    doubled[0] = row[1] * row[2]
    return doubled


class Holder:
    """A user's object on its way through a transform."""

    scale = 3.0

    def loss(self, y):
        return (y * self.scale).sin().sum()


PROGRAMS = {
    "grad": lambda x: func.grad(lambda y: (y.sin() * y).sum())(x),
    "grad made outside": lambda x: square_sine(x) + 1,
    "grad of grad": lambda x: func.vmap(func.grad(func.grad(lambda y: y**3)))(x[0]),
    "value_and_grad with aux": lambda x: func.value_and_grad(lambda y: ((y * y).sum(), {"y": y + 1}), has_aux=True)(x),
    "vjp": through_a_pullback,
    "jvp": lambda x: func.jvp(lambda y: y**3 * y.sum(), (x,), (x,)),
    "linearize": lambda x: func.linearize(lambda y: y**3 * y.sum(), x)[1](x),
    "hessian": lambda x: func.vmap(func.hessian(lambda y: (y**3 * y.sum()).sum()))(x),
    "jacrev of a module": lambda x: func.jacrev(NET)(x[0]),
    "jacfwd of a module": lambda x: func.jacfwd(NET)(x[0]),
    "gradients for each example": lambda x: func.vmap(func.grad(loss), in_dims=(None, 0))(STATE, x),
    "what is read from outside requires a gradient": lambda x: func.vmap(func.grad(lambda y: (y * W).sin().sum()))(x),
    "in_dims and out_dims": lambda x: func.vmap(lambda a, b: (a * b, a.sum()), in_dims=(1, None), out_dims=(-1, 0))(x, x[:, 0]),
    "chunks": lambda x: func.vmap(lambda a: a.softmax(0), in_dims=1, chunk_size=2)(x),
    "writes inside": lambda x: (func.vmap(with_writes)(x), func.vmap(func.jacrev(with_writes))(x)),
    "an object's method": lambda x, holder=Holder(): func.vmap(func.grad(holder.loss))(x),
    "an object as an argument": lambda x, holder=Holder(): func.grad(lambda y, h: h.loss(y))(x, holder),
    "a closure that counts": lambda x: [func.grad(lambda y, i=i: (y**i).sum())(x) for i in range(1, 4)],
}  # fmt: skip


def same(found, expected):
    found, expected = tree_leaves(found), tree_leaves(expected)
    assert len(found) == len(expected)
    for a, b in zip(found, expected):
        assert a.requires_grad == b.requires_grad
        assert np.allclose(a.detach().numpy(), b.detach().numpy(), 1e-5, 1e-5)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_with_transforms_is_one_graph(name):
    program = PROGRAMS[name]
    before = segue.compiler.stats()
    compiled = segue.compile(program, fullgraph=True)
    same(compiled(X), program(X))
    same(compiled(X * 0.5), program(X * 0.5))
    after = segue.compiler.stats()
    assert (after["graphs"] - before["graphs"], after["breaks"] - before["breaks"], after["recompiles"] - before["recompiles"]) == (1, 0, 0)


def test_the_gradient_flows_on_through_a_compiled_transform():
    program = PROGRAMS["what is read from outside requires a gradient"]
    gradients = []
    for run in (program, segue.compile(program, fullgraph=True)):
        gradients.append(segue.autograd.grad(run(X).sum(), W)[0])
    same(*gradients)


def test_draws_in_vmap_are_eagers():
    def noisy(x):
        return func.vmap(lambda row: nn.functional.dropout(row, 0.5) + segue.rand(()), randomness="different")(x)

    segue.manual_seed(3)
    expected = noisy(X)
    segue.manual_seed(3)
    same(segue.compile(noisy, fullgraph=True)(X), expected)


def test_what_the_function_reads_is_guarded():
    holder = Holder()
    compiled = segue.compile(lambda x: func.grad(holder.loss)(x), fullgraph=True)
    same(compiled(X), func.grad(holder.loss)(X))
    holder.scale = -0.5
    same(compiled(X), func.grad(holder.loss)(X))


def test_a_break_inside_runs_the_transform_eagerly(capsys):
    def program(x):
        def told(row):
            print("row", tuple(row.shape))
            return row * 2

        return func.vmap(told)(x + 1) - 1

    compiled = segue.compile(program)
    for _ in range(2):
        same(compiled(X), (X + 1) * 2 - 1)
    assert capsys.readouterr().out == "row (3,)\n" * 2


def test_an_error_inside_is_the_users():
    compiled = segue.compile(lambda x: func.grad(lambda y: y)(x) + 1)
    with pytest.raises(RuntimeError, match="scalar"):
        compiled(X)
    same(compiled(segue.tensor(2.0)), segue.tensor(2.0))


# ---------------------------------------------------------------------------------------------------------------- compiled functions inside


def cubes(x):
    return (x**3 * x.sum()).sin() + x


AROUND = {
    "grad": lambda f: func.grad(lambda x: f(x).sum()),
    "grad of grad": lambda f: func.grad(lambda x: (func.grad(lambda y: f(y).sum())(x) ** 2).sum()),
    "vjp": lambda f: lambda x: func.vjp(f, x)[1](x)[0],
    "jvp": lambda f: lambda x: func.jvp(f, (x,), (x,))[1],
    "vmap": lambda f: func.vmap(f),
    "vmap of grad": lambda f: func.vmap(func.grad(lambda x: f(x).sum())),
    "grad of vmap": lambda f: func.grad(lambda x: func.vmap(f)(x).sum()),
    "jacrev": lambda f: func.jacrev(lambda x: f(x[0])),
    "jacfwd of jacrev": lambda f: func.jacfwd(func.jacrev(lambda x: f(x[0]).sum())),
}


@pytest.mark.parametrize("name", AROUND)
def test_a_transform_of_a_compiled_function(name):
    same(AROUND[name](segue.compile(cubes))(X), AROUND[name](cubes)(X))


@given(st.lists(st.sampled_from(["create_graph", "grad"]), min_size=3, max_size=3), st.sampled_from([True, False]))
@settings(max_examples=6, deadline=None, derandomize=True)
def test_third_derivatives_of_a_compiled_function(ways, compile_the_whole):
    """autograd.grad with create_graph=True, and segue.func.grad, in any order over a compiled function; and all of it compiled again."""

    def derivative(f, way):
        if way == "grad":
            return func.grad(f)

        def by_the_tape(x):
            x = x if x.requires_grad else x.detach().requires_grad_()
            return segue.autograd.grad(f(x), x, create_graph=True)[0]

        return by_the_tape

    def third(f):
        for way in ways:
            inner = f
            f = lambda x, g=derivative(lambda y, inner=inner: inner(y).sum() if inner(y).ndim else inner(y), way): (g(x) ** 2).sum()
        return f

    point = X[0].double()
    expected = third(lambda x: cubes(x).sum())(point)
    compiled = segue.compile(cubes)
    found = third(lambda x: compiled(x).sum())
    found = segue.compile(found)(point) if compile_the_whole else found(point)
    assert np.allclose(found.detach().numpy(), expected.detach().numpy(), 1e-9)


def test_a_hook_behind_the_accumulation_is_in_the_graph():
    w = segue.ones(3, requires_grad=True)
    optimizer = segue.optim.SGD([w], lr=0.5)

    def in_backward(p):
        optimizer.step()
        optimizer.zero_grad()

    handle = w.register_post_accumulate_grad_hook(in_backward)

    def step(x):
        loss = (w * x).sum()
        loss.backward()
        return loss

    compiled = segue.compile(step, fullgraph=True)
    assert compiled(segue.ones(3)).item() == 3.0 and w.tolist() == [0.5] * 3 and w.grad is None
    assert compiled(segue.ones(3)).item() == 1.5 and w.tolist() == [0.0] * 3
    handle.remove()
    compiled(segue.ones(3))
    assert w.tolist() == [0.0] * 3 and w.grad.tolist() == [1.0] * 3


def test_hooks_on_tensors_made_in_the_graph():
    def step(w, x, inside):
        h = w * x
        h.register_hook(lambda g: g * 3)
        loss = h.sum()
        if inside:
            loss.backward()
        return loss

    for inside, breaks in ((True, 0), (False, 1)):
        segue.compiler.reset()
        compiled, grads = segue.compile(step, backend="eager"), []
        for call in (step, compiled):
            w = segue.ones(3, requires_grad=True)
            loss = call(w, segue.tensor([1.0, 2.0, 3.0]), inside)
            if not inside:
                loss.backward()
            grads.append(w.grad.tolist())
        assert grads == [[3.0, 6.0, 9.0]] * 2
        assert (segue.compiler.stats()["breaks"] > 0) == bool(breaks)
