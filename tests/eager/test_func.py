"""Function transforms: every nesting three deep against finite differences and against each other, vmap against a loop, and what each refuses.

In come smooth functions of a vector. The one idea: each transform is turned into a map from scalar functions to scalar functions, so they nest freely; a
nest is right if its outermost step agrees with a difference quotient of what stands inside, and if another way to the same derivative gives the same.
"""

from collections import OrderedDict, defaultdict, deque, namedtuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segue
from segue import func, nn
from segue.eager.autograd.function import Function
from segue.utils import _pytree as pytree

POINT = np.array([0.3, -0.7, 1.1])
DIRECTION = np.array([0.5, -1.25, 0.75])
STEP = 1e-5


def t(values):
    return segue.tensor(np.asarray(values, np.float64))


def smooth(u):
    """A scalar function whose derivatives of every order differ from nought, of indexing, products and reductions."""
    mixed = u @ t([[0.2, -0.4, 0.1], [0.7, 0.3, -0.2], [-0.1, 0.5, 0.6]])
    return (mixed.sin() * u).sum() + (u[0] * u[1].exp()) * u.square().mean() + segue.cat([u, mixed]).tanh().prod()


c = t(DIRECTION)
SCALES = (1.0, 0.5, -0.75)


def along(s, u):
    return s(u + c * STEP), s(u - c * STEP)


def quotient(s):
    def difference(u):
        plus, minus = along(s, u)
        return (plus - minus) / (2 * STEP)

    return difference


def curvature(s):
    """A quotient of the first derivative, which is exact: a quotient of quotients would have too few digits."""
    return quotient(STEPS["grad"][0](s))


def by_loop(s):
    return lambda u: sum(weight * s(u * weight) for weight in SCALES)


def over_batch(s, in_dims):
    def total(u):
        batch = segue.stack([u * weight for weight in SCALES], in_dims)
        return (func.vmap(s, in_dims=in_dims)(batch) * t(SCALES)).sum()

    return total


pair = lambda s: lambda u: segue.stack([s(u), s(u * 0.5)])
both = t([1.0, 0.0])
STEPS = {  # a scalar function -> another, and the same by differences or loops
    "grad": (lambda s: lambda u: func.grad(s)(u) @ c, quotient),
    "value_and_grad": (lambda s: lambda u: func.value_and_grad(s)(u)[1] @ c, quotient),
    "jvp": (lambda s: lambda u: func.jvp(s, (u,), (c,))[1], quotient),
    "linearize": (lambda s: lambda u: func.linearize(s, u)[1](c), quotient),
    "vjp": (lambda s: lambda u: func.vjp(s, u)[1](t(1.0))[0] @ c, quotient),
    "jacrev": (lambda s: lambda u: (func.jacrev(pair(s))(u) @ c) @ both, quotient),
    "jacfwd": (lambda s: lambda u: (func.jacfwd(pair(s))(u) @ c) @ both, quotient),
    "hessian": (lambda s: lambda u: (func.hessian(s)(u) @ c) @ c, curvature),
    "vmap": (lambda s: over_batch(s, 0), by_loop),
    "vmap over columns": (lambda s: over_batch(s, 1), by_loop),
}
FIRST_ORDER = [name for name, (_, check) in STEPS.items() if check is quotient]


def nest(names):
    found = smooth
    for name in reversed(names):
        found = STEPS[name][0](found)
    return found


def check(names, wrap=lambda f: f):
    found = wrap(nest(names))(t(POINT))
    assert found.shape == () and not found.requires_grad
    expected = STEPS[names[0]][1](nest(names[1:]))(t(POINT))
    assert np.allclose(found.item(), expected.item(), 1e-6, 1e-7), names


def check_against_each_other(names, other):
    """Whatever way a first derivative is taken, it is the same number."""
    swapped = [other if name in FIRST_ORDER else name for name in names]
    assert np.allclose(nest(names)(t(POINT)).item(), nest(swapped)(t(POINT)).item(), 1e-9), (names, swapped)


@pytest.mark.parametrize("name", STEPS)
def test_each_alone(name):
    check([name])


NESTS = st.lists(st.sampled_from(sorted(STEPS)), min_size=2, max_size=3).filter(lambda names: names.count("hessian") < 2)


@given(NESTS, st.sampled_from(FIRST_ORDER))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_every_nesting_agrees_with_differences_and_with_every_other_way(names, other):
    check(names)
    check_against_each_other(names, other)


def test_the_known_cases_of_perturbation_confusion():
    """d/dx (x * d/dy (x + y)) = 1, by every pair of ways (Siskind and Pearlmutter, 2005)."""
    derivatives = {
        "grad": lambda f: func.grad(f),
        "jvp": lambda f: lambda x: func.jvp(f, (x,), (segue.ones_like(x),))[1],
        "linearize": lambda f: lambda x: func.linearize(f, x)[1](segue.ones_like(x)),
    }
    for outer in derivatives.values():
        for inner in derivatives.values():
            assert outer(lambda x, inner=inner: x * inner(lambda y: x + y)(t(2.0)))(t(3.0)).item() == 1
            assert outer(lambda x, inner=inner: inner(lambda y: x * y)(x))(t(3.0)).item() == 1


# ---------------------------------------------------------------------------------------------------------------- with the tape outside


def test_a_transform_leaves_the_tape_of_its_surroundings():
    """What is read from outside and requires a gradient gets one through the transform, exactly when the tape is on."""
    w = t([1.0, 2.0, 3.0]).requires_grad_()
    x = t(np.arange(6.0).reshape(2, 3))
    gradients = func.vmap(func.grad(lambda row: (row * w).sin().sum()))(x)
    gradients.sum().backward()
    expected = sum(np.cos(r * [1, 2, 3]) - [1, 2, 3] * np.sin(r * [1, 2, 3]) * r for r in x.numpy())
    assert np.allclose(w.grad.numpy(), expected)
    with segue.no_grad():
        assert not func.grad(lambda v: (v * w).sum())(x[0]).requires_grad
        assert not func.value_and_grad(lambda v: (v * w).sum())(x[0])[0].requires_grad
    value, push = func.jvp(lambda v: (v * w).sum(), (x[1],), (x[0],))
    push.backward()
    assert np.allclose(w.grad.numpy(), expected + x[0].numpy())


def test_a_result_is_off_the_tape_where_nobody_outside_asks():
    for found in (
        func.grad(lambda v: (v * v).sum())(c), func.vjp(segue.sin, c)[0], func.vjp(segue.sin, c)[1](c)[0], func.vmap(func.grad(segue.sin))(c),
        func.vmap(func.value_and_grad(segue.sin))(c)[0], func.linearize(segue.sin, c)[1](c), func.grad(segue.sin, has_aux=False)(t(1.0)),
        func.grad(lambda v: (v.sum(), v * 2), has_aux=True)(c)[1],
    ):  # fmt: skip
        assert not found.requires_grad and found.grad_fn is None


def test_a_pullback_may_be_called_again_and_differentiated():
    _, pull = func.vjp(lambda v: v**3, c)
    assert np.array_equal(pull(c)[0].numpy(), pull(c)[0].numpy())
    again = func.grad(lambda g: pull(g)[0].sum())(c)
    assert np.allclose(again.numpy(), 3 * DIRECTION**2)
    rows = func.vmap(pull)(segue.eye(3, dtype=segue.float64))[0]
    assert np.allclose(rows.numpy(), np.diag(3 * DIRECTION**2))


# ---------------------------------------------------------------------------------------------------------------- pytrees and arguments


def test_grad_of_chosen_arguments_and_pytrees():
    parameters = {"w": t([1.0, 2.0]), "b": [t(0.5)]}
    loss = lambda p, x, scale=1.0: ((p["w"] * x).sum() + p["b"][0]) * scale
    found = func.grad(loss)(parameters, t([3.0, 4.0]), scale=2.0)
    assert list(found) == ["w", "b"] and found["w"].tolist() == [6, 8] and found["b"][0].item() == 2
    both_of_them, value = func.grad_and_value(loss, argnums=(1, 0))(parameters, t([3.0, 4.0]))
    assert both_of_them[0].tolist() == [1, 2] and both_of_them[1]["w"].tolist() == [3, 4] and value.item() == 11.5
    assert func.grad(loss, argnums=-1)(parameters, t([3.0, 4.0])).tolist() == [1, 2]
    gradient, (value, aux) = func.grad_and_value(lambda x: ((x * x).sum(), {"twice": x * 2}), has_aux=True)(c)
    assert np.allclose(gradient.numpy(), 2 * DIRECTION) and np.allclose(aux["twice"].numpy(), 2 * DIRECTION)


def test_jacobians_of_pytrees():
    f = lambda x, y: {"a": x * y.sum(), "b": (y * y,)}
    for jacobian in (func.jacrev(f, argnums=(0, 1)), func.jacfwd(f, argnums=(0, 1)), func.jacrev(f, argnums=(0, 1), chunk_size=2)):
        found = jacobian(t([1.0, 2.0]), t([3.0, 4.0, 5.0]))
        assert np.allclose(found["a"][0].numpy(), 12 * np.eye(2)) and np.allclose(found["a"][1].numpy(), [[1, 1, 1], [2, 2, 2]])
        assert np.allclose(found["b"][0][0].numpy(), np.zeros((3, 2))) and np.allclose(found["b"][0][1].numpy(), np.diag([6.0, 8, 10]))
    for jacobian in (func.jacrev, func.jacfwd):
        found, aux = jacobian(lambda x: (x * 2, x + 1), has_aux=True)(t([1.0, 2.0]))
        assert np.array_equal(found.numpy(), 2 * np.eye(2)) and aux.tolist() == [2, 3]


Point = namedtuple("Point", "x y")


def test_pytrees_of_every_container():
    tree = {"a": [1, (2, None)], "b": OrderedDict(c=3), "d": deque([4], maxlen=3), "p": Point(5, 6)}
    leaves, spec = pytree.tree_flatten(tree)
    assert leaves == [1, 2, None, 3, 4, 5, 6] and spec.num_leaves == 7
    back = pytree.tree_unflatten(leaves, spec)
    assert back == tree and back["d"].maxlen == 3 and type(back["p"]) is Point
    assert pytree.tree_map(lambda a, b: a + b, {"a": 1, "b": [2]}, {"a": 10, "b": [20]}) == {"a": 11, "b": [22]}
    with pytest.raises(ValueError, match="6 "):
        pytree.tree_unflatten([1] * 6, spec)
    with pytest.raises(ValueError, match="mismatch"):
        pytree.tree_map(max, [1], (1,))


class Pair:
    def __init__(self, a, b):
        self.a, self.b = a, b


class Named(OrderedDict):
    pass


def registered(tree):
    """A class with its keys, one without, and a dict of the user's that takes those of dicts."""
    if Named not in tree.SUPPORTED_NODES:
        tree.register_pytree_node(Pair, lambda p: ((p.a, p.b), None), lambda items, _: Pair(*items))
        tree.register_pytree_node(
            Named, tree._dict_flatten, lambda items, keys: Named(zip(keys, items)), serialized_type_name="Named", flatten_with_keys_fn=tree._dict_flatten_with_keys
        )
    return {"a": [1, (2, None)], "b": OrderedDict(c=3), "d": deque([4], maxlen=3), "p": Point(5, 6), "n": Named(x=7), "e": defaultdict(list, f=8)}


@pytest.mark.torch
def test_paths_of_pytrees():
    theirs = pytest.importorskip("torch.utils._pytree")
    asked = []
    for tree in (pytree, theirs):
        data = registered(tree)
        paths, spec = tree.tree_flatten_with_path(data)
        back = tree.tree_map_with_path(lambda path, x, y, tree=tree: (tree.keystr(path), x, y), data, data, is_leaf=lambda x: isinstance(x, Point))
        with pytest.raises(ValueError, match="flatten_with_keys_fn"):
            tree.tree_leaves_with_path([Pair(1, 2)])
        asked.append([
            [(tree.keystr(path), leaf, tree.key_get(data, path)) for path, leaf in paths], back, tree.tree_unflatten([x for _, x in paths], spec) == data,
            tree.tree_is_leaf(3), tree.tree_is_leaf(data), tree.tree_map_only((int, str), lambda x: x + 1, [1, None]), list(tree.tree_iter(data)),
            tree.tree_map_only(lambda x: x == 1, lambda x: 10, [1, 2]), tree.tree_all_only(int, lambda x: x > 0, data), tree.tree_any_only(int, lambda x: x > 7, data),
            tree.SUPPORTED_NODES[Named].flatten_fn(data["n"]), tree.tree_leaves(Pair(1, [2])),
        ])  # fmt: skip
    assert asked[0] == asked[1]


@pytest.mark.torch
def test_associative_scans():
    torch = pytest.importorskip("torch")
    from torch._higher_order_ops.associative_scan import associative_scan as theirs

    from segue._higher_order_ops.associative_scan import associative_scan

    combine = lambda a, b: (a[0] * b[0], b[0] * a[1] + b[1])
    x = np.arange(1, 31, dtype="float32").reshape(2, 5, 3) / 10
    for reverse in (False, True):
        wanted = theirs(combine, (torch.tensor(x), torch.tensor(np.cos(x))), 1, reverse, combine_mode="generic")
        for mode in ("generic", "pointwise"):
            program = lambda x, mode=mode, reverse=reverse: associative_scan(combine, (x, x.cos()), 1, reverse, mode)
            for run in (program, segue.compile(program, fullgraph=True)):
                for mine, other in zip(run(segue.tensor(x)), wanted):
                    np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=1e-5)
    grown = segue.stack([segue.eye(2) + i for i in range(4)])
    assert segue.equal(associative_scan(lambda a, b: a @ b, grown, 0, combine_mode="generic")[3], grown[0] @ grown[1] @ grown[2] @ grown[3])
    for wrong in (lambda: associative_scan(None, grown, 0), lambda: associative_scan(max, [1], 0), lambda: associative_scan(max, grown, 0, False, "other")):
        with pytest.raises((RuntimeError, ValueError), match="associative_scan"):
            wrong()


# ---------------------------------------------------------------------------------------------------------------- vmap


def test_in_dims_and_out_dims():
    x, y = t(np.arange(24.0).reshape(2, 3, 4)), t(np.arange(4.0))
    f = lambda a, b: (a @ b[0], a.sum())
    found, total = func.vmap(f, in_dims=(2, [None]), out_dims=(1, 0))(x.expand(2, 3, 4)[:, :, :], [t([1.0, 2.0, 3.0])])
    assert np.allclose(found.numpy(), np.einsum("ijk,j->ik", x.numpy(), [1, 2, 3])) and np.allclose(total.numpy(), x.numpy().sum((0, 1)))
    assert np.allclose(func.vmap(func.vmap(lambda a: a * y), in_dims=1, out_dims=-1)(x).numpy(), np.moveaxis(x.numpy() * y.numpy(), 1, -1))
    repeated = func.vmap(lambda a: y)(x)
    assert np.array_equal(repeated.numpy(), np.stack([y.numpy()] * 2))
    assert func.vmap(lambda a: y, out_dims=None)(x).tolist() == y.tolist()
    named = func.vmap(lambda a, *, scale: a * scale)(x, scale=t([2.0, 3.0]))
    assert np.array_equal(named.numpy(), x.numpy() * np.array([2, 3]).reshape(2, 1, 1))


@pytest.mark.parametrize("chunk_size", [1, 2, 3, 5, 8])
def test_chunks_give_the_same(chunk_size):
    x = t(np.random.default_rng(0).normal(size=(3, 5)))
    f = lambda a: (a.cumsum(0), a.softmax(0).sum())
    expected, found = func.vmap(f, in_dims=1)(x), func.vmap(f, in_dims=1, chunk_size=chunk_size)(x)
    assert all(np.allclose(a.numpy(), b.numpy()) for a, b in zip(expected, found))


def test_randomness():
    x = segue.zeros(64)
    with pytest.raises(RuntimeError, match="randomness"):
        func.vmap(lambda a: a + segue.rand(()))(x)
    segue.manual_seed(0)
    different = func.vmap(lambda a: a + segue.rand(3), randomness="different")(x).numpy()
    assert different.shape == (64, 3) and len(np.unique(different)) == 192
    same = func.vmap(lambda a: a + segue.rand(3), randomness="same")(x).numpy()
    assert (same == same[0]).all() and len(np.unique(same)) == 3
    dropped = func.vmap(lambda a: nn.functional.dropout(segue.ones(32), 0.5), randomness="different")(x).numpy()
    assert 0.3 < (dropped == 0).mean() < 0.7 and not (dropped == dropped[0]).all()
    nested = func.vmap(func.vmap(lambda a: segue.rand(()), randomness="different"), randomness="same")(segue.zeros(4, 5)).numpy()
    assert (nested == nested[0]).all() and len(np.unique(nested)) == 5
    segue.manual_seed(1)
    first = func.vmap(lambda a: segue.randint(0, 10**9, (2,)) + a.long(), randomness="different")(segue.zeros(3)).numpy()
    assert len(np.unique(first)) == 6


def test_writes_under_transforms():
    def f(a):
        b = a * 2
        b.add_(a)
        b[0] = a[1] * a[0]
        b[1:].mul_(a[0])
        return b

    x = t([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert np.allclose(func.vmap(f)(x).numpy(), np.stack([f(row).numpy() for row in x]))
    expected = np.array([[2.0, 1, 0], [6, 3, 0], [9, 0, 3]])
    for jacobian in (func.jacrev(f), func.jacfwd(f)):
        assert np.allclose(jacobian(x[0]).numpy(), expected)

    def into_new(a):
        out = segue.zeros(3)  # made like nothing: it has one memory for all examples
        with pytest.raises(RuntimeError, match="transformed"):
            out[0] = a.sum()
        return a

    func.vmap(into_new)(x)


def test_what_vmap_refuses():
    x = segue.ones(2, 3)
    for call, kind, text in (
        (lambda: func.vmap(lambda a: a)(), ValueError, "got no inputs"),
        (lambda: func.vmap(lambda a: a, in_dims=None)(x), ValueError, "expected `in_dims` to be int"),
        (lambda: func.vmap(lambda a: a, in_dims=(0, 0))(x), ValueError, "not compatible"),
        (lambda: func.vmap(lambda a: a, in_dims=2)(x), ValueError, "dimensionality 2"),
        (lambda: func.vmap(lambda a, b: a)(x, 3), ValueError, "non-Tensor"),
        (lambda: func.vmap(lambda a, b: a)(x, segue.ones(4)), ValueError, "same size"),
        (lambda: func.vmap(lambda a: 3)(x), ValueError, "must only return Tensors"),
        (lambda: func.vmap(lambda a: a, out_dims=(0, 1))(x), ValueError, "out_dims is not compatible"),
        (lambda: func.vmap(lambda a: a, out_dims=None)(x), ValueError, "out_dim is None"),
        (lambda: func.vmap(lambda a: a, chunk_size=0), ValueError, "chunk_size"),
        (lambda: func.vmap(lambda a: a, randomness="often")(x), RuntimeError, "randomness"),
        (lambda: func.vmap(lambda a: a.nonzero())(x), RuntimeError, "vmap"),
        (lambda: func.vmap(lambda a: a if a.sum() > 0 else -a)(x), RuntimeError, "vmap"),
        (lambda: func.vmap(lambda a: a.sum().item())(x), RuntimeError, "vmap"),
    ):  # fmt: skip
        with pytest.raises(kind, match=text):
            call()


def test_a_tensor_that_escapes_says_so():
    kept = []
    func.vmap(lambda a: kept.append(a) or a)(segue.ones(2, 3))
    with pytest.raises(RuntimeError, match="escaped"):
        kept[0] + 1
    with pytest.raises(RuntimeError, match="escaped"):
        func.vmap(lambda a: kept[0] + a)(segue.ones(2, 3))
    assert func.vmap(lambda a: a + 1)(segue.ones(2)).tolist() == [2, 2]


def test_values_may_be_read_where_there_is_one():
    branch = lambda a: a * 2 if a.sum() > 0 else a * 3
    assert func.jvp(branch, (c,), (c,))[1].tolist() == (DIRECTION * 3 if DIRECTION.sum() <= 0 else DIRECTION * 2).tolist()
    assert func.grad(lambda a: branch(a).sum() * float(a[0]))(c).shape == (3,)
    w = t([2.0])
    assert func.vmap(lambda a: a * w.item())(c).tolist() == (DIRECTION * 2).tolist()


def test_a_function_with_a_derivative_of_its_own_says_what_it_cannot():
    class Double(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    assert func.grad(lambda x: Double.apply(x).sum())(c).tolist() == [2, 2, 2]
    for call in (lambda: func.vmap(Double.apply)(c), lambda: func.jvp(Double.apply, (c,), (c,))):
        with pytest.raises(RuntimeError, match="Double"):
            call()


def test_an_error_inside_leaves_no_level_behind():
    with pytest.raises(ZeroDivisionError):
        func.vmap(lambda a: a + 1 // 0)(segue.ones(2))
    with pytest.raises(ZeroDivisionError):
        func.jvp(lambda a: a + 1 // 0, (c,), (c,))
    assert segue.is_grad_enabled() and func.vmap(segue.sin)(c).shape == (3,)


def test_what_the_derivatives_refuse():
    for call, text in (
        (lambda: func.grad(lambda x: x)(c), "scalar tensor"),
        (lambda: func.grad(lambda x: 1.0)(c), "scalar tensor, got float"),
        (lambda: func.grad(lambda x: x.sum(), argnums=1)(c), "only 1 positional"),
        (lambda: func.grad(lambda x: x.sum(), argnums=(0, 0))(c), "unique"),
        (lambda: func.grad(lambda x: x.sum())(3.0), "expected only Tensors"),
        (lambda: func.grad(lambda x: x.sum(), has_aux=True)(c), "tuple: \\(output, aux\\)"),
        (lambda: func.vjp(segue.sin, c)[1](t(1.0)), "shape"),
        (lambda: func.vjp(segue.sin, c)[1]((c,)), "structure"),
        (lambda: func.jvp(segue.sin, c, c), "Expected primals to be a tuple"),
        (lambda: func.jvp(segue.sin, (c,), (c, c)), "structure"),
        (lambda: func.jvp(segue.sin, (c,), (t(1.0),)), "shape"),
        (lambda: func.jvp(segue.sin, (c,), (c.float(),)), "float32"),
        (lambda: func.jvp(lambda x: c, (c,), (c,), strict=True), "independent"),
    ):
        with pytest.raises(RuntimeError, match=text):
            call()
    assert func.jvp(lambda x: t(2.0), (c,), (c,))[1].item() == 0
    assert func.grad(lambda x: t(2.0))(c).tolist() == [0, 0, 0]


# ---------------------------------------------------------------------------------------------------------------- modules


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 1)
        self.norm = nn.BatchNorm1d(4)

    def forward(self, x):
        return self.second(self.norm(self.first(x)).tanh())


def test_functional_call_and_ensembles():
    segue.manual_seed(0)
    models = [Net().eval() for _ in range(3)]
    parameters, buffers = func.stack_module_state(models)
    assert parameters["first.weight"].shape == (3, 4, 3) and parameters["first.weight"].requires_grad and not buffers["norm.running_mean"].requires_grad
    x = segue.randn(5, 3)
    found = func.vmap(lambda p, b: func.functional_call(models[0], (p, b), (x,)))(parameters, buffers)
    assert np.allclose(found.detach().numpy(), np.stack([m(x).detach().numpy() for m in models]), atol=1e-6)
    state = {name: p.detach() for name, p in models[0].named_parameters()}
    loss = lambda p, row: func.functional_call(models[0], p, row.unsqueeze(0)).square().sum()
    each = func.vmap(func.grad(loss), in_dims=(None, 0))(state, x)
    for i in range(5):
        models[0].zero_grad()
        models[0](x[i : i + 1]).square().sum().backward()
        for name, p in models[0].named_parameters():
            assert np.allclose(each[name][i].numpy(), p.grad.numpy(), atol=1e-5)


def test_functional_call_puts_everything_back():
    layer = nn.Linear(2, 2)
    weight = layer.weight
    with pytest.raises(KeyError, match="nothing"):
        func.functional_call(layer, {"nothing": weight}, segue.ones(2))
    with pytest.raises(ValueError, match="multiple"):
        func.functional_call(layer, [{"weight": weight}, {"weight": weight}], segue.ones(2))
    with pytest.raises(RuntimeError, match="missing.*bias"):
        func.functional_call(layer, {"weight": weight}, segue.ones(2), strict=True)
    with pytest.raises(RuntimeError):
        func.functional_call(layer, {"weight": segue.ones(2, 5)}, segue.ones(2))
    assert layer.weight is weight
    tied = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    tied[1].weight = tied[0].weight
    double = {"0.weight": segue.eye(2) * 2}
    assert func.functional_call(tied, double, segue.ones(2)).tolist() == [4, 4]
    assert func.functional_call(tied, double, segue.ones(2), tie_weights=False).tolist() != [4, 4]
    norm, running = nn.BatchNorm1d(2), {"running_mean": segue.zeros(2)}
    func.functional_call(norm, running, segue.ones(4, 2))
    assert norm.running_mean.tolist() == [0, 0] and running["running_mean"].tolist() != [0, 0]


def test_what_is_made_like_a_batched_tensor_can_be_written_to():
    x = segue.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])

    def filled(row):
        out = segue.zeros_like(row)
        out[1:] = row[:-1]
        return out + row.new_ones(3).add_(row)

    assert func.vmap(filled)(x).tolist() == [[2.0, 4.0, 6.0], [5.0, 10.0, 12.0]]
    assert func.vmap(func.vmap(lambda e: segue.full_like(e, 2.0).mul_(e)))(x).tolist() == (2 * x).tolist()
    assert func.jvp(lambda row: segue.zeros_like(row).add_(row * row), (x,), (x,))[1].tolist() == (2 * x * x).tolist()
    assert func.grad(lambda x: func.vmap(filled)(x).sum())(x).tolist() == [[2.0, 2.0, 1.0]] * 2
    with pytest.raises(RuntimeError, match=r"vmap: nonzero\(\)(.|\n)*nonzero_static"):
        func.vmap(lambda row: row.nonzero())(x)
