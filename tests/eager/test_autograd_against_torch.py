"""What programs see of autograd beside its numbers, against PyTorch: gradients that hooks keep, arguments that a Function gives back, second ways back, flags."""

import pytest

import segue

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def same(program):
    """What a program of the library gives, in both. The program returns plain values."""
    assert program(segue) == program(torch)


def leaf(library):
    return library.ones(2, dtype=library.float64, requires_grad=True)


def twice(loss, w, kept):
    """Two ways back, of which the second is added to `.grad`."""
    loss.backward()
    (w * w).sum().backward()
    return [k.tolist() for k in kept], w.grad.tolist()


def hook_of_a_leaf(library):
    w, kept = leaf(library), []
    w.register_hook(kept.append)
    return twice((w * 3).sum(), w, kept)


def hook_of_many(library):
    w, kept = leaf(library), []
    library.autograd.graph.register_multi_grad_hook([w], lambda found: kept.extend(found))
    return twice((w * 3).sum(), w, kept)


def hook_of_a_step(library):
    w, kept = leaf(library), []
    y = w * 3
    y.grad_fn.register_hook(lambda found, arrived: kept.append(found[0]))
    return twice(y.sum(), w, kept)


def function_that_keeps(library):
    w, kept = leaf(library), []

    class Triple(library.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 3

        @staticmethod
        def backward(ctx, g):
            kept.append(g * 3)
            return kept[0]

    return twice(Triple.apply(w).sum(), w, kept)


@pytest.mark.parametrize("program", [hook_of_a_leaf, hook_of_many, hook_of_a_step, function_that_keeps], ids=lambda f: f.__name__)
def test_a_gradient_that_somebody_keeps_stays_as_it_was(program):
    same(program)


def given_back(library, dirty, recorded, wants):
    """What is known of an argument that a Function returns."""

    class Back(library.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            if dirty:
                x.mul_(3)
                ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 3

    x = leaf(library) * 1 if wants else library.ones(2)
    with library.set_grad_enabled(recorded):
        out = Back.apply(x)
    return out is x, out.requires_grad, out.is_leaf, x.requires_grad, out.tolist(), x.tolist(), out.data_ptr() == x.data_ptr()


@pytest.mark.parametrize("dirty", [True, False])
@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("wants", [True, False])
def test_an_argument_that_a_function_gives_back(dirty, recorded, wants):
    same(lambda library: given_back(library, dirty, recorded, wants))


@pytest.mark.parametrize("saves", [False, True])
def test_a_second_way_back_through_a_function(saves):
    def program(library):
        class Clipped(library.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                if saves:
                    ctx.save_for_backward(x)
                return x * 1

            @staticmethod
            def backward(ctx, g):
                return g.clamp(-0.5, 0.5) * (ctx.saved_tensors[0] if saves else 1)

        w = leaf(library)
        loss = Clipped.apply(w).sum()
        loss.backward()
        try:
            loss.backward()
        except RuntimeError:
            return "refused"
        return w.grad.tolist()

    same(program)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("retained", [False, True])
@pytest.mark.parametrize("part", [False, True])
def test_backward_into_a_result(part, retained, compiled):
    def program(library):
        w = leaf(library)
        y = (w * 2).unbind()[1] if part else w * 2
        if retained:
            y.retain_grad()
        (y * y).sum().backward(inputs=[y, w], retain_graph=True)
        first = y.grad
        values = first.tolist(), w.grad.tolist()
        (y * y).sum().backward(inputs=[y])
        return values, first.tolist(), y.grad.tolist(), first is y.grad, w.grad.tolist(), y.retains_grad

    same(lambda library: segue.compile(program, backend="eager")(library) if compiled and library is segue else program(library))
