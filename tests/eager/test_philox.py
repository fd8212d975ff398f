"""The counter-based generator: its published test vectors, a plain scalar version of its definition, and what the random rows draw from it."""

import numpy as np
import pytest

import segue
from segue.eager import dtypes, philox
from segue.eager.ops import OPS
from segue.eager.tensor import wrap

# From the known-answer tests that accompany Salmon et al. 2011 (Random123, philox4x32 with 10 rounds): counter, key, result.
VECTORS = (
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
)


def words(text):
    return tuple(int(word, 16) for word in text.split())


@pytest.mark.parametrize("counter, key, expected", VECTORS)
def test_published_vectors(counter, key, expected):
    found = philox.philox4x32(np, tuple(np.array([word], np.uint64) for word in words(counter)), words(key))
    assert tuple(int(word[0]) for word in found) == words(expected)


def scalar(counter, key):
    """The definition in Python's own integers."""
    (a, b, c, d), (k, l) = counter, key
    for _ in range(10):
        p, q = a * 0xD2511F53, c * 0xCD9E8D57
        a, b, c, d = (q >> 32) ^ b ^ k, q & 0xFFFFFFFF, (p >> 32) ^ d ^ l, p & 0xFFFFFFFF
        k, l = (k + 0x9E3779B9) & 0xFFFFFFFF, (l + 0xBB67AE85) & 0xFFFFFFFF
    return a, b, c, d


def test_counter_and_key_are_laid_out_as_documented():
    seed, call = 0x0123456789ABCDEF, 0x1_0000_0002
    found = philox.random_words(np, seed, call, 4 * (philox.CHUNK + 3))
    for block in (0, 1, philox.CHUNK - 1, philox.CHUNK, philox.CHUNK + 2):
        assert tuple(int(w) for w in found[4 * block : 4 * block + 4]) == scalar((block, 0, 2, 1), (0x89ABCDEF, 0x01234567))


def test_a_shorter_draw_is_the_beginning_of_a_longer_one():
    for count in (0, 1, 3, 5):
        assert np.array_equal(philox.random_words(np, 7, 1, count), philox.random_words(np, 7, 1, 9)[:count])


def state(seed, offset):
    return wrap(np.array([seed, offset], np.uint64).view(np.int64))


def test_offset_and_call_name_the_same_draw():
    a, b = (OPS["uniform"](s, call, (5,), dtypes.float32) for s, call in ((state(3, 4), 2), (state(3, 6), 0)))
    assert np.array_equal(a._data, b._data)
    assert not np.array_equal(a._data, OPS["uniform"](state(3, 7), 0, (5,), dtypes.float32)._data)


def test_uniform_is_the_documented_function_of_the_bits():
    lanes = [scalar((block, 0, 9, 0), (5, 0)) for block in range(4)]
    flat = [word for block in lanes for word in block]
    single = OPS["uniform"](state(5, 9), 0, (8,), dtypes.float32)._data
    assert single.tolist() == [(word >> 8) * 2.0**-24 for word in flat[:8]]
    double = OPS["uniform"](state(5, 9), 0, (8,), dtypes.float64)._data
    assert double.tolist() == [((flat[2 * i] << 32 | flat[2 * i + 1]) >> 11) * 2.0**-53 for i in range(8)]


@pytest.mark.parametrize("dtype", [dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64])
def test_uniform_stays_below_one_and_is_even(dtype):
    drawn = OPS["uniform"](state(11, 0), 0, (40000,), dtype)._data.astype(np.float64)
    assert drawn.min() >= 0 and drawn.max() < 1
    counts, _ = np.histogram(drawn, 16, (0, 1))
    assert ((counts - 2500.0) ** 2 / 2500).sum() < 45  # chi-squared with 15 degrees of freedom: 1 in 10,000


def test_randint_covers_its_range():
    drawn = OPS["randint"](state(12, 0), 0, -2, 3, (5000,), dtypes.int64)._data
    assert sorted(set(drawn.tolist())) == [-2, -1, 0, 1, 2]
    wide = OPS["randint"](state(12, 0), 1, -(2**40), 2**40, (5000,), dtypes.int64)._data
    assert wide.min() < -(2**39) and wide.max() > 2**39 and len(set(wide.tolist())) == 5000


def test_the_public_generator_draws_this_stream():
    segue.manual_seed(5)
    assert np.array_equal(segue.rand(3).numpy(), OPS["uniform"](state(5, 0), 0, (3,), dtypes.float32)._data)
    assert np.array_equal(segue.rand(3).numpy(), OPS["uniform"](state(5, 1), 0, (3,), dtypes.float32)._data)


def test_a_generator_goes_where_its_state_says():
    generator = segue.Generator().manual_seed(np.int64(-3))
    assert generator.initial_seed() == 2**64 - 3 and generator.device == segue.device("cpu")
    segue.rand(3, generator=generator)
    state, other = generator.get_state(), generator.clone_state()
    assert state.dtype is segue.uint8 and generator.get_offset() == 1
    drawn = segue.rand(3, generator=generator)
    assert segue.equal(drawn, segue.rand(3, generator=other)) and segue.equal(drawn, segue.rand(3, generator=segue.Generator().set_state(state)))
    for bad, kind in ((state.long(), TypeError), (state[:5], RuntimeError)):
        with pytest.raises(kind, match="set_state"):
            generator.set_state(bad)
    with pytest.raises(RuntimeError, match="Overflow"):
        generator.manual_seed(2**64)
    with pytest.raises(RuntimeError, match="device cuda"):
        segue.Generator("cuda")
