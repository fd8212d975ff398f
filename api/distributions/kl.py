"""The Kullback-Leibler divergence and its table."""

from segue.eager.distributions.kl import kl_divergence, register_kl

__all__ = ["kl_divergence", "register_kl"]
