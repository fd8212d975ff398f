"""torch.autograd's interface beside backward and grad: Function, anomaly mode, hooks, saved tensors, dual tensors, functional, gradcheck's options."""

import pickle
import warnings

import numpy as np
import pytest

import segue
import segue.utils._pytree
from segue.autograd import Function, forward_ad, functional, graph
from segue.autograd.function import once_differentiable
from segue.func import grad, jacfwd, jacrev, jvp, vmap

X = np.linspace(0.2, 1.7, 4)


def leaf(array=X):
    return segue.from_numpy(np.array(array)).requires_grad_()


class Cube(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x, k):
        return x**3 * k, x**2

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.k = inputs
        ctx.save_for_backward(x, output[1])
        ctx.save_for_forward(x, output[1])

    @staticmethod
    def backward(ctx, g, g2):
        x, square = ctx.saved_tensors
        return 3 * square * g * ctx.k + 2 * x * g2, None

    @staticmethod
    def jvp(ctx, t, _):
        x, square = ctx.saved_tensors
        return 3 * square * t * ctx.k, 2 * x * t


def cube(x):
    return Cube.apply(x, 2.0)[0]


def plain(x):
    return 2 * x**3


WAYS = [
    lambda f, x: vmap(f)(x),
    lambda f, x: vmap(grad(f))(x),
    lambda f, x: grad(lambda x: vmap(f)(x).sum())(x),
    lambda f, x: jacfwd(jacrev(f))(x),
    lambda f, x: jacrev(jacrev(f))(x),
    lambda f, x: vmap(vmap(grad(grad(f))))(x.reshape(2, 2)),
    lambda f, x: jvp(grad(lambda x: f(x).sum()), (x,), (x,))[1],
    lambda f, x: grad(lambda x: jvp(f, (x,), (x,))[1].sum())(x),
    lambda f, x: grad(lambda w: vmap(lambda a, b: f(a * b).sum(), in_dims=(0, None))(x, w).sum())(x),
    lambda f, x: grad(lambda w: vmap(lambda a: f(w) * a)(x).sum())(x),
]


@pytest.mark.parametrize("way", range(len(WAYS)))
def test_function_under_transforms(way):
    x = segue.from_numpy(X.copy())
    np.testing.assert_allclose(WAYS[way](cube, x).numpy(), WAYS[way](plain, x).numpy(), rtol=1e-12)


def test_function_with_its_own_vmap_and_without():
    class Sine(Function):
        @staticmethod
        def forward(x):
            return segue.from_numpy(np.sin(x.detach().numpy()))

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0].cos()

        @staticmethod
        def vmap(info, in_dims, x):
            assert info.batch_size == 2 and in_dims == (0,)
            return Sine.apply(x), 0

    class Bare(Function):
        forward, backward = staticmethod(lambda ctx, x: x * 1), staticmethod(lambda ctx, g: g)

    x = segue.from_numpy(X.copy().reshape(2, 2))
    for way in (lambda f: vmap(f)(x), lambda f: vmap(grad(lambda x: f(x).sum()))(x), lambda f: grad(lambda x: vmap(f)(x).sum())(x)):
        np.testing.assert_allclose(way(Sine.apply).numpy(), way(segue.sin).numpy(), rtol=1e-12)
    with pytest.raises(RuntimeError, match="generate_vmap_rule"):
        vmap(Bare.apply)(x)
    with pytest.raises(RuntimeError, match="jvp"):
        jvp(Bare.apply, (x,), (x,))


def test_function_is_differentiated_twice_and_passes_gradcheck():
    assert segue.autograd.gradcheck(cube, (leaf(),), check_forward_ad=True, check_batched_grad=True)
    assert segue.autograd.gradgradcheck(cube, (leaf(),))


def test_context_of_a_function():
    class Kept(Function):
        @staticmethod
        def forward(ctx, x, y, n):
            ctx.set_materialize_grads(False)
            whole = (x * 10).round()
            ctx.mark_non_differentiable(whole)
            ctx.save_for_backward(x, y, None)
            return x * n, y * n, whole

        @staticmethod
        def backward(ctx, gx, gy, gw):
            assert gy is None and gw is None and ctx.needs_input_grad == (True, False, False) and ctx.saved_tensors[2] is None
            return gx * 3, None, None

    x, y = leaf(), segue.ones(4, dtype=segue.float64)
    out = Kept.apply(x, y, 3)
    assert out[0].requires_grad and out[1].requires_grad and not out[2].requires_grad and out[0].grad_fn.name() == "KeptBackward"
    assert out[0].grad_fn.saved_tensors[0] is x
    out[0].sum().backward()
    assert x.grad.tolist() == [3.0] * 4
    with pytest.raises(RuntimeError, match="second time"):
        out[0].sum().backward()
    with pytest.raises(TypeError, match="argument 0 is of type int"):
        segue.autograd.function.FunctionCtx().save_for_backward(3)


def test_mark_dirty_and_wrong_backwards():
    class Add(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.add_(1)

        backward = staticmethod(lambda ctx, g: g * 5)

    x = leaf()
    y = x * 2
    assert Add.apply(y) is y
    y.sum().backward()
    assert x.grad.tolist() == [10.0] * 4
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        Add.apply(leaf())
    for wrong, text in ((lambda ctx, g: (g, g), "incorrect number"), (lambda ctx, g: g[:2], r"got \[2\] but expected shape compatible with \[4\]")):
        bad = type("Bad", (Function,), {"forward": staticmethod(lambda ctx, x: x * 1), "backward": staticmethod(wrong)})
        with pytest.raises(RuntimeError, match=text):
            bad.apply(leaf()).sum().backward()
    with pytest.raises(NotImplementedError, match="backward"):
        type("None_", (Function,), {"forward": staticmethod(lambda ctx, x: x * 1)}).apply(leaf()).sum().backward()


def test_once_differentiable_refuses_the_second_time():
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            return 2 * ctx.saved_tensors[0] * g

    x = leaf()
    (first,) = segue.autograd.grad(Square.apply(x).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_saved_tensor_that_was_overwritten():
    x = leaf()
    y = x * 1
    z = cube(y)
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_anomaly_mode_names_the_forward_line():
    x = leaf([-1.0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(RuntimeError, match=r"SqrtBackward0.*\n.*test_autograd_interface.py(.|\n)*y = x.sqrt\(\)"), segue.autograd.detect_anomaly():
            assert segue.is_anomaly_enabled()
            y = x.sqrt()
            (y * 0).sum().backward()
    assert not segue.is_anomaly_enabled()
    with segue.autograd.set_detect_anomaly(False):
        (x.sqrt() * 0).sum().backward()  # silent, as without the mode


def test_saved_tensors_hooks():
    packed, unpacked = [], []
    x = leaf()
    with graph.saved_tensors_hooks(lambda t: packed.append(t) or len(packed) - 1, lambda i: unpacked.append(i) or packed[i]):
        y = (x.exp() * x).sum()
    (first,) = segue.autograd.grad(y, x, create_graph=True)
    np.testing.assert_allclose(first.tolist(), np.exp(X) * (1 + X))
    (second,) = segue.autograd.grad(first.sum(), x)
    np.testing.assert_allclose(second.tolist(), np.exp(X) * (2 + X))
    assert len(packed) == 3 and set(unpacked) == {0, 1, 2} and not any(t.requires_grad for t in packed)
    with graph.save_on_cpu():
        z = cube(x * 1).sum()
    z.backward()
    np.testing.assert_allclose(x.grad.tolist(), 6 * X**2)
    with pytest.raises(RuntimeError, match="not here"), graph.disable_saved_tensors_hooks("not here"), graph.save_on_cpu():
        pass


def test_hooks_of_leaves_see_the_whole_gradient_once():
    x, seen = leaf(), []
    x.register_hook(lambda g: seen.append(g.tolist()) or g * 2)
    handle = x.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.tolist()))
    (x * 2 + x * 3).sum().backward()
    assert seen == [[5.0] * 4, [10.0] * 4]
    handle.remove()
    x.sum().backward()
    assert len(seen) == 3 and x.grad.tolist() == [12.0] * 4
    with pytest.raises(RuntimeError, match="non-leaf"):
        (x * 1).register_post_accumulate_grad_hook(print)


def test_nodes_of_the_tape():
    x, y, seen = leaf(), leaf(), []
    z = (x * y).sum()
    assert z.grad_fn.name() == "SumBackward0" and z.grad_fn.next_functions[0][0].name() == "MulBackward0"
    ends = [node for node, _ in z.grad_fn.next_functions[0][0].next_functions]
    assert [end.variable for end in ends] == [x, y] and len(z.grad_fn.next_functions) == 1
    z.grad_fn.register_prehook(lambda outputs: (outputs[0] * 10,))
    handle = z.grad_fn.register_hook(lambda inputs, outputs: seen.append((inputs[0].tolist(), outputs[0].item())))
    z.backward(retain_graph=True)
    assert seen == [([10.0] * 4, 10.0)]
    handle.remove()
    z.backward()
    assert len(seen) == 1
    np.testing.assert_allclose(x.grad.tolist(), 20 * X)
    z.grad_fn.metadata["note"] = 1
    assert z.grad_fn.metadata == {"note": 1} and graph.get_gradient_edge(z).node is z.grad_fn


def test_multi_grad_hooks():
    x, y, seen = leaf(), leaf(), []
    handle = graph.register_multi_grad_hook([x, y], lambda gradients: seen.append([g.tolist() for g in gradients]))
    (x * 2 + y * 3).sum().backward()
    assert seen == [[[2.0] * 4, [3.0] * 4]]
    x.sum().backward()
    assert len(seen) == 1
    handle.remove()


def test_dual_levels():
    x, t = segue.from_numpy(X.copy()), segue.ones(4, dtype=segue.float64)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, t)
        value, tangent = forward_ad.unpack_dual((dual * dual).sin())
        assert forward_ad.unpack_dual(x * 2).tangent is None
    np.testing.assert_allclose(tangent.numpy(), np.cos(X**2) * 2 * X)
    assert forward_ad.unpack_dual(x).tangent is None
    with pytest.raises(RuntimeError, match="no level exists"):
        forward_ad.make_dual(x, t)
    with pytest.raises(RuntimeError, match="not the last one"):
        forward_ad.exit_dual_level()


@pytest.mark.torch
def test_functional_as_pytorch():
    torch = pytest.importorskip("torch")
    theirs = torch.autograd.functional

    def scalar(a, b):
        return (a**3 * b.sum()).sum()

    def several(a, b):
        return a * b.sum(), a.exp()

    ours_in, theirs_in = [tuple(make(np.array([0.5, 1.5])) for _ in range(2)) for make in (segue.from_numpy, torch.from_numpy)]
    calls = [("jacobian", several, ()), ("hessian", scalar, ()), ("vjp", several, (0,)), ("jvp", several, (0,)), ("vhp", scalar, (0,)), ("hvp", scalar, (0,))]
    for name, function, vector in calls:
        found = getattr(functional, name)(function, ours_in, *(ours_in,) * len(vector))
        wanted = getattr(theirs, name)(function, theirs_in, *(theirs_in,) * len(vector))
        flat = [[np.asarray(x) for x in segue.utils._pytree.tree_flatten(tree)[0]] for tree in (found, wanted)]
        assert len(flat[0]) == len(flat[1])
        for one, other in zip(*flat):
            np.testing.assert_allclose(one, other, rtol=1e-12, err_msg=name)
    with pytest.raises(RuntimeError, match="independent"):
        functional.jacobian(lambda a: segue.ones(2), ours_in[0], strict=True)


def test_gradcheck_of_complex_functions_and_of_wrong_ones():
    z = segue.from_numpy(X + 1j * X[::-1]).requires_grad_()
    assert segue.autograd.gradcheck(lambda z: (z * z.conj(), z.exp()), (z,), check_forward_ad=True)
    wrong = type("Wrong", (Function,), {"forward": staticmethod(lambda ctx, x: x * 2), "backward": staticmethod(lambda ctx, g: g * 3)})
    assert not segue.autograd.gradcheck(wrong.apply, (leaf(),), raise_exception=False)
    with pytest.raises(RuntimeError, match="Jacobian"):
        segue.autograd.gradcheck(wrong.apply, (leaf(),))
    with pytest.raises(ValueError, match="require gradient"):
        segue.autograd.gradcheck(segue.sin, (segue.ones(2),))


def test_modes_decorate_with_brackets_and_without():
    x = segue.ones(1, requires_grad=True)
    double = lambda x: x * 2  # noqa: E731
    for made in (segue.no_grad(double), segue.no_grad()(double), segue.inference_mode(double), segue.set_grad_enabled(False)(double)):
        assert segue.is_grad_enabled() and not made(x).requires_grad
        assert not segue.compile(lambda x, made=made: made(x) * 1, backend="eager", fullgraph=True)(x).requires_grad
    with segue.no_grad():
        assert segue.enable_grad(double)(x).requires_grad and segue.inference_mode(False)(double)(x).requires_grad


def test_a_decorated_generator_runs_each_step_in_the_mode():
    x = segue.ones(1, requires_grad=True)
    seen = []

    @segue.no_grad
    def stream(x):
        try:
            sent = yield x * 2
            yield x * (sent if sent is not None else 1)
            yield None
        except KeyError:
            yield (x * 4).requires_grad
        finally:
            seen.append(segue.is_grad_enabled())

    running = stream(x)
    assert not next(running).requires_grad and segue.is_grad_enabled()
    assert not running.send(x).requires_grad and segue.is_grad_enabled()
    assert running.throw(KeyError) is False and segue.is_grad_enabled()
    running.close()
    assert seen == [False] and len(list(stream(1))) == 3


def test_whether_inference_mode_is_on():
    def f(x):
        with segue.inference_mode():
            return x * 2 if segue.is_inference_mode_enabled() else x

    asked = segue.is_inference_mode_enabled
    for g in (f, segue.compile(f, fullgraph=True, backend="eager")):
        assert g(segue.ones(1)).item() == 2 and not asked()
    with segue.inference_mode():
        with segue.enable_grad():
            assert asked() and segue.is_grad_enabled()
        with segue.inference_mode(False):
            assert not asked() and segue.is_grad_enabled()
    compiled = segue.compile(lambda x: x + asked(), backend="eager")
    assert compiled(segue.ones(1)).item() == 1
    with segue.inference_mode():
        assert compiled(segue.ones(1)).item() == 2


def test_what_is_asked_and_what_hooks_give_is_checked():
    x = leaf()
    for asked in ([], [segue.ones(4)]):
        for ask in (lambda loss, inputs: loss.backward(inputs=inputs), segue.autograd.grad):
            with pytest.raises(RuntimeError, match="cannot be empty|does not require grad"):
                ask((x * 2).sum(), asked)
    for hook, problem in ((lambda g: g.float(), "dtype"), (lambda g: g.sum(), "shape"), (lambda g: 3, "int")):
        for hooked in (lambda x: x, lambda x: x * 2):
            x = leaf()
            y = hooked(x)
            y.register_hook(hook)
            with pytest.raises(TypeError if problem == "int" else RuntimeError, match=problem):
                y.sum().backward()


def test_gradients_given_have_the_dtype_of_what_they_are_given_for():
    x = segue.ones(2, requires_grad=True)
    assert segue.autograd.grad(x * 2, x, segue.ones(2, dtype=segue.float64))[0].dtype is segue.float32
    with pytest.raises(RuntimeError, match="complex"):
        segue.autograd.grad(x * 2, x, segue.ones(2, dtype=segue.complex64))


def test_a_leaf_that_wants_no_gradient_any_more_gets_none():
    x, w = leaf(), leaf()
    y = x * w
    w.requires_grad_(False)
    y.sum().backward()
    assert w.grad is None and np.array_equal(x.grad, X)


def test_zeros_in_place_of_a_gradient_can_be_differentiated():
    x, other = leaf(), leaf()
    zeros = segue.autograd.grad(x.sum(), other, create_graph=True, materialize_grads=True)[0]
    zeros.sum().backward()
    assert not zeros.any() and not segue.autograd.grad(x.sum(), other, materialize_grads=True)[0].requires_grad


def test_what_is_written_through_data_is_not_heard_of():
    """`x.data` has a version of its own, as PyTorch has it; `x.detach()` has not."""
    x = segue.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    z = (y * y).sum()
    y.data.mul_(3)
    assert y._version == 0 and y.tolist() == [6.0, 12.0]
    z.backward()
    assert x.grad.tolist() == [24.0, 48.0]  # the derivative reads what stands there
    data = y.data
    data[0] = 5.0
    assert (data._version, data[0:1]._base is data, y._version, y[0].item()) == (1, True, 0, 5.0)
    y = x * 2
    z = (y * y).sum()
    y.detach().mul_(3)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()
    given = segue.ones(2)
    leaf = segue.zeros(2)
    leaf.data = given
    given.add_(1)
    assert leaf.tolist() == [2.0, 2.0] and (given._version, leaf._version) == (1, 0)
    first, second = pickle.loads(pickle.dumps((given, given.data)))
    first[0] = 7.0
    assert second[0].item() == 7.0


def test_a_function_that_assigns_through_data_keeps_what_was_saved_before():
    class Assign(Function):
        @staticmethod
        def forward(ctx, scratch, value, place):
            ctx.place = place
            scratch.data[place] = value
            return scratch

        @staticmethod
        def backward(ctx, gradient):
            return gradient, gradient[ctx.place], None

    p = segue.tensor(2.0, requires_grad=True)
    scratch = segue.zeros(3)
    for i in range(3):
        scratch = Assign.apply(scratch, (scratch[: i + 1] * scratch[: i + 1] * p).sum() + p, i)
    scratch.sum().backward()
    assert p.grad.item() == 1 + 13 + 633  # of p, p + p^3, p + p (p^2 + (p + p^3)^2)


@pytest.mark.parametrize("part", [lambda x: x, lambda x: x[:2]])
def test_a_leaf_and_a_view_of_one_are_not_written_by_a_function(part):
    class Triple(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.mul_(3)

        @staticmethod
        def backward(ctx, g):
            return g * 3

    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        Triple.apply(part(leaf()))
    assert Triple.apply(part(leaf() * 1)).requires_grad
