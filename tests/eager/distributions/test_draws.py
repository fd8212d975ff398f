"""Draws of every distribution: against SciPy's distribution functions and the distributions' own moments; their gradients; bad input; captured code.

Every test has a fixed seed, so that nothing here depends on chance: a bound is one that a right sampler keeps with the odds of a thousand to one.
"""

import numpy as np
import pytest
from scipy import special, stats

import segue
import segue.distributions as D
from segue.distributions import constraints

from .cases import CASES, LOC, PROBS

COUNT = 4000
CONTINUOUS = {
    "Normal": (lambda: D.Normal(0.5, 2.0), stats.norm(0.5, 2)),
    "Laplace": (lambda: D.Laplace(0.5, 2.0), stats.laplace(0.5, 2)),
    "Cauchy": (lambda: D.Cauchy(0.5, 2.0), stats.cauchy(0.5, 2)),
    "Uniform": (lambda: D.Uniform(-1.0, 2.0), stats.uniform(-1, 3)),
    "VonMises": (lambda: D.VonMises(0.3, 2.0), stats.vonmises(2, 0.3)),
    "Gamma small": (lambda: D.Gamma(0.2, 3.0), stats.gamma(0.2, scale=1 / 3)),
    "Gamma": (lambda: D.Gamma(4.0, 0.5), stats.gamma(4, scale=2)),
    "Chi2": (lambda: D.Chi2(3.0), stats.chi2(3)),
    "Exponential": (lambda: D.Exponential(2.0), stats.expon(scale=0.5)),
    "Beta": (lambda: D.Beta(0.5, 2.0), stats.beta(0.5, 2)),
    "FisherSnedecor": (lambda: D.FisherSnedecor(3.0, 6.0), stats.f(3, 6)),
    "StudentT": (lambda: D.StudentT(3.0, 1.0, 2.0), stats.t(3, 1, 2)),
    "LogNormal": (lambda: D.LogNormal(0.3, 0.5), stats.lognorm(0.5, scale=np.exp(0.3))),
    "HalfNormal": (lambda: D.HalfNormal(2.0), stats.halfnorm(scale=2)),
    "HalfCauchy": (lambda: D.HalfCauchy(2.0), stats.halfcauchy(scale=2)),
    "Gumbel": (lambda: D.Gumbel(0.5, 2.0), stats.gumbel_r(0.5, 2)),
    "Weibull": (lambda: D.Weibull(2.0, 1.5), stats.weibull_min(1.5, scale=2)),
    "Pareto": (lambda: D.Pareto(2.0, 3.0), stats.pareto(3, scale=2)),
    "GeneralizedPareto": (lambda: D.GeneralizedPareto(0.5, 2.0, 0.3), stats.genpareto(0.3, 0.5, 2)),
    "GeneralizedPareto of a bounded tail": (lambda: D.GeneralizedPareto(0.5, 2.0, -0.4), stats.genpareto(-0.4, 0.5, 2)),
    "GeneralizedPareto of an exponential tail": (lambda: D.GeneralizedPareto(0.5, 2.0, 0.0), stats.expon(0.5, 2)),
    "InverseGamma": (lambda: D.InverseGamma(3.0, 2.0), stats.invgamma(3, scale=2)),
    "RelaxedBernoulli": (lambda: D.RelaxedBernoulli(segue.tensor(0.7), 0.4), None),
    "Kumaraswamy": (lambda: D.Kumaraswamy(2.0, 3.0), None),
    "ContinuousBernoulli": (lambda: D.ContinuousBernoulli(0.3), None),
}


@pytest.mark.parametrize("name", CONTINUOUS)
def test_draws_follow_the_distribution_function(name):
    """Kolmogorov and Smirnov's test against SciPy's distribution function, or against the integral of the density."""
    segue.manual_seed(1)
    make, reference = CONTINUOUS[name]
    made = make()
    drawn = made.sample((COUNT,)).numpy().astype(np.float64)
    cdf = reference.cdf if reference is not None else _integral(made)
    assert stats.kstest(drawn, cdf).pvalue > 1e-3


def _integral(made):
    """The distribution function on (0, 1) by the midpoint rule."""
    places = (np.arange(100_000) + 0.5) / 100_000
    total = np.cumsum(np.exp(made.log_prob(segue.tensor(places)).numpy())) / len(places)
    assert abs(total[-1] - 1) < 1e-3
    return lambda x: np.interp(x, places, total)


DISCRETE = {
    "Bernoulli": (lambda: D.Bernoulli(0.3), stats.bernoulli(0.3)),
    "Geometric": (lambda: D.Geometric(0.3), stats.geom(0.3, -1)),
    "Binomial": (lambda: D.Binomial(7, 0.3), stats.binom(7, 0.3)),
    "NegativeBinomial": (lambda: D.NegativeBinomial(3.0, 0.4), stats.nbinom(3, 0.6)),
    "Poisson": (lambda: D.Poisson(3.5), stats.poisson(3.5)),
    "Categorical": (lambda: D.Categorical(segue.tensor([0.1, 0.0, 0.6, 0.3])), stats.rv_discrete(values=([0, 1, 2, 3], [0.1, 0, 0.6, 0.3]))),
}


@pytest.mark.parametrize("name", DISCRETE)
def test_counts_follow_the_probabilities(name):
    """The chi-squared test of the counts, those expected below five together."""
    segue.manual_seed(2)
    make, reference = DISCRETE[name]
    drawn = make().sample((COUNT,)).numpy().astype(np.int64)
    values = np.arange(60)
    expected, counts = COUNT * reference.pmf(values), np.bincount(drawn, minlength=60)[:60]
    assert counts[expected == 0].sum() == 0
    few = expected < 5
    expected, counts = (np.append(c[~few], c[few].sum()) for c in (expected, counts))
    expected, counts = expected[expected > 0], counts[expected > 0]
    assert stats.chisquare(counts, expected * counts.sum() / expected.sum()).pvalue > 1e-3


@pytest.mark.parametrize("name", CASES)
def test_shapes_moments_and_support_of_draws(name):
    segue.manual_seed(3)
    made = CASES[name](D, lambda a: segue.tensor(np.asarray(a, np.float32)))
    drawn = made.sample((COUNT,))
    assert tuple(drawn.shape) == (COUNT, *made.batch_shape, *made.event_shape) and not drawn.requires_grad
    assert bool(made.support.check(drawn).all()) or name == "RelaxedOneHotCategorical"  # whose rows add up to 1 within rounding only
    try:
        mean, variance = made.mean.numpy(), made.variance.numpy()
    except NotImplementedError:
        return
    if name == "VonMises":
        return  # its variance is a circular one
    with np.errstate(invalid="ignore"):
        away = np.abs(drawn.numpy().mean(0) - mean) / np.sqrt(variance / COUNT)
    assert np.nanmax(np.where(np.isfinite(variance) & (variance > 0), away, 0)) < 5.5


def test_correlations_follow_their_marginals():
    """Each correlation of the LKJ distribution is a beta variable on (-1, 1), also those of later rows (which PyTorch's sampler misses)."""
    segue.manual_seed(3)
    for size, concentration in ((3, 0.7), (4, 2.0)):
        drawn = D.LKJCholesky(size, concentration).sample((COUNT,))
        found, shape = (drawn @ drawn.mT).numpy(), concentration - 1 + size / 2
        rows, columns = np.tril_indices(size, -1)
        assert min(stats.kstest(found[:, i, j], stats.beta(shape, shape, -1, 2).cdf).pvalue for i, j in zip(rows, columns)) > 1e-3


@pytest.mark.parametrize("c", [-0.3, 0.0, 0.2, 1.2])
def test_the_generalized_pareto_distribution_is_scipys(c):
    """PyTorch's takes no float64."""
    made, reference = D.GeneralizedPareto(segue.tensor(1.0).double(), 2.0, c), stats.genpareto(c, 1, 2)
    x, u = np.array([1.0, 1.5, 4.0]), np.array([0.0, 0.3, 0.9])
    mean, variance = (value if np.isfinite(value) else np.nan for value in reference.stats("mv"))
    for found, expected in (
        (made.log_prob(segue.tensor(x)), reference.logpdf(x)), (made.cdf(segue.tensor(x)), reference.cdf(x)), (made.icdf(segue.tensor(u)), reference.ppf(u)),
        (made.log_cdf(segue.tensor(x)), reference.logcdf(x)), (made.log_survival_function(segue.tensor(x)), reference.logsf(x)), (made.mean, mean),
        (made.entropy(), reference.entropy()), (made.variance, variance), (made.support.upper_bound, reference.support()[1]),
    ):  # fmt: skip
        np.testing.assert_allclose(found.numpy(), expected, 1e-12)


def test_wishart_draws_move_with_their_parameters():
    segue.manual_seed(5)
    p = D.Wishart(segue.tensor(5.0).double(), segue.eye(2).double())
    q = D.Wishart(segue.tensor(4.0).double(), segue.tensor([[2.0, 0.5], [0.5, 1.0]]).double())
    drawn = p.sample((COUNT,))
    terms = (p.log_prob(drawn) - q.log_prob(drawn)).numpy()
    assert abs(terms.mean() - D.kl_divergence(p, q).item()) < 5 * terms.std() / np.sqrt(COUNT)
    df = segue.tensor(4.0, requires_grad=True)
    (slope,) = segue.autograd.grad(D.Wishart(df, segue.eye(2)).rsample((COUNT,)).diagonal(0, -2, -1).mean(), df)
    assert abs(slope.item() - 1) < 0.1  # the mean is df times the covariance
    singular = D.Wishart(segue.tensor(2.2), segue.eye(3))
    assert bool(singular.support.check(singular.sample((50,))).all())
    for bad in (lambda: D.Wishart(segue.tensor(1.5), segue.eye(3)), lambda: D.Wishart(3.0), lambda: D.LKJCholesky(1)):
        with pytest.raises(ValueError, match="expected to be greater|Exactly one|greater than or equal to 2"):
            bad()


def test_small_shapes_do_not_break():
    """Draws that are all next to 0 stay on the simplex, and a gamma draw is never 0."""
    segue.manual_seed(0)
    assert float(D.Gamma(1e-3, 1.0).sample((500,)).min()) > 0
    drawn = D.Dirichlet(segue.full((3,), 1e-3)).sample((500,))
    assert segue.allclose(drawn.sum(-1), segue.ones(500)) and np.allclose(drawn.mean(0).numpy(), 1 / 3, atol=0.1)


# ---------------------------------------------------------------------------------------------------------------- gradients of draws


def test_the_slope_of_a_gamma_draw_is_that_of_the_quantile_function():
    """dx/da at a fixed probability, by differences of SciPy's inverse distribution functions."""
    a = np.array([0.3, 0.9, 2.5, 2.5, 40.0])
    u = np.array([0.2, 0.7, 0.01, 0.99, 0.6])
    h = 1e-4 * a
    expected = (special.gammaincinv(a + h, u) - special.gammaincinv(a - h, u)) / (2 * h)
    found = segue.eager.functional.gamma_slope(segue.tensor(a), segue.tensor(special.gammaincinv(a, u))).numpy()
    np.testing.assert_allclose(found, expected, 1e-5)
    b = np.array([0.5, 3.0, 1.0, 7.0, 20.0])
    expected = (special.betaincinv(a + h, b, u) - special.betaincinv(a - h, b, u)) / (2 * h)
    found = segue.eager.functional.beta_slope(segue.tensor(special.betaincinv(a, b, u)), segue.tensor(a), segue.tensor(b)).numpy()
    np.testing.assert_allclose(found, expected, 1e-5)


PATHWISE = {
    "Normal": lambda a: D.Normal(a, a * a),
    "Gamma": lambda a: D.Gamma(a, 2 * a * a),
    "Beta": lambda a: D.Beta(a, 3 - a),
    "Dirichlet": lambda a: D.Dirichlet(segue.stack([a, a * a, segue.tensor(2.0, dtype=segue.float64)])),
    "StudentT": lambda a: D.StudentT(6 + a, a, a),
    "FisherSnedecor": lambda a: D.FisherSnedecor(3 * a, 10 + a),
    "Weibull": lambda a: D.Weibull(a, 1 + a),
    "Kumaraswamy": lambda a: D.Kumaraswamy(a, 1 + a),
    "ContinuousBernoulli": lambda a: D.ContinuousBernoulli(a / 4),
    "Uniform": lambda a: D.Uniform(a, 1 + a * a),
    "Gumbel": lambda a: D.Gumbel(a, a),
    "GeneralizedPareto": lambda a: D.GeneralizedPareto(a, a, a / 5),
    "LowRankMultivariateNormal": lambda a: D.LowRankMultivariateNormal(a * segue.ones(2).double(), segue.ones(2, 1).double(), segue.ones(2).double()),
}


@pytest.mark.parametrize("name", PATHWISE)
def test_gradients_of_draws_have_the_gradient_of_the_mean(name):
    """The average of d(draw)/da is d(mean)/da, within six standard errors."""
    segue.manual_seed(4)
    a = segue.tensor(1.3, dtype=segue.float64, requires_grad=True)
    (expected,) = segue.autograd.grad(PATHWISE[name](a).mean.reshape(-1)[0], [a])
    each = a.detach().expand(COUNT).clone().requires_grad_()
    parts = [PATHWISE[name](each)] if name not in ("Dirichlet", "LowRankMultivariateNormal") else None
    if parts is None:
        drawn = PATHWISE[name](a).rsample((COUNT,))[:, 0]
        (total,) = segue.autograd.grad(drawn.sum(), [a])
        assert abs(total.item() / COUNT - expected.item()) < 0.05
        return
    (slopes,) = segue.autograd.grad(parts[0].rsample().sum(), [each])
    slopes = slopes.numpy()
    assert abs(slopes.mean() - expected.item()) < 6 * slopes.std() / np.sqrt(COUNT) + 1e-9


def test_second_derivatives_of_gamma_draws_are_refused():
    a = segue.tensor(1.3, requires_grad=True)
    drawn = D.Gamma(a, 1.0).rsample()
    with pytest.raises(NotImplementedError, match="gamma_slope"):
        segue.autograd.grad(drawn, [a], create_graph=True)


# ---------------------------------------------------------------------------------------------------------------- captured code


def actor(logits, action):
    made = D.Categorical(logits=logits)
    loss = -(made.log_prob(action).mean() + 0.01 * made.entropy().mean())
    return loss, *segue.autograd.grad(loss, [logits]), made.sample()


def encoder(mean, log_scale):
    made = D.Normal(mean, log_scale.exp())
    z = made.rsample()
    loss = D.kl_divergence(made, D.Normal(segue.zeros_like(mean), 1.0)).sum() + (z * z).sum()
    return loss, *segue.autograd.grad(loss, [mean, log_scale]), D.Independent(made, 1).log_prob(z)


def squashed(mean, log_scale):
    made = D.TransformedDistribution(D.Normal(mean, log_scale.exp()), [D.TanhTransform(cache_size=1)])
    drawn = made.rsample()
    return drawn, made.log_prob(drawn)


def positive(mean, log_scale):
    """Gamma and Dirichlet draws, whose sampler and slope run as eager kernels between compiled stretches."""
    gamma, shares = D.Gamma(mean.exp(), 1.0), D.Dirichlet(log_scale.exp())
    x, y = gamma.rsample(), shares.rsample()
    loss = gamma.log_prob(x).sum() + (y * y).sum() + D.Beta(mean.exp(), 2.0).rsample().sum()
    return loss, *segue.autograd.grad(loss, [mean, log_scale])


def many(mean, log_scale):
    s = log_scale.exp()
    out = []
    for made in (D.Laplace(mean, s), D.Uniform(mean, mean + s), D.StudentT(3.0, mean, s), D.Bernoulli(logits=mean), D.Gumbel(mean, s),
                 D.OneHotCategorical(logits=mean), D.RelaxedOneHotCategorical(0.5, logits=mean), D.Poisson(s), D.HalfNormal(s),
                 D.MixtureSameFamily(D.Categorical(logits=mean), D.Normal(mean, s)), D.MultivariateNormal(mean, segue.eye(3))):  # fmt: skip
        drawn = made.sample()
        out += [drawn, made.log_prob(drawn)]
    return out


@pytest.mark.parametrize("function", [actor, encoder, squashed, positive, many])
def test_one_graph(function):
    """Checks of arguments do not break the graph, draws are those of eager code."""
    mean = segue.tensor(LOC, dtype=segue.float32, requires_grad=True)
    other = segue.tensor([0, 2]) if function is actor else segue.tensor(np.log(PROBS), dtype=segue.float32, requires_grad=True)
    segue.manual_seed(5)
    expected = function(mean, other)
    segue.manual_seed(5)
    before = segue.compiler.stats()
    found = segue.compile(function, fullgraph=True)(mean, other)
    after = segue.compiler.stats()
    assert (after["graphs"] - before["graphs"], after["breaks"] - before["breaks"]) == (1, 0)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), 2e-4, 1e-5)


# ---------------------------------------------------------------------------------------------------------------- bad input

x = segue.ones(3)


@pytest.mark.parametrize("wrong, kind, words", [
    (lambda: D.Normal(0.0, -1.0), ValueError, "parameter scale .* to satisfy the constraint GreaterThan"),
    (lambda: D.Normal(x, segue.ones(2)), RuntimeError, "broadcast|match"),
    (lambda: D.Normal("a", 1.0), ValueError, "Number"),
    (lambda: D.Normal(0.0, 1.0).log_prob(segue.tensor(float("nan"))), ValueError, "within the support"),
    (lambda: D.Normal(0.0, 1.0).log_prob(1.0), ValueError, "must be a Tensor"),
    (lambda: D.Bernoulli(0.5).log_prob(segue.tensor(0.3)), ValueError, "within the support"),
    (lambda: D.Bernoulli(0.5, 0.5), ValueError, "but not both"),
    (lambda: D.Bernoulli(1.5), ValueError, "parameter probs"),
    (lambda: D.Categorical(segue.tensor(1.0)), ValueError, "at least one-dimensional"),
    (lambda: D.Categorical(segue.tensor([-1.0, 2.0])), ValueError, "Simplex"),
    (lambda: D.Categorical(x).log_prob(segue.tensor(3)), ValueError, "IntegerInterval"),
    (lambda: D.Uniform(1.0, 1.0), ValueError, "low >= high"),
    (lambda: D.Multinomial(segue.ones(2), x), NotImplementedError, "total_count"),
    (lambda: D.MultivariateNormal(x), ValueError, "Exactly one"),
    (lambda: D.MultivariateNormal(x, segue.eye(3)).log_prob(segue.ones(4)), ValueError, "event_shape"),
    (lambda: D.MultivariateNormal(x, -segue.eye(3)), ValueError, "covariance_matrix"),
    (lambda: D.Independent(D.Normal(x, 1.0), 2), ValueError, "reinterpreted_batch_ndims"),
    (lambda: D.MixtureSameFamily(D.Normal(x, 1.0), D.Normal(x, 1.0)), ValueError, "Categorical"),
    (lambda: D.MixtureSameFamily(D.Categorical(segue.ones(2)), D.Normal(x, 1.0)), ValueError, "does not equal"),
    (lambda: D.TransformedDistribution(D.Normal(x, 1.0), "exp"), ValueError, "Transform or list"),
    (lambda: D.kl_divergence(D.Normal(0.0, 1.0), D.Poisson(1.0)), NotImplementedError, "different exponential families"),
    (lambda: D.kl_divergence(D.Normal(0.0, 1.0), D.StudentT(1.0)), NotImplementedError, "Normal.*StudentT"),
    (lambda: D.register_kl(3, D.Normal), TypeError, "subclasses"),
    (lambda: D.biject_to(constraints.boolean), NotImplementedError, "Boolean"),
    (lambda: D.Poisson(1.0).rsample(), NotImplementedError, "rsample"),
    (lambda: D.Poisson(1.0).entropy() and D.VonMises(0.0, 1.0).entropy(), NotImplementedError, "entropy|_mean_carrier"),
    (lambda: D.Transform(cache_size=2), ValueError, "0 or 1"),
    (lambda: constraints.dependent.check(x), ValueError, "dependent"),
])  # fmt: skip
def test_bad_input(wrong, kind, words):
    with pytest.raises(kind, match=words):
        wrong()


def test_checks_can_be_left_out():
    assert D.Normal(0.0, -1.0, validate_args=False).scale.item() == -1
    assert D.Bernoulli(0.5, validate_args=False).log_prob(segue.tensor(0.3)).item() < 0
    D.Distribution.set_default_validate_args(False)
    try:
        D.Normal(0.0, -1.0)
    finally:
        D.Distribution.set_default_validate_args(True)
    with pytest.raises(ValueError, match="True or False"):
        D.Distribution.set_default_validate_args(3)


def test_subclasses_and_reprs():
    class Wide(D.Normal):
        def __init__(self, loc):
            super().__init__(loc, 10.0)

    with pytest.raises(NotImplementedError, match="custom .expand"):
        Wide(0.0).expand((2,))
    assert repr(D.Normal(0.0, 1.0)) == "Normal(loc: 0.0, scale: 1.0)" and repr(D.Categorical(x)) == "Categorical(probs: segue.Size([3]))"
    assert repr(D.Independent(D.Normal(x, 1.0), 1)) == "Independent(Normal(loc: segue.Size([3]), scale: segue.Size([3])), 1)"


def test_a_table_entry_serves_subclasses():
    class Mine(D.Normal):
        pass

    assert D.kl_divergence(Mine(0.0, 1.0), D.Normal(1.0, 1.0)).item() == 0.5

    @D.register_kl(Mine, D.Normal)
    def special_case(p, q):
        return p.loc * 0 + 7

    assert D.kl_divergence(Mine(0.0, 1.0), D.Normal(1.0, 1.0)).item() == 7
    assert D.kl_divergence(D.Normal(0.0, 1.0), D.Normal(1.0, 1.0)).item() == 0.5
