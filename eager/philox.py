"""Philox4x32-10: random bits as a function of a counter and a key.

In come a seed, an offset and a number of elements; out go uint32 words or uniform numbers, the same on every machine and in generated code. The one
idea (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011): ten rounds of multiplying and mixing turn a counter
into four random words, so that any draw can be computed alone, in any order.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)  # the constants of the paper: two odd multipliers, and the Weyl steps of the key
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
MASK = 0xFFFFFFFF
CHUNK = 1 << 13  # blocks at a time, so that the rounds stay in the cache
UNIFORM_BITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}  # as many as the significand holds, so that 1 is never reached


def philox4x32(xp: Any, counter: tuple[Any, Any, Any, Any], key: tuple[int, int]) -> tuple[Any, Any, Any, Any]:
    """Four random words for each counter. Words are uint64 arrays (or ints) below 2**32, broadcast against each other.

    >>> zero = np.zeros(1, np.uint64)
    >>> [hex(int(word[0])) for word in philox4x32(np, (zero, zero, zero, zero), (0, 0))]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    mask, half = xp.uint64(MASK), xp.uint64(32)
    c0, c1, c2, c3 = counter
    k0, k1 = key
    first, second = (xp.uint64(m) for m in MULTIPLIERS)
    for _ in range(ROUNDS):
        p0, p1 = c0 * first, c2 * second
        c0, c1, c2, c3 = (p1 >> half) ^ c1 ^ xp.uint64(k0), p1 & mask, (p0 >> half) ^ c3 ^ xp.uint64(k1), p0 & mask
        k0, k1 = (k0 + WEYL[0]) & MASK, (k1 + WEYL[1]) & MASK
    return c0, c1, c2, c3


_ON_DEVICE = """
unsigned long long block = (unsigned long long)i >> 2;
unsigned int c0 = (unsigned int)block, c1 = (unsigned int)(block >> 32), c2 = (unsigned int)call, c3 = (unsigned int)(call >> 32);
unsigned int k0 = (unsigned int)seed, k1 = (unsigned int)(seed >> 32);
for (int round = 0; round < %d; ++round) {
    unsigned int high0 = __umulhi(%du, c0), low0 = %du * c0, high1 = __umulhi(%du, c2), low1 = %du * c2;
    c0 = high1 ^ c1 ^ k0; c1 = low1; c2 = high0 ^ c3 ^ k1; c3 = low0;
    k0 += %du; k1 += %du;
}
int lane = (int)(i & 3);
word = lane == 0 ? c0 : lane == 1 ? c1 : lane == 2 ? c2 : c3;
""" % (ROUNDS, MULTIPLIERS[0], MULTIPLIERS[0], MULTIPLIERS[1], MULTIPLIERS[1], *WEYL)  # noqa: UP031


@functools.cache
def _device_words(xp: Any) -> Any:
    """The same words in one kernel: each element turns its own counter."""
    return xp.ElementwiseKernel("uint64 seed, uint64 call", "uint64 word", _ON_DEVICE, "segue_philox")


def random_words(xp: Any, seed: int, call: int, count: int) -> Any:
    """The first `count` words (uint64 below 2**32) of draw number `call` under `seed`: word i is lane i % 4 of block i // 4."""
    if hasattr(xp, "ElementwiseKernel"):
        return _device_words(xp)(np.uint64(seed), np.uint64(call), xp.empty(count, np.uint64))
    words = xp.empty(((count + 3) // 4, 4), np.uint64)
    key = seed & MASK, (seed >> 32) & MASK
    low, high = xp.uint64(call & MASK), xp.uint64((call >> 32) & MASK)
    for start in range(0, len(words), CHUNK):
        part = words[start : start + CHUNK]
        block = xp.arange(start, start + len(part), dtype=np.uint64)
        for lane, word in enumerate(philox4x32(xp, (block & xp.uint64(MASK), block >> xp.uint64(32), low, high), key)):
            part[:, lane] = word
    return words.reshape(-1)[:count]


def uniform(xp: Any, seed: int, call: int, count: int, dtype: Any) -> Any:
    """`count` numbers in [0, 1), each a multiple of 2**-bits, with as many random bits as the dtype's significand holds."""
    bits = UNIFORM_BITS[dtype.name]
    if bits > 32:
        words = random_words(xp, seed, call, 2 * count).reshape(-1, 2)
        whole = ((words[:, 0] << xp.uint64(32)) | words[:, 1]) >> xp.uint64(64 - bits)
        return whole.astype(np.float64) * 2.0**-bits
    whole = random_words(xp, seed, call, count) >> xp.uint64(32 - bits)
    return (whole.astype(np.float32) * np.float32(2.0**-bits)).astype(dtype.numpy)


def integers(xp: Any, seed: int, call: int, low: int, high: int, count: int) -> Any:
    """`count` int64 in [low, high). Up to 2**31 values: (word * range) >> 32; more: 63 bits modulo the range."""
    span = high - low
    if span <= 2**31:
        scaled = (random_words(xp, seed, call, count) * xp.uint64(span)) >> xp.uint64(32)
        return scaled.astype(np.int64) + low
    words = random_words(xp, seed, call, 2 * count).reshape(-1, 2)
    wide = ((words[:, 0] >> xp.uint64(1)) << xp.uint64(32)) | words[:, 1]
    return (wide % xp.uint64(span)).astype(np.int64) + low
