"""Minimum cuts: against every possible cut of small networks, and against scipy's maximum flow on larger ones."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import maximum_flow

from segue.graph.flow import UNLIMITED, Network

EDGES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 9)), max_size=14)


def network_of(count, edges):
    network = Network(count)
    for edge in edges:
        network.edge(*edge)
    return network


def weight(edges, behind):
    return sum(capacity for tail, head, capacity in edges if tail not in behind and head in behind)


@given(EDGES)
def test_no_cut_is_lighter_and_no_lightest_one_is_nearer_to_the_sink(edges):
    behind = network_of(6, edges).cut(0, 5)
    assert 0 not in behind and 5 in behind
    cuts = [{5} | {vertex for vertex, on in enumerate(chosen, 1) if on} for chosen in product((False, True), repeat=4)]
    least = min(weight(edges, cut) for cut in cuts)
    assert weight(edges, behind) == least
    assert all(behind <= cut for cut in cuts if weight(edges, cut) == least)


@pytest.mark.parametrize("seed", range(3))
def test_the_cut_is_as_heavy_as_the_greatest_flow(seed):
    random = np.random.default_rng(seed)
    count = 120
    tails, heads = random.integers(0, count, (2, 900))
    capacities = random.integers(1, 1000, 900)
    edges = [(int(t), int(h), int(c)) for t, h, c in zip(tails, heads, capacities) if t != h]
    matrix = coo_array((np.array([e[2] for e in edges]), (np.array([e[0] for e in edges]), np.array([e[1] for e in edges]))), shape=(count, count))
    assert weight(edges, network_of(count, edges).cut(0, count - 1)) == maximum_flow(matrix.tocsr().astype(np.int32), 0, count - 1).flow_value


def test_a_deep_network_is_walked_without_recursion():
    count = 5000
    network = network_of(count, [(vertex, vertex + 1, UNLIMITED if vertex else 3) for vertex in range(count - 1)])
    assert network.cut(0, count - 1) == set(range(1, count))


def test_a_flow_without_limit_is_refused():
    with pytest.raises(ValueError, match="no limit"):
        network_of(2, [(0, 1, UNLIMITED)]).cut(0, 1)
