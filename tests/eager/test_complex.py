"""Complex tensors: views of the parts, gradients in PyTorch's convention, and the rows that take complex operands.

The gradients are checked by steps along both axes, so that no other framework is needed; where PyTorch is installed they are compared with its own.
"""

import numpy as np
import pytest

import segue
from segue.eager.autograd.gradcheck import gradcheck, gradgradcheck


def draw(*shape, seed=0):
    numbers = np.random.default_rng(seed)
    return segue.from_numpy(np.asarray(numbers.normal(size=shape) + 1j * numbers.normal(size=shape)))


def stepped(function, x, step=1e-6):
    """dL/d(real) + i dL/d(imaginary) by central differences."""
    values = x.detach().numpy()
    found = np.zeros(values.shape, complex)
    for place in np.ndindex(values.shape):
        for axis in (1, 1j):
            sides = []
            for sign in (1, -1):
                moved = values.copy()
                moved[place] += sign * step * axis
                sides.append(function(segue.from_numpy(moved)).item())
            found[place] += axis * (sides[0] - sides[1]) / (2 * step)
    return found


FUNCTIONS = {
    "product": lambda x: (x * (2 - 1j) * x).real.sum(),
    "quotient": lambda x: (x / (x * x + 3)).imag.sum(),
    "matmul": lambda x: segue.view_as_real(x @ x.mT @ x).square().sum(),
    "exp and log": lambda x: (x.exp() * (x + 4).log()).real.sum(),
    "power": lambda x: (x**3).imag.sum(),
    "parts": lambda x: (x.real * x.imag.exp()).sum(),
    "conjugate": lambda x: (x * x.conj()).real.sum() + (x.conj() * 1j).real.sum(),
    "back": lambda x: segue.view_as_complex(segue.view_as_real(x) * 2).imag.square().sum(),
    "complex": lambda x: (segue.complex(x.imag, x.real.exp()) * (1 + 1j)).imag.square().sum(),
    "pieces": lambda x: segue.cat([x[:1], x[1:] * 1j]).cumsum(0).real.square().sum(),
    "written": lambda x: _written(x * 1).imag.square().sum(),
}


def _written(x):
    x.real.mul_(3)
    x.imag[0] = x.real[1]
    return x


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_are_steps_along_both_axes(name):
    x = draw(2, 2).requires_grad_()
    FUNCTIONS[name](x).backward()
    assert np.allclose(x.grad.numpy(), stepped(FUNCTIONS[name], x), 1e-6, 1e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_compiled_is_eager(name):
    x, y = draw(2, 2).requires_grad_(), draw(2, 2).requires_grad_()
    FUNCTIONS[name](x).backward()
    segue.compile(FUNCTIONS[name])(y).backward()
    assert np.allclose(x.grad.numpy(), y.grad.numpy(), 1e-12, 1e-12)


def test_parts_share_memory():
    x = draw(2, 3)
    x.real.fill_(1)
    x.imag[0] = 2
    assert np.array_equal(x.numpy()[0], np.full(3, 1 + 2j)) and np.array_equal(x.numpy().real, np.ones((2, 3)))
    segue.view_as_real(x).zero_()
    assert not x.numpy().any()
    pairs = segue.ones(2, 2)
    segue.view_as_complex(pairs).mul_(1j)
    assert pairs.tolist() == [[-1, 1], [-1, 1]]


def test_real_operands_get_real_gradients():
    x = segue.tensor([1.0, 2.0], requires_grad=True)
    ((x * (1 + 2j)) * x).imag.sum().backward()
    assert x.grad.dtype is segue.float32 and x.grad.tolist() == [4, 8]


def test_second_derivatives():
    pairs = segue.view_as_real(draw(2, 2, seed=3)).requires_grad_()

    def function(pairs):
        x = segue.view_as_complex(pairs)
        return segue.view_as_real(x @ x.mH / (x + 3) + x.exp())

    assert gradcheck(function, (pairs,)) and gradgradcheck(function, (pairs,))


@pytest.mark.parametrize(
    "call",
    [
        lambda: segue.imag(segue.ones(2)),
        lambda: segue.view_as_real(segue.ones(2)),
        lambda: segue.view_as_complex(segue.ones(3)),
        lambda: segue.view_as_complex(segue.ones(2, 3).t()),
        lambda: segue.complex(segue.ones(2), segue.ones(2).double()),
        lambda: segue.complex(segue.ones(2, dtype=segue.int64), segue.ones(2, dtype=segue.int64)),
    ],
)
def test_what_has_no_such_parts_raises(call):
    with pytest.raises(RuntimeError):
        call()
