"""Densities, entropies, moments, divergences and gradients of every distribution against PyTorch's, in float64."""

import warnings

import numpy as np
import pytest

import segue
import segue.distributions as ours

from .cases import CASES, LOC, OTHER, POSITIVE, PROBS, TRIL

torch = pytest.importorskip("torch", reason="compares with PyTorch")
theirs = pytest.importorskip("torch.distributions")
pytestmark = pytest.mark.torch

FACTS = {
    "log_prob": lambda d, v: d.log_prob(v),
    "entropy": lambda d, v: d.entropy(),
    "mean": lambda d, v: d.mean,
    "mode": lambda d, v: d.mode,
    "variance": lambda d, v: d.variance,
    "stddev": lambda d, v: d.stddev,
    "cdf": lambda d, v: d.cdf(v),
    "icdf": lambda d, v: d.icdf(0.5 * d.cdf(v)),
    "enumerate_support": lambda d, v: d.enumerate_support(),
    "enumerate_support not expanded": lambda d, v: d.enumerate_support(False),
    "perplexity": lambda d, v: d.perplexity(),
    "support": lambda d, v: d.support.check(v),
    "expand": lambda d, v: d.expand((5, *d.batch_shape)).log_prob(v[:1]),
}
DIFFER = {("Kumaraswamy", "mode")}  # PyTorch's is NaN everywhere: it takes the logarithm of a negative number
MORE = {
    "Uniform within": lambda D, t: D.Uniform(t(0.2 * PROBS), t(0.5 + 0.5 * PROBS)),
    "Uniform wide": lambda D, t: D.Uniform(t(LOC - 1), t(LOC + POSITIVE + 2)),
    "Normal 2": lambda D, t: D.Normal(t(POSITIVE), t(OTHER)),
    "Gamma 2": lambda D, t: D.Gamma(t(OTHER), t(POSITIVE)),
    "Laplace 2": lambda D, t: D.Laplace(t(POSITIVE), t(OTHER)),
    "Pareto 2": lambda D, t: D.Pareto(t(POSITIVE * 0.7), t(OTHER + 3)),
    "Binomial 2": lambda D, t: D.Binomial(4, t(PROBS * 0.8)),
    "Categorical 2": lambda D, t: D.Categorical(t([[0.0, 0.5, 0.2, 0.3], [0.1, 0.2, 0.3, 0.4]])),
    "Bernoulli 2": lambda D, t: D.Bernoulli(t([0.0, 1.0, 0.5])),
    "ContinuousBernoulli 2": lambda D, t: D.ContinuousBernoulli(t(PROBS)),
    "LowRank 2": lambda D, t: D.LowRankMultivariateNormal(t(LOC + 1), t(np.ascontiguousarray(TRIL[::-1, :, :1])), t(POSITIVE)),
    "Transformed 2": lambda D, t: D.TransformedDistribution(D.Normal(t(LOC), t(POSITIVE)), [D.ExpTransform()]),
}  # fmt: skip


def tensors(framework):
    return lambda a: framework.tensor(np.asarray(a, np.float64))


def answer(function, *args):
    """A result as an array, or the kind of exception."""
    try:
        return function(*args).numpy()
    except Exception as problem:
        return problem


@pytest.mark.parametrize("name", CASES)
def test_facts(name):
    mine, other = CASES[name](ours, tensors(segue)), CASES[name](theirs, tensors(torch))
    assert tuple(mine.batch_shape) == tuple(other.batch_shape) and tuple(mine.event_shape) == tuple(other.event_shape)
    assert (mine.has_rsample, mine.has_enumerate_support) == (other.has_rsample, other.has_enumerate_support)
    torch.manual_seed(0)
    value = other.sample((4,))
    compared = 0
    for fact, function in FACTS.items():
        if (name, fact) in DIFFER:
            continue
        found, expected = answer(function, mine, segue.tensor(value.numpy())), answer(function, other, value)
        if isinstance(expected, Exception):
            assert type(found) is type(expected), fact
            continue
        assert not isinstance(found, Exception), (fact, found)
        assert found.shape == expected.shape and found.dtype == expected.dtype, fact
        np.testing.assert_allclose(found, expected, 1e-6, 1e-9, equal_nan=True, err_msg=fact)
        compared += 1
    assert compared >= 3


@pytest.mark.parametrize("name", CASES)
def test_gradients_of_the_log_density(name):
    torch.manual_seed(1)
    value = CASES[name](theirs, tensors(torch)).sample((3,))
    found = {}
    for framework, module in ((segue, ours), (torch, theirs)):
        leaves = []

        def leaf(a, framework=framework, leaves=leaves):
            leaves.append(framework.tensor(np.asarray(a, np.float64)).requires_grad_())
            return leaves[-1]

        made = CASES[name](module, leaf)
        made.log_prob(framework.tensor(value.numpy())).sum().backward()
        found[framework] = [None if each.grad is None else each.grad.numpy() for each in leaves]
    for mine, other in zip(found[segue], found[torch], strict=True):
        if other is None:
            assert mine is None or not mine.any()
        else:
            np.testing.assert_allclose(mine, other, 1e-5, 1e-7)


def test_divergences_of_all_pairs():
    cases = {**CASES, **MORE}
    mine = {name: make(ours, tensors(segue)) for name, make in cases.items()}
    other = {name: make(theirs, tensors(torch)) for name, make in cases.items()}
    known = 0
    for p in cases:
        for q in cases:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = answer(theirs.kl_divergence, other[p], other[q])
            if isinstance(expected, Exception):
                continue
            found = answer(ours.kl_divergence, mine[p], mine[q])
            if isinstance(found, RuntimeError) and "broadcast" in str(found):
                continue  # batches that do not fit: PyTorch gives infinity before it looks
            assert not isinstance(found, Exception), (p, q, found)
            np.testing.assert_allclose(found, expected, 1e-6, 1e-8, equal_nan=True, err_msg=f"{p} | {q}")
            known += 1
    assert known > 250


TRANSFORMS = {
    "exp": lambda D, t: D.ExpTransform(),
    "sigmoid": lambda D, t: D.SigmoidTransform(),
    "softplus": lambda D, t: D.SoftplusTransform(),
    "tanh": lambda D, t: D.TanhTransform(),
    "affine": lambda D, t: D.AffineTransform(t(LOC), t(OTHER)),
    "affine of vectors": lambda D, t: D.AffineTransform(1.0, -2.0, event_dim=1),
    "stick breaking": lambda D, t: D.StickBreakingTransform(),
    "correlations": lambda D, t: D.CorrCholeskyTransform(),
    "composition": lambda D, t: D.ComposeTransform([D.AffineTransform(0.5, 2.0), D.ExpTransform(), D.PowerTransform(t(0.5))]),
    "reshaped": lambda D, t: D.ComposeTransform([D.ReshapeTransform((3,), (3, 1)), D.IndependentTransform(D.ExpTransform(), 2)]),
    "distribution function": lambda D, t: D.CumulativeDistributionTransform(D.Normal(t(0.0), t(1.0))),
    "pieces": lambda D, t: D.CatTransform([D.ExpTransform(), D.SigmoidTransform()], -1, [2, 1]),
    "stacked": lambda D, t: D.StackTransform([D.ExpTransform(), D.SigmoidTransform(), D.AffineTransform(1.0, 3.0)], -1),
    "inverse": lambda D, t: D.ComposeTransform([D.SigmoidTransform(), D.ExpTransform(), D.ExpTransform().inv]),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms(name):
    """Forward, inverse, determinant, shapes and equality; and forward and inverse undo each other."""
    mine, other = TRANSFORMS[name](ours, tensors(segue)), TRANSFORMS[name](theirs, tensors(torch))
    x, x_theirs = tensors(segue)(LOC), tensors(torch)(LOC)
    y, y_theirs = mine(x), other(x_theirs)
    np.testing.assert_allclose(y.numpy(), y_theirs.numpy(), 1e-7, 1e-9)
    np.testing.assert_allclose(mine.inv(y).numpy(), LOC, 1e-5, 1e-6)
    expected = other.log_abs_det_jacobian(x_theirs, y_theirs).numpy()
    np.testing.assert_allclose(mine.log_abs_det_jacobian(x, y).numpy(), expected, 1e-6, 1e-8)
    assert tuple(mine.forward_shape((2, 3))) == tuple(other.forward_shape((2, 3))) == tuple(y.shape)
    assert tuple(mine.inverse_shape(y.shape)) == (2, 3)
    assert (mine.domain.event_dim, mine.codomain.event_dim, mine.bijective) == (other.domain.event_dim, other.codomain.event_dim, other.bijective)
    assert bool(mine.codomain.check(y).all()) and mine != ours.AbsTransform()


@pytest.mark.parametrize("registry", ["biject_to", "transform_to"])
@pytest.mark.parametrize("name", ["real", "positive", "nonnegative", "unit_interval", "simplex", "lower_cholesky", "corr_cholesky", "positive_definite"])
def test_registries_reach_their_constraint(registry, name):
    constraint = getattr(ours.constraints, name)
    if registry == "biject_to" and name in ("lower_cholesky", "positive_definite"):
        for module in (ours, theirs):
            with pytest.raises(NotImplementedError):
                module.biject_to(getattr(module.constraints, name))
        return
    mine = getattr(ours, registry)(constraint)
    other = getattr(theirs, registry)(getattr(theirs.constraints, name))
    shape = (2, 3, 3) if mine.domain.event_dim == 2 else (2, 3)
    x = np.random.default_rng(0).normal(size=shape)
    y = mine(segue.tensor(x))
    assert bool(constraint.check(y).all())
    np.testing.assert_allclose(y.numpy(), other(torch.tensor(x)).numpy(), 1e-7, 1e-9)


def test_names_are_pytorchs():
    for module in ("", ".constraints", ".transforms", ".kl", ".utils"):
        mine, other = (__import__(f"{f}.distributions{module}", fromlist=["x"]) for f in ("segue", "torch"))
        assert [n for n in mine.__all__ if not hasattr(other, n)] == []
    assert set(theirs.__all__) <= set(ours.__all__)


SLOPES = [(0.3, 0.02), (0.9, 1.5), (2.5, 0.4), (2.5, 7.0), (40.0, 43.0), (900.0, 870.0)]


def test_slopes_of_draws_near_pytorchs():
    """PyTorch's own are approximations, good to about three digits."""
    a, x = (np.array(v) for v in zip(*SLOPES))
    found = segue.eager.functional.gamma_slope(segue.tensor(a), segue.tensor(x)).numpy()
    np.testing.assert_allclose(found, torch._standard_gamma_grad(torch.tensor(a), torch.tensor(x)).numpy(), 2e-3)
    x, a, b = np.array([0.1, 0.5, 0.9]), np.array([0.5, 2.0, 6.0]), np.array([0.7, 3.0, 2.0])
    found = segue.eager.functional.beta_slope(segue.tensor(x), segue.tensor(a), segue.tensor(b)).numpy() / (1 - x)
    np.testing.assert_allclose(found, torch._dirichlet_grad(torch.tensor(x), torch.tensor(a), torch.tensor(a + b)).numpy(), 3e-3)


@pytest.mark.parametrize("library", [segue, torch], ids=["segue", "torch"])
def test_a_transform_with_parameters_is_a_module_as_well(library):
    class Shift(library.distributions.transforms.Transform, library.nn.Module):
        domain = codomain = library.distributions.constraints.real
        __hash__ = library.nn.Module.__hash__
        bijective = True

        def __init__(self):
            super().__init__(cache_size=1)
            self.by = library.nn.Parameter(library.ones(()))

        def _call(self, x):
            return x + self.by

        def _inverse(self, y):
            return y - self.by

        def log_abs_det_jacobian(self, x, y):
            return library.zeros_like(x)

    shift = Shift()
    base = library.distributions.Normal(library.zeros(()), library.ones(()))
    library.distributions.TransformedDistribution(base, [shift]).log_prob(library.full((), 3.0)).backward()
    assert [name for name, _ in shift.named_parameters()] == ["by"] and shift.by.grad.item() == pytest.approx(2.0)
