"""Every distribution with parameters: one table for the comparison with PyTorch and for the draws.

A case makes the same distribution from either framework: `make(D, t)` gets its module `distributions` and its function from arrays to tensors.
"""

import numpy as np

NUMBERS = np.random.default_rng(7)
LOC = NUMBERS.normal(size=(2, 3))
POSITIVE = NUMBERS.uniform(0.5, 3.0, (2, 3))
OTHER = NUMBERS.uniform(0.6, 2.5, (3,))
PROBS = NUMBERS.uniform(0.1, 0.9, (2, 3))
SIMPLEX = NUMBERS.dirichlet(np.ones(4), (2,))
LOGITS = NUMBERS.normal(size=(2, 4))
_root = NUMBERS.normal(size=(2, 3, 3))
COVARIANCE = _root @ _root.transpose(0, 2, 1) + 0.5 * np.eye(3)
TRIL = np.linalg.cholesky(COVARIANCE)
PRECISION = np.linalg.inv(COVARIANCE)
PRECISION = (PRECISION + PRECISION.transpose(0, 2, 1)) / 2

CASES = {
    "Normal": lambda D, t: D.Normal(t(LOC), t(POSITIVE)),
    "Laplace": lambda D, t: D.Laplace(t(LOC), t(POSITIVE)),
    "Cauchy": lambda D, t: D.Cauchy(t(LOC), t(OTHER)),
    "Uniform": lambda D, t: D.Uniform(t(LOC), t(LOC + POSITIVE)),
    "VonMises": lambda D, t: D.VonMises(t(LOC), t(POSITIVE)),
    "ContinuousBernoulli": lambda D, t: D.ContinuousBernoulli(t(np.append(PROBS.ravel(), [0.4999, 0.5003]))),
    "ContinuousBernoulli logits": lambda D, t: D.ContinuousBernoulli(logits=t(LOC)),
    "Gamma": lambda D, t: D.Gamma(t(POSITIVE), t(OTHER)),
    "Chi2": lambda D, t: D.Chi2(t(POSITIVE)),
    "Exponential": lambda D, t: D.Exponential(t(POSITIVE)),
    "Dirichlet": lambda D, t: D.Dirichlet(t(POSITIVE)),
    "Beta": lambda D, t: D.Beta(t(POSITIVE), t(OTHER)),
    "FisherSnedecor": lambda D, t: D.FisherSnedecor(t(POSITIVE + 1.5), t(OTHER + 4)),
    "StudentT": lambda D, t: D.StudentT(t(POSITIVE + 1), t(LOC), t(OTHER)),
    "Bernoulli": lambda D, t: D.Bernoulli(t(PROBS)),
    "Bernoulli logits": lambda D, t: D.Bernoulli(logits=t(LOC)),
    "Geometric": lambda D, t: D.Geometric(t(PROBS)),
    "Geometric logits": lambda D, t: D.Geometric(logits=t(LOC)),
    "Binomial": lambda D, t: D.Binomial(5, t(PROBS)),
    "Binomial logits": lambda D, t: D.Binomial(t(np.full((3,), 4.0)), logits=t(LOC)),
    "NegativeBinomial": lambda D, t: D.NegativeBinomial(t(OTHER), t(PROBS)),
    "Poisson": lambda D, t: D.Poisson(t(POSITIVE)),
    "Categorical": lambda D, t: D.Categorical(t(3 * SIMPLEX)),
    "Categorical logits": lambda D, t: D.Categorical(logits=t(LOGITS)),
    "OneHotCategorical": lambda D, t: D.OneHotCategorical(t(SIMPLEX)),
    "OneHotCategoricalStraightThrough": lambda D, t: D.OneHotCategoricalStraightThrough(logits=t(LOGITS)),
    "Multinomial": lambda D, t: D.Multinomial(5, t(SIMPLEX)),
    "LogNormal": lambda D, t: D.LogNormal(t(LOC), t(POSITIVE / 3)),
    "HalfNormal": lambda D, t: D.HalfNormal(t(POSITIVE)),
    "HalfCauchy": lambda D, t: D.HalfCauchy(t(POSITIVE)),
    "Gumbel": lambda D, t: D.Gumbel(t(LOC), t(OTHER)),
    "Weibull": lambda D, t: D.Weibull(t(POSITIVE), t(OTHER)),
    "Pareto": lambda D, t: D.Pareto(t(POSITIVE), t(OTHER + 2)),
    "Kumaraswamy": lambda D, t: D.Kumaraswamy(t(POSITIVE + 1), t(OTHER + 1)),
    "InverseGamma": lambda D, t: D.InverseGamma(t(POSITIVE + 2), t(OTHER)),
    "LogisticNormal": lambda D, t: D.LogisticNormal(t(LOC), t(POSITIVE)),
    "RelaxedBernoulli": lambda D, t: D.RelaxedBernoulli(t(0.7), t(PROBS)),
    "RelaxedOneHotCategorical": lambda D, t: D.RelaxedOneHotCategorical(t(0.7), logits=t(LOGITS)),
    "MultivariateNormal covariance": lambda D, t: D.MultivariateNormal(t(LOC), t(COVARIANCE)),
    "MultivariateNormal precision": lambda D, t: D.MultivariateNormal(t(LOC), precision_matrix=t(PRECISION)),
    "MultivariateNormal tril": lambda D, t: D.MultivariateNormal(t(LOC[0]), scale_tril=t(TRIL)),
    "LowRankMultivariateNormal": lambda D, t: D.LowRankMultivariateNormal(t(LOC), t(TRIL[:, :, :2]), t(POSITIVE)),
    "Wishart": lambda D, t: D.Wishart(t(OTHER[:2] + 5), t(COVARIANCE)),
    "Wishart precision": lambda D, t: D.Wishart(t(4.5), precision_matrix=t(PRECISION)),
    "LKJCholesky": lambda D, t: D.LKJCholesky(3, t(OTHER[:2])),
    "Independent": lambda D, t: D.Independent(D.Normal(t(LOC), t(POSITIVE)), 1),
    "MixtureSameFamily": lambda D, t: D.MixtureSameFamily(D.Categorical(t(SIMPLEX[:, :3])), D.Normal(t(LOC), t(POSITIVE))),
    "MixtureSameFamily vectors": lambda D, t: D.MixtureSameFamily(D.Categorical(t(SIMPLEX[0, :2])), D.MultivariateNormal(t(LOC), t(COVARIANCE))),
    "TransformedDistribution": lambda D, t: D.TransformedDistribution(
        D.Normal(t(LOC), t(POSITIVE)), [D.SigmoidTransform(), D.AffineTransform(t(LOC), t(-OTHER))]),
    "TransformedDistribution stick": lambda D, t: D.TransformedDistribution(
        D.Normal(t(LOC), t(POSITIVE)), [D.AffineTransform(1.0, 2.0), D.StickBreakingTransform()]),
}  # fmt: skip
