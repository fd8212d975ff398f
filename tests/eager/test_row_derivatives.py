"""Derivatives of every differentiable row, in float64, against finite differences: first and second order by the tape, and the tangent rules.

In come the rows' samples, cast to float64 or complex128. The one idea: for random weights the weighted sum of a result is a function of the operands
alone, and the weighted sum of its gradient is again one; both derivatives are checked by stepping each element up and down. A complex sum counts by
its real part, and a complex element is stepped along both axes: dL/d(real) + i dL/d(imaginary).
"""

import numpy as np
import pytest

import segue.eager.functional as F
from segue.eager.autograd.engine import grad
from segue.eager.ops import NAMES, OPS
from segue.eager.ops.samples import map_arrays
from segue.eager.tensor import Tensor, wrap

ROWS = [OPS[name] for name in sorted(NAMES) if OPS[name].vjp]
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
STEP = 1e-5


def float_samples(row):
    """Samples that hold a floating operand, as float64 arrays, small enough to step through."""
    for args, _ in row.samples():
        args = map_arrays(lambda a: a.astype({"f": np.float64, "c": np.complex128}[a.dtype.kind]) if a.dtype.kind in "fc" else a, args)
        found = differentiable(row, args)
        if found and sum(array.size for array in found) <= 400 and (row.name != "cast" or args[1].itemsize >= 8 and args[1].is_floating_point):
            yield args


def differentiable(row, args):
    """The floating arrays among the operands that have a formula, in order."""
    found = []
    for parameter, value in zip(row.schema.parameters, args):
        if parameter.name in row.vjp:
            map_arrays(lambda a, found=found: found.append(a) if a.dtype.kind in "fc" else None, value)
    return found


def replaced(row, args, values):
    """The arguments with the differentiable arrays replaced in order; the others wrapped as they are."""
    rest = iter(values)
    out = []
    for parameter, value in zip(row.schema.parameters, args):
        active = parameter.name in row.vjp
        put = PREPARED.get((row.name, parameter.name), lambda x: x)
        out.append(map_arrays(lambda a, active=active, put=put: put(next(rest)) if active and a.dtype.kind in "fc" else wrap(a), value))
    return out


def hermitian(x):
    return (x + F.conj(F.transpose(x, -2, -1))) / 2


# Rows that read one triangle, though their gradient is that of a whole matrix, as PyTorch's is: the matrix is made Hermitian, or triangular, first.
PREPARED = {
    ("linalg_cholesky", "x"): hermitian,
    ("linalg_eigh", "x"): hermitian,
    ("linalg_eigvalsh", "x"): hermitian,
    ("linalg_cholesky_solve", "x"): lambda x: F.tril(x),
}


def weights(like, seed):
    """Random numbers of the shape of a tensor or array, complex where it is."""
    draws = np.random.default_rng(seed)
    real = np.asarray(draws.uniform(0.5, 1.5, tuple(like.shape)))
    is_complex = getattr(like.dtype, "is_complex", False) or getattr(like.dtype, "kind", "") == "c"
    return np.asarray(real + 1j * draws.uniform(0.5, 1.5, tuple(like.shape))) if is_complex else real


def value(row, args, arrays):
    """The weighted sum of the result."""
    out = np.asarray(row(*replaced(row, args, [wrap(a) for a in arrays]))._data)
    return float((out * weights(out, 1).conj()).sum().real)


def gradients(row, args, arrays, create_graph=False):
    """The leaves and the gradients of the weighted sum for them."""
    leaves = [wrap(a.copy()).requires_grad_() for a in arrays]
    out = row(*replaced(row, args, leaves))
    return leaves, grad(out, leaves, wrap(weights(out, 1)), create_graph=create_graph, materialize_grads=True)


def gradient_value(row, args, arrays):
    """The weighted sum of the gradients."""
    _, found = gradients(row, args, arrays)
    return sum(float((np.asarray(g._data) * weights(g, 2 + i).conj()).sum().real) for i, g in enumerate(found))


def stepped(function, arrays):
    """The derivative of `function(arrays)` for each element by central differences."""
    result = []
    for i, array in enumerate(arrays):
        found = np.zeros(array.shape, array.dtype)
        for place in np.ndindex(array.shape):
            for axis in (1, 1j) if array.dtype.kind == "c" else (1,):
                sides = []
                for step in (STEP, -STEP):
                    moved = [a.copy() for a in arrays]
                    moved[i][place] += step * axis
                    sides.append(function(moved))
                found[place] += axis * (sides[0] - sides[1]) / (2 * STEP)
        result.append(found)
    return result


def assert_close(found, expected, what):
    for g, e in zip(found, expected):
        g = np.asarray(g._data)
        assert g.shape == e.shape, what
        assert np.allclose(g, e, 1e-5, 1e-6), f"{what}\n{g}\n{e}"


@each_row
def test_first_derivative(row):
    checked = 0
    for args in float_samples(row):
        arrays = differentiable(row, args)
        _, found = gradients(row, args, arrays)
        assert_close(found, stepped(lambda moved, args=args: value(row, args, moved), arrays), row.name)
        checked += sum(a.size for a in arrays) > 0
    assert checked


@each_row
def test_second_derivative(row):
    """Of the formulas themselves: they must be made of differentiable operators, and save what they read."""
    for args in float_samples(row):
        arrays = differentiable(row, args)
        leaves, first = gradients(row, args, arrays, create_graph=True)
        active = [(i, g) for i, g in enumerate(first) if g.requires_grad]
        expected = stepped(lambda moved, args=args: gradient_value(row, args, moved), arrays)
        if not active:
            assert all(np.allclose(e, 0, atol=1e-5) for e in expected), f"{row.name}: the gradient depends on the operands but is not on the tape"
            continue
        found = grad([g for _, g in active], leaves, [wrap(weights(g, 2 + i)) for i, g in active], materialize_grads=True)
        assert_close(found, expected, row.name)


def tangent(row, args, parameter, t):
    """The row's tangent rule for one argument."""
    names = [p.name for p in row.schema.parameters]
    if row.jvp == "linear":
        return row(*[t if name == parameter else a for name, a in zip(names, args)])
    formula = row.vjp[parameter] if row.jvp == "elementwise" else row.jvp[parameter]
    known = {"F": F, "g": t, "t": t, **dict(zip(names, args))}
    words = formula.__code__.co_varnames[: formula.__code__.co_argcount]
    for name, a in zip(names, args):
        if isinstance(a, Tensor):
            known |= {f"{name}_shape": tuple(a.shape), f"{name}_dtype": a.dtype}
        elif isinstance(a, tuple) and any(isinstance(part, Tensor) for part in a):
            known |= {f"{name}_shape": [tuple(part.shape) for part in a if part is not None]}
    if "out" in words:
        known["out"] = row(*args)
    return formula(*[known[word] for word in words])


@each_row
def test_tangent_rule(row):
    for args in float_samples(row):
        wrapped = [map_arrays(wrap, a) for a in args]
        out = np.asarray(row(*wrapped)._data)
        for i, parameter in enumerate(row.schema.parameters):
            floats: list = []
            map_arrays(lambda a, floats=floats: floats.append(a) if a.dtype.kind in "fc" else None, args[i])
            if parameter.name not in row.vjp or not floats:
                continue
            direction = map_arrays(lambda a: weights(a, 5) if a.dtype.kind in "fc" else np.zeros(a.shape), args[i])
            if (row.name, parameter.name) in PREPARED:
                prepare = PREPARED[row.name, parameter.name]
                direction, wrapped[i] = np.asarray(prepare(wrap(direction))._data), prepare(wrapped[i])
            sides = []
            for step in (STEP, -STEP):
                moved = _plus(args[i], direction, step)
                sides.append(np.asarray(row(*[map_arrays(wrap, moved) if j == i else a for j, a in enumerate(wrapped)])._data))
            found = np.asarray(tangent(row, wrapped, parameter.name, map_arrays(wrap, direction))._data)
            assert np.allclose(np.broadcast_to(found, out.shape), (sides[0] - sides[1]) / (2 * STEP), 1e-5, 1e-6), (row.name, parameter.name)


def _plus(value, direction, step):
    if isinstance(value, tuple):
        return tuple(_plus(v, d, step) for v, d in zip(value, direction))
    return np.asarray(value + step * direction if value.dtype.kind in "fc" else value)


# ------------------------------------------------------------------------------------------------------ places where a formula could go wrong


def gradient_at(name, x, *rest):
    leaf = wrap(np.asarray(x, np.float64)).requires_grad_()
    out = OPS[name](leaf, *rest)
    (found,) = grad(out, [leaf], F.ones_like(out))
    return np.asarray(found._data)


def test_kinks_have_pytorchs_derivatives():
    assert gradient_at("relu", [0.0]) == 0
    assert gradient_at("abs", [0.0]) == 0
    assert np.isinf(gradient_at("sqrt", [0.0]))
    assert gradient_at("clamp_min", [1.0], 1.0) == 1
    assert gradient_at("pow", [0.0], 0.0) == 0
    assert gradient_at("pow", [0.0], 1.0) == 1
    assert gradient_at("pow", [0.0], wrap(np.zeros(1))) == 0


def test_ties_share_the_gradient():
    assert gradient_at("amax", [[1.0, 3.0, 3.0]], (1,), False).tolist() == [[0, 0.5, 0.5]]
    assert gradient_at("maximum", [2.0, 1.0, 0.0], wrap(np.array([2.0, 0.0, 1.0]))).tolist() == [0.5, 1, 0]


@pytest.mark.parametrize("zeros", [[], [1], [0, 2]])
def test_the_gradient_of_a_product_with_zeros(zeros):
    """No division: with one zero only its own derivative is left, and all second derivatives stay right."""
    x = np.array([[2.0, -1.0, 3.0], [0.5, 4.0, 1.5]])
    for column in zeros:
        x[0, column] = 0
    args = (x, (1,), False)
    row = OPS["prod"]
    expected = [[float(np.prod(np.delete(line, j))) for j in range(3)] for line in x]
    assert np.allclose(gradient_at("prod", x, (1,), False), expected)
    leaves, first = gradients(row, args, [x], create_graph=True)
    (second,) = grad(first[0], leaves, wrap(weights(x, 2)))
    assert_close([second], stepped(lambda moved: gradient_value(row, args, moved), [x]), "prod")
